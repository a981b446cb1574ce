"""The rules of docs/watermark.md on a real Spark: one file is one micro-batch, so that every edge is hit on purpose."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from simulator.pipeline import Pipeline
from simulator.plan import Plan, write_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakePlan = Callable[..., Plan]
    Event = tuple[str, int, float]
    Windows = dict[tuple[float, float, str], int]

pytestmark = pytest.mark.integration

BASE = datetime(2024, 1, 2, 14, 30, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NONE = (EPOCH - BASE).total_seconds()
"""The watermark before any event: 1970."""
US = 0.000001
PATIENCE_SECONDS = 90.0
# The same for all, so that one Spark serves them all.
COMMON = (
    *("symbols.count=3", "sink=file", "clock=unpaced", "spark.master='local[1]'", "metrics.names=[msg_ct]", "window.watermark=5"),
    "+spark.conf.spark.sql.streaming.fileSource.log.compactInterval=3",
)
TUMBLING = ("window=tumbling", "window.size=10")
SESSION = ("window=session", "window.gap=2", "output.mode=append")
DEDUPLICATE = "window.deduplicate=true"


@dataclass(frozen=True)
class Outcome:
    """What became of a run, by micro-batch; times are seconds from BASE.

    Attributes:
        watermarks: that Spark reported.
        windows: (start, end, symbol) to the count, as written by the batch.
        late: operator to `numRowsDroppedByWatermark`.
        duplicates: `numDroppedDuplicateRows` of all operators.
    """

    watermarks: list[float]
    windows: list[Windows]
    late: list[dict[str, int]]
    duplicates: list[int]
    reports: list[dict[str, Any]]


class Job:
    """A plan over a folder of files, run on the Spark that all tests share."""

    def __init__(self, pipeline: Pipeline, plan: Plan, folder: Path) -> None:
        self._pipeline, self._folder = pipeline, folder
        self._files = 0
        (folder / "events").mkdir()
        write_plan(plan, folder / "plan.json")

    def add(self, *events: Event) -> None:
        """One more file, newer than those before: Spark takes them in that order."""
        lines = [_line(*event) for event in events]
        part = self._folder / "part"
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        stamp = BASE.timestamp() + self._files
        os.utime(part, (stamp, stamp))
        part.replace(self._folder / "events" / f"{self._files:03}.ndjson")
        self._files += 1

    def start(self) -> None:
        """Begin to read, a file a micro-batch."""
        options = {"source_options": {"maxFilesPerTrigger": "1", "maxFileAge": "10000d"}}
        self._pipeline.start(self._folder / "plan.json", self._folder, self._folder / "batches", options)

    def await_batches(self, count: int) -> None:
        """Wait until so many batches have ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self._pipeline.reports) < count:
            assert time.monotonic() < deadline, "in vain"
            self._pipeline.look(0.05)

    def finish(self) -> Outcome:
        """Read all that is there, and tell."""
        self._pipeline.drain(None)
        reports = list(self._pipeline.reports)
        assert [report["batch_id"] for report in reports] == list(range(len(reports)))
        return Outcome(
            [_seconds(datetime.fromisoformat(report["watermark"].replace("Z", "+00:00"))) for report in reports],
            [self._windows(number) for number in range(len(reports))],
            [{state["name"]: state["rows_dropped_by_watermark"] for state in report["state"]} for report in reports],
            [sum(state["duplicates_dropped"] for state in report["state"]) for report in reports],
            reports,
        )

    def _windows(self, number: int) -> Windows:
        path = self._folder / "batches" / f"batch-{number:012d}.parquet"
        rows = pq.read_table(path).to_pylist() if path.exists() else []
        return {(_seconds(row["window_start"]), _seconds(row["window_end"]), row["symbol"]): row["msg_ct"] for row in rows}


