"""What becomes of each record, against a job in a few lines of plain Python that reads bytes, batch by batch, as Spark does.

The rules are those of docs/watermark.md, which tests/integration/test_watermark.py shows on a real Spark.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import jsonschema
import numpy as np
import polars as pl
import pytest

from simulator.answers.accounts import Accounts
from simulator.answers.expected import ReplayedAnswers, replayed_answers
from simulator.answers.foreign import Foreign
from simulator.answers.microbatches import MicroBatches, topic_log
from simulator.answers.placement import Placed, Placement
from simulator.answers.reader import Fate, Reader, Reading
from simulator.answers.sessions import BatchedSessions
from simulator.encode.payload import Payloads
from simulator.faults.damage import Damage
from simulator.faults.model import FAULTS
from simulator.faults.records import Records, of_market
from simulator.faults.stream import records_of
from simulator.market.events import Events
from simulator.partitioning import partition_of
from simulator.plan import Plan

MakePlan = Callable[..., Plan]
Row = dict[str, Any]
Windows = dict[tuple[int, int, str], tuple[int, int]]

START = 1_735_828_201_234_567
SECOND = 1_000_000
TOPIC, PARTITIONS = "ticks", 4
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

COMMON = (
    *("symbols.count=7", "rate=60", "duration=20", "clock=accelerated", "metrics.names=[volume,msg_ct]"),
    *(f"faults=[{','.join(FAULTS)}]", "faults.late.rate=0.3", "faults.duplicate.rate=0.3", "faults.corrupt.huge_bytes=9"),
    *("faults.stall.end=12", "faults.stall.rate=0.3", "faults.drift.rate=0.2", "faults.drift.start=5"),
)
AIMED = ("faults.aim=window_edges", "faults.aim_rate=0.5")
DAY = ("session=equity_day", "session.pre_open=1", "session.continuous=7", "session.closed=1")
JOBS = {
    "tumbling": ("window=tumbling", "window.size=2", "window.watermark=1", *AIMED),
    "sliding": ("window.size=3", "window.slide=0.7", "window.watermark=1.5", *AIMED),
    "deduplicated": ("window.size=2", "window.slide=1", "window.watermark=1", "window.deduplicate=true", *AIMED),
    "append": ("window=tumbling", "window.size=1", "window.watermark=2", "window.deduplicate=true", "output.mode=append"),
    "session": ("window=session", "window.gap=0.3", "window.watermark=1", "output.mode=append"),
    "session deduplicated": (
        *("window=session", "window.gap=0.3", "window.watermark=1", "output.mode=append", "window.deduplicate=true"),
    ),
    "statuses": (*DAY, "window=tumbling", "window.size=2", "window.watermark=1"),
    "milliseconds": ("event=compact", "window.size=2", "window.slide=1", "window.watermark=1", "window.deduplicate=true", *AIMED),
    "no delay": ("window.size=2", "window.slide=1", "window.watermark=0", "window.deduplicate=true"),
}


# A job in plain Python.


@dataclass
class Job:
    """The state of the job, and what it has reported."""

    plan: Plan
    newest: int | None = None
    watermarks: list[int] = field(default_factory=list)
    known: dict[tuple[str, int], int] = field(default_factory=dict)
    open: dict[tuple[int, int, str], list[Row]] = field(default_factory=dict)
    written: dict[tuple[int, int, str], list[Row]] = field(default_factory=dict)
    reports: list[Row] = field(default_factory=list)

    def read(self, lines: list[bytes | None], ends: dict[str, int]) -> None:
        """One micro-batch; times are microseconds, watermarks too."""
        window, answers = self.plan.answers.window, self.plan.answers
        late_before = self.watermarks[-1] if self.watermarks else 0
        watermark = max(late_before, 0 if self.newest is None else max(0, self.newest // 1000 - window.watermark // 1000) * 1000)
        events = [self.parsed(line) for line in lines]
        trades = [event for event in events if event is not None and not event["status"]]
        counts = {
            "read": len(lines),
            "rejected": sum(event is None for event in events),
            "status": sum(event is not None and event["status"] for event in events),
        }
        late = duplicates = 0
        passed = []
        for event in trades:
            self.newest = max(self.newest or 0, event["time"])
            name = (event["symbol"], event["seq"])
            if answers.deduplicate and event["time"] <= late_before:
                late += 1
            elif answers.deduplicate and name in self.known:
                duplicates += 1
            else:
                self.known[name] = event["time"] + window.watermark // 1000 * 1000
                passed.append(event)
        late_groups = set()
        for event in passed:
            for begin in self.begins(event["time"]):
                if begin + window.size <= late_before:
                    late_groups.add((begin, event["symbol"]))
                else:
                    self.put(begin, begin + window.size, event)
        for name, expires in list(self.known.items()):
            if expires <= watermark:
                del self.known[name]
        for key in [key for key in self.open if key[1] <= watermark]:
            self.written.setdefault(key, []).extend(self.open.pop(key))
        self.watermarks.append(watermark)
        state = [{"rows_dropped_by_watermark": late + len(late_groups), "duplicates_dropped": duplicates}]
        observed = {"parsed": counts, "events": {"accepted": len(passed)}}
        told = (EPOCH + timedelta(microseconds=watermark)).isoformat().replace("+00:00", "Z")
        self.reports.append(
            {
                "batch_id": len(self.reports),
                "watermark": told,
                "sources": [{"end_offset": {TOPIC: ends}}],
                "state": state,
                "observed": observed,
            }
        )

    def parsed(self, line: bytes | None) -> Row | None:
        """The event of a line that is one, by a strict reading of its bytes."""
        try:
            content = json.loads((line or b"").decode(), parse_constant=_refuse)
        except ValueError:
            return None
        if not jsonschema.Draft202012Validator({**self.plan.event.json_schema, "additionalProperties": True}).is_valid(content):
            return None
        event = {name: content[own] for name, own in self.plan.event.names.items()}
        time = event["event_time"]
        if self.plan.event.time_format == "rfc3339":
            time = (datetime.fromisoformat(time.replace("Z", "+00:00")) - EPOCH) // timedelta(microseconds=1)
        elif self.plan.event.time_format == "epoch_millis":
            time *= 1000
        return {**event, "time": time, "status": "condition" in event and event["volume"] == 0}

    def begins(self, time: int) -> list[int]:
        window = self.plan.answers.window
        if window.kind == "session":
            return [time]
        first = (time - window.size) // window.slide * window.slide
        return [begin for begin in range(first, time + 1, window.slide) if begin <= time < begin + window.size]

    def put(self, begin: int, end: int, event: Row) -> None:
        """Into its window; into its session, which it may lengthen or join to others."""
        rows = [event]
        if self.plan.answers.window.kind == "session":
            for key in list(self.open):
                if key[2] == event["symbol"] and key[0] <= end and begin <= key[1]:
                    begin, end = min(begin, key[0]), max(end, key[1])
                    rows += self.open.pop(key)
        self.open.setdefault((begin, end, event["symbol"]), []).extend(rows)

    @property
    def windows(self) -> Windows:
        """Sum of volumes, and number, of each window that was written."""
        rows = dict(self.written)
        if self.plan.answers.output_mode == "update":
            rows |= self.open
        return {key: (sum(row["volume"] for row in inside), len(inside)) for key, inside in rows.items()}


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Runs of it.


@dataclass(frozen=True)
class Run:
    """A stream as it lies in its partitions, and how far each batch reads."""

    lines: list[list[bytes | None]]
    cuts: list[list[int]]


def a_run(plan: Plan, seed: int) -> Run:
    """Batches of all sizes, some empty, that read the partitions unevenly; some leave records unread."""
    random = Random(seed)  # noqa: S311
    lines: list[list[bytes | None]] = [[] for _ in range(PARTITIONS)]
    order = []
    payloads = Payloads(plan, START)
    for block in records_of(plan, START):
        present = block.present
        for symbol, line in zip(present.events.symbol.tolist(), payloads.of(present), strict=True):
            partition = partition_of(plan.market.symbols[symbol].name, PARTITIONS)
            lines[partition].append(line)
            order.append(partition)
    cuts, position, ends = [], 0, [0] * PARTITIONS
    while position < len(order):
        position += random.choice([0, 0, 1, 3, 40, 150, 400])
        for partition in range(PARTITIONS):
            reach = max(0, position + random.choice([0, 0, -30, 30]))
            ends[partition] = max(ends[partition], order[:reach].count(partition))
        cuts.append(list(ends))
    if seed % 3:
        cuts += [[len(part) for part in lines]] * random.choice([1, 2, 3])
    return Run(lines, cuts)


def job_of(plan: Plan, run: Run) -> Job:
    job, before = Job(plan), [0] * PARTITIONS
    for ends in run.cuts:
        lines = [line for number, part in enumerate(run.lines) for line in part[before[number] : ends[number]]]
        job.read(lines, {str(number): 10 + end for number, end in enumerate(ends)})
        before = ends
    return job


def answers_of(plan: Plan, run: Run, reports: list[Row]) -> ReplayedAnswers:
    deliveries = {str(number): [[10, len(part)]] for number, part in enumerate(run.lines)}
    sent = sum(map(len, run.lines))
    placement = Placement(plan, deliveries, PARTITIONS)
    return replayed_answers(plan, START, sent, placement, topic_log(reports, TOPIC, PARTITIONS))


def table(windows: pl.DataFrame) -> Windows:
    rows = windows.with_columns(pl.col("window_start", "window_end").dt.epoch("us")).to_dicts()
    found = {(row["window_start"], row["window_end"], row["symbol"]): (row["volume"], row["msg_ct"]) for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", JOBS)
def test_the_answers_are_those_of_a_plain_job(name: str, seed: int, make_plan: MakePlan) -> None:
    plan = make_plan(*COMMON, *JOBS[name], f"seed={seed}")
    run = a_run(plan, seed)
    job = job_of(plan, run)
    answers = answers_of(plan, run, job.reports)
    assert answers.accounts.faults(Foreign({})) == []
    assert table(answers.windows) == job.windows
    assert len(job.windows) > 20
    unread = sum(len(part) - end for part, end in zip(run.lines, run.cuts[-1], strict=True))
    assert sum(answers.accounts.total(fate) for fate in Fate if fate is not Fate.UNREAD) + unread == sum(map(len, run.lines))
    assert answers.accounts.total(Fate.REJECTED) > 0


def test_the_runs_meet_every_fate(make_plan: MakePlan) -> None:
    """Or the test above would say little."""
    seen = defaultdict(int)
    for name, overrides in JOBS.items():
        plan = make_plan(*COMMON, *overrides, "seed=1")
        run = a_run(plan, 1)
        accounts = answers_of(plan, run, job_of(plan, run).reports).accounts
        for fate in Fate:
            seen[name, fate] += accounts.total(fate)
    for name, overrides in JOBS.items():
        assert seen[name, Fate.LATE] > 0, name
        assert (seen[name, Fate.DUPLICATE] > 0) == ("window.deduplicate=true" in overrides), name
    assert seen["statuses", Fate.STATUS] > 0


STAGES = {
    "read": ("observed", "parsed", "read"),
    "rejected": ("observed", "parsed", "rejected"),
    "status": ("observed", "parsed", "status"),
    "accepted": ("observed", "events", "accepted"),
    "duplicates_dropped": ("state", 0, "duplicates_dropped"),
    "rows_dropped_by_watermark": ("state", 0, "rows_dropped_by_watermark"),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("amount", [-1, 1])
def test_a_count_that_is_off_by_one_is_told(stage: str, amount: int, make_plan: MakePlan) -> None:
    plan = make_plan(*COMMON, *JOBS["deduplicated"])
    run = a_run(plan, 2)
    job = job_of(plan, run)
    *path, last = STAGES[stage]
    place: Any = job.reports[5]
    for key in path:
        place = place[key]
    before = place[last]
    place[last] += amount
    told = answers_of(plan, run, job.reports).accounts.faults(Foreign({}))
    assert told == [f"micro-batch 5: {stage}={before + amount}, but the records give {before}"]


def test_of_a_recovered_report_the_watermark_alone_is_compared(make_plan: MakePlan) -> None:
    plan = make_plan(*COMMON, *JOBS["deduplicated"])
    run = a_run(plan, 2)
    job = job_of(plan, run)
    sent = answers_of(plan, run, job.reports).accounts.read
    report = max(job.reports, key=lambda report: report["observed"]["parsed"]["read"])
    name = f"micro-batch {report['batch_id']}"
    report |= {"observed": {}, "state": [], "rows": None, "recovered": True}
    accounts = answers_of(plan, run, job.reports).accounts
    assert accounts.faults(Foreign({})) == []
    assert accounts.read == sent > 0
    del report["recovered"]
    told = answers_of(plan, run, job.reports).accounts.faults(Foreign({}))
    assert {line.split("=")[0] for line in told} >= {f"{name}: read", f"{name}: accepted"}
    report |= {"watermark": EPOCH.isoformat(), "recovered": True}
    assert f"{name}: watermark=0, but the records give " in "\n".join(
        answers_of(plan, run, job.reports).accounts.faults(Foreign({}))
    )


def test_a_watermark_that_is_off_by_a_millisecond_is_told(make_plan: MakePlan) -> None:
    plan = make_plan(*COMMON, *JOBS["deduplicated"])
    run = a_run(plan, 2)
    job = job_of(plan, run)
    last = job.watermarks[-1] // 1000
    job.reports[-1]["watermark"] = (EPOCH + timedelta(milliseconds=last - 1)).isoformat()
    told = answers_of(plan, run, job.reports).accounts.faults(Foreign({}))
    assert told == [f"micro-batch {len(job.reports) - 1}: watermark={last - 1}, but the records give {last}"]


# Small logs, written by hand.

A, B = 0, 1


def records(*rows: tuple[int, int, float], repeated: bool = False, damage: Damage = Damage.NONE, volume: int = 5) -> Records:
    """Records of (symbol, seq, seconds)."""
    symbol, seq, seconds = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    times = np.rint(seconds * 1e9).astype(np.int64)
    prices, volumes = np.full(count, 100), np.full(count, volume)
    found = of_market(Events(symbol.astype(np.uint32), seq.astype(np.int64), times, prices, volumes), 0)
    return replace(found, repeated=np.full(count, repeated), damage=np.full(count, damage, dtype=np.uint8))


def read(plan: Plan, sent: Records, batches: list[int], watermarks: list[float]) -> tuple[list[Fate], Reading, MicroBatches]:
    """Fates of records of one partition, of which batch n reads as far as `batches[n]`."""
    reports = [{"batch_id": number} for number in range(len(batches))]
    log = MicroBatches([np.array(batches)], None, np.array([round(seconds * 1000) for seconds in watermarks]), reports)
    places = np.zeros(len(sent), dtype=np.int64)
    reading = Reader(plan, 0, log).read(Placed(sent, places, np.arange(len(sent))))
    return [Fate(code) for code in reading.fate.tolist()], reading, log


def test_late_is_what_the_watermark_of_the_batch_before_has_passed(make_plan: MakePlan) -> None:
    plan = make_plan("window=tumbling", "window.size=10")
    sent = records((A, 0, 1), (A, 1, 9.999999), (A, 2, 9.999999), (A, 3, 10))
    fates, reading, _ = read(plan, sent, [1, 2, 4], [0, 10, 10])
    assert fates == [Fate.AGGREGATED, Fate.AGGREGATED, Fate.LATE, Fate.AGGREGATED]
    assert reading.late_before.tolist() == [0, 0, 10 * SECOND, 10 * SECOND]
    fates, _, _ = read(plan, sent, [1, 2, 4], [0, 9.999, 9.999])
    assert Fate.LATE not in fates


def test_with_deduplication_the_events_own_time_decides(make_plan: MakePlan) -> None:
    plan = make_plan("window=tumbling", "window.size=10", "window.deduplicate=true")
    sent = records((A, 0, 1), (A, 1, 4), (A, 2, 4.000001))
    assert read(plan, sent, [0, 3], [4, 4])[0] == [Fate.LATE, Fate.LATE, Fate.AGGREGATED]


def test_a_session_is_late_by_its_own_gap(make_plan: MakePlan) -> None:
    plan = make_plan("window=session", "window.gap=2", "output.mode=append")
    sent = records((A, 0, 2), (A, 1, 2.000001))
    assert read(plan, sent, [0, 2], [4, 4])[0] == [Fate.LATE, Fate.AGGREGATED]


def test_of_several_reports_the_first_that_is_legible_and_not_late_counts(make_plan: MakePlan) -> None:
    plan = make_plan("window.deduplicate=true")
    sent = records((A, 0, 5), (A, 0, 5), (B, 0, 5), (A, 0, 5), (A, 1, 5), (A, 1, 5), repeated=True)
    sent = replace(sent, damage=np.array([Damage.EMPTY, 0, 0, Damage.HUGE, Damage.NULL, Damage.EXTRA_FIELD], dtype=np.uint8))
    fates, reading, _ = read(plan, sent, [6], [0])
    counted, twice, never = Fate.AGGREGATED, Fate.DUPLICATE, Fate.REJECTED
    assert fates == [never, counted, counted, twice, never, counted]
    assert reading.first.tolist() == [False, True, True, False, False, True]
    late = records((A, 0, 5), (B, 0, 9), (A, 0, 5), repeated=True)
    assert read(plan, late, [0, 3], [7, 7])[0] == [Fate.LATE, counted, Fate.LATE]


def test_what_no_batch_has_read_is_unread(make_plan: MakePlan) -> None:
    plan = make_plan()
    sent = records((A, 0, 1), (A, 1, 2), (A, 2, 3))
    assert read(plan, sent, [1, 2], [0, 0])[0] == [Fate.AGGREGATED, Fate.AGGREGATED, Fate.UNREAD]
    assert read(plan, sent, [], [])[0] == [Fate.UNREAD] * 3


def test_a_volume_of_0_is_a_status_where_there_are_any_and_a_cancelled_trade_where_not(make_plan: MakePlan) -> None:
    sent = records((A, 0, 1), volume=0)
    assert read(make_plan(), sent, [1], [0])[0] == [Fate.AGGREGATED]
    assert read(make_plan(*DAY), sent, [1], [0])[0] == [Fate.STATUS]
    broken = records((A, 0, 1), volume=0, damage=Damage.TRUNCATED)
    assert read(make_plan(*DAY), broken, [1], [0])[0] == [Fate.REJECTED]


def test_late_windows_are_counted_as_spark_does_by_window_symbol_and_batch(make_plan: MakePlan) -> None:
    """A batch's rows are aggregated first: two events of one window and symbol are one row that is dropped."""
    plan = make_plan("window.size=2", "window.slide=1")
    sent = records((A, 0, 9), (A, 1, 5.2), (A, 2, 5.4), (B, 0, 5.4), (A, 3, 6.5), (A, 4, 5.1))
    _, reading, log = read(plan, sent, [1, 5, 6], [7, 7, 7])
    accounts = Accounts(plan, log)
    accounts.add(reading)
    expected = [report["rows_dropped_by_watermark"] for report in accounts._expected_reports()]
    # [4, 6) and [5, 7) of A, both of B, and [5, 7) once more of A at 6.5, which counts in [6, 8); then A's both again.
    assert expected == [0, 4, 2]
    assert [accounts.total(fate) for fate in (Fate.LATE, Fate.AGGREGATED)] == [4, 2]