def _line(symbol: str, seq: int, second: float) -> str:
    stamp = (BASE + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps({"symbol": symbol, "seq": seq, "event_time": stamp, "price": 100.0, "volume": 10})


def _seconds(instant: datetime) -> float:
    return (instant - BASE).total_seconds()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with Pipeline(tmp_path_factory.mktemp("watermark") / "spark.log", PATIENCE_SECONDS, lambda _: None) as child:
        yield child


@pytest.fixture
def run(pipeline: Pipeline, make_plan: MakePlan, tmp_path: Path) -> Callable[..., Outcome]:
    def run_files(overrides: tuple[str, ...], *files: list[Event]) -> Outcome:
        job = Job(pipeline, make_plan(*COMMON, *overrides), tmp_path)
        for events in files:
            job.add(*events)
        job.start()
        return job.finish()

    return run_files


# The watermark stands at 19.999 s after the first file: 24.999999 s is 24999 ms, less 5000 ms. The third moves it to 20 s.
EDGES: tuple[list[Event], ...] = (
    [("A", 0, 24.999999)],
    [("A", 1, 1)],
    [("A", 2, 19.999999), ("A", 3, 9), ("A", 4, 8), ("B", 0, 9), ("A", 5, 25.000999)],
    [("A", 6, 19.5)],
    [("A", 7, 19.999999), ("A", 8, 20)],
)


def test_a_window_takes_events_until_a_batch_after_its_end_was_passed(run: Callable[..., Outcome]) -> None:
    outcome = run(TUMBLING, *EDGES)
    assert outcome.watermarks == [NONE, 19.999, 19.999, 20, 20]
    assert outcome.windows == [
        {(20, 30, "A"): 1},
        {(0, 10, "A"): 1},  # late for the watermark of this batch, 19.999; that of the batch before is none
        {(10, 20, "A"): 1, (20, 30, "A"): 2},  # the window's end is 1 ms after the watermark
        {(10, 20, "A"): 2},  # the watermark of this batch is at the window's end, that of the batch before is not
        {(20, 30, "A"): 3},
    ]
    # Four late events in all: two of one symbol and window are one row by the time that they are dropped.
    assert outcome.late == [{"stateStoreSave": count} for count in (0, 0, 2, 0, 1)]


def test_append_writes_a_window_in_the_batch_whose_watermark_passes_its_end(run: Callable[..., Outcome]) -> None:
    outcome = run((*TUMBLING, "output.mode=append"), *EDGES)
    assert outcome.watermarks == [NONE, 19.999, 19.999, 20, 20]
    # With what came in that very batch.
    assert outcome.windows == [{}, {(0, 10, "A"): 1}, {}, {(10, 20, "A"): 2}, {}]
    assert outcome.late == [{"stateStoreSave": count} for count in (0, 0, 2, 0, 1)]


def test_an_event_may_be_late_for_one_of_its_windows_only(run: Callable[..., Outcome]) -> None:
    outcome = run(("window=sliding", "window.size=10", "window.slide=5"), [("A", 0, 20)], [("A", 1, 20)], [("A", 2, 12)])
    assert outcome.watermarks == [NONE, 15, 15]
    assert outcome.windows[2] == {(10, 20, "A"): 1}
    assert outcome.late[2] == {"stateStoreSave": 1}


def test_a_batch_without_data_makes_events_late_too(pipeline: Pipeline, make_plan: MakePlan, tmp_path: Path) -> None:
    job = Job(pipeline, make_plan(*COMMON, *TUMBLING), tmp_path)
    job.add(("A", 0, 20))
    job.start()
    job.await_batches(2)
    job.add(("A", 1, 4))
    outcome = job.finish()
    assert [report["rows"] for report in outcome.reports] == [1, 0, 1]
    assert outcome.watermarks == [NONE, 15, 15]
    assert outcome.windows[2] == {}
    assert outcome.late == [{"stateStoreSave": count} for count in (0, 0, 1)]


def test_deduplication_judges_events_not_windows_and_late_comes_before_duplicate(run: Callable[..., Outcome]) -> None:
    outcome = run(
        (*TUMBLING, DEDUPLICATE),
        [("A", 0, 20)],
        [("A", 1, 16), ("A", 1, 16), ("A", 1, 22)],  # the first of a batch stays, and only that one counts: see the windows
        # Late are what is not after 15 s, though their windows are open until 20 s; of duplicates, too.
        [("A", 2, 15), ("A", 2, 15), ("A", 0, 14), ("A", 3, 15 + US), ("A", 0, 20), ("B", 0, 30)],
        # The watermark reaches 25 s, when ("A", 0) of 20 s is forgotten, as this batch ends: not before.
        [("A", 0, 26)],
        [("A", 0, 26), ("A", 0, 20)],  # the same key with another time passes again; the repeat itself is late
    )
    assert outcome.watermarks == [NONE, 15, 17, 25, 25]
    assert outcome.windows == [
        {(20, 30, "A"): 1},
        {(10, 20, "A"): 1},
        {(10, 20, "A"): 2, (30, 40, "B"): 1},
        {},
        {(20, 30, "A"): 2},
    ]
    assert [late["dedupeWithinWatermark"] for late in outcome.late] == [0, 0, 3, 0, 1]
    assert [late["stateStoreSave"] for late in outcome.late] == [0, 0, 0, 0, 0], "nothing is left to drop for the windows"
    assert outcome.duplicates == [0, 2, 1, 1, 0]


def test_a_session_that_was_written_is_gone_and_an_event_may_begin_another(run: Callable[..., Outcome]) -> None:
    outcome = run(
        SESSION,
        [("A", 0, 10), ("B", 0, 10), ("X", 0, 17)],
        [("B", 1, 12)],  # at exactly the gap: one session, longer, and so not closed by 12 s as that of A is
        # Late is what would end by 12 s by itself. That A's session with (10, 12) would have taken the last one does not help.
        [("A", 1, 10), ("A", 2, 10), ("A", 3, 9.5), ("A", 4, 10 + US), ("X", 1, 20)],
        [("X", 2, 20)],
    )
    assert outcome.watermarks == [NONE, 12, 12, 15]
    assert outcome.windows == [
        {},
        {(10, 12, "A"): 1},
        {},
        {(10 + US, 12 + US, "A"): 1, (10, 14, "B"): 2},
    ]
    # Three events; those of one symbol and time are one row by then.
    assert [late["sessionWindowStateStoreSaveExec"] for late in outcome.late] == [0, 0, 2, 0]


def test_sessions_behind_a_deduplication(run: Callable[..., Outcome]) -> None:
    files: list[list[Event]] = [[("A", 0, 20)], [("A", 1, 20)], [("A", 2, 15), ("A", 3, 15 + US)], [("X", 0, 30)], [("X", 1, 30)]]
    outcome = run((*SESSION, DEDUPLICATE), *files)
    assert outcome.watermarks == [NONE, 15, 15, 15, 25]
    assert outcome.windows[4] == {(15 + US, 17 + US, "A"): 1, (20, 22, "A"): 2}
    assert [late["dedupeWithinWatermark"] for late in outcome.late] == [0, 0, 1, 0, 0]


def test_the_checkpoint_says_what_the_reports_say(run: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = run(TUMBLING, *([("A", number, 10.0 * number)] for number in range(5)))
    checkpoint = tmp_path / "checkpoint"
    for number, report in enumerate(outcome.reports):
        version, metadata, offset = (checkpoint / "offsets" / str(number)).read_text(encoding="utf-8").splitlines()
        assert version == "v1"
        watermark = json.loads(metadata)["batchWatermarkMs"]
        assert _seconds(EPOCH + timedelta(milliseconds=watermark)) == outcome.watermarks[number]
        assert json.loads(offset) == report["sources"][0]["end_offset"]
        _, committed = (checkpoint / "commits" / str(number)).read_text(encoding="utf-8").splitlines()
        if number + 1 < len(outcome.reports):
            following = _seconds(EPOCH + timedelta(milliseconds=json.loads(committed)["nextBatchWatermarkMs"]))
            assert following == outcome.watermarks[number + 1]
    # Batch N has read the files of the source's own entries up to its end offset; every third log holds all before it.
    log = checkpoint / "sources" / "0"
    assert {path.name for path in log.iterdir() if not path.name.startswith(".")} == {"0", "1", "2.compact", "3", "4"}
    entries = [json.loads(line) for line in (log / "2.compact").read_text(encoding="utf-8").splitlines()[1:]]
    assert [(entry["batchId"], Path(entry["path"]).name) for entry in entries] == [(n, f"00{n}.ndjson") for n in range(3)]
    assert [report["sources"][0]["end_offset"]["logOffset"] for report in outcome.reports] == [0, 1, 2, 3, 4, 4]