def test_the_end_of_a_window_is_not_in_it(make_plan: MakePlan) -> None:
    plan = make_plan("window.size=3", "window.slide=2")
    _, reading, log = read(plan, records((A, 0, 9), (A, 1, 5)), [1, 2], [7, 7])
    accounts = Accounts(plan, log)
    accounts.add(reading)
    assert [report["rows_dropped_by_watermark"] for report in accounts._expected_reports()] == [0, 1]  # [4, 7), not [2, 5)


def sessions(batches: list[list[tuple[str, int]]], watermarks: list[int], make_plan: MakePlan) -> list[tuple[int, int, str, int]]:
    plan = make_plan("window=session", "window.gap=0.00001", "output.mode=append", "metrics.names=[msg_ct]")
    replay = BatchedSessions(plan.answers, watermarks)
    for number, rows in enumerate(batches):
        symbols, times = ([row[column] for row in rows] for column in (0, 1))
        frame = {"symbol": symbols, "seq": times, "event_time": times, "price": [1.0] * len(rows), "volume": [1] * len(rows)}
        schema = {"symbol": pl.String, "seq": pl.Int64, "event_time": pl.Int64, "price": pl.Float64, "volume": pl.Int64}
        replay.add(pl.DataFrame(frame, schema).with_columns(pl.lit(number, pl.Int64).alias("batch")))
    found = replay.finish()
    assert found is not None
    return sorted(found.select("window_start", "window_end", "symbol", "msg_ct").iter_rows())


def test_sessions_grow_until_they_are_closed(make_plan: MakePlan) -> None:
    """The gap is 10."""
    assert sessions([[("A", 0)], [("A", 10)], []], [0, 9, 20], make_plan) == [(0, 20, "A", 2)]
    assert sessions([[("A", 0)], [("A", 11)], []], [0, 9, 21], make_plan) == [(0, 10, "A", 1), (11, 21, "A", 1)]
    # The batch's own events come before its watermark closes anything.
    assert sessions([[("A", 0)], [("A", 10)], []], [0, 10, 20], make_plan) == [(0, 20, "A", 2)]
    # Closed sessions do not grow: what touches them begins others.
    assert sessions([[("A", 0)], [("B", 30)], [("A", 5)], []], [0, 10, 15, 15], make_plan) == [(0, 10, "A", 1), (5, 15, "A", 1)]
    # One that lies between two joins them.
    assert sessions([[("A", 0), ("A", 18), ("B", 9)], [("A", 9)], []], [0, 0, 28], make_plan) == [
        (0, 28, "A", 3),
        (9, 19, "B", 1),
    ]
    # What is not closed is not written.
    assert sessions([[("A", 0), ("A", 50)], [], []], [0, 10, 59], make_plan) == [(0, 10, "A", 1)]
