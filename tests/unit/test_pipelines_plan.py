"""What the runner checks, reports and decides without Spark."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.drain import Drain
from pipelines.errors import BadPlanError
from pipelines.plan import Options
from pipelines.progress import ProgressReader, report
from pipelines.protocol import DrainTo, Invalid, Start, parse_command
from pipelines.reading import content_hash, read_plan
from simulator.plan import content_hash as content_hash_of_the_compiler

if TYPE_CHECKING:
    from pathlib import Path

VIEW = {"view": "v", "sql": "SELECT 1 AS a"}
OUTPUT = {"kind": "console", "mode": "update", "columns": ["a"], "order": ["a"], "options": {}}
AGGREGATION: dict[str, Any] = {
    "spark": {"spark.master": "local[2]"},
    "source": {"format": "text", "options": {"a": "1"}, "ddl": None, "path": "events"},
    "views": [{**VIEW, "watermark": {"column": "t", "delay": "1 second"}, "deduplicate": ["a"]}, VIEW],
    "dead_letters": {**VIEW, "observe": {"name": "v", "metrics": {"bad": "count(*)"}}, "output": {**OUTPUT, "kind": "parquet"}},
    "trigger": "0 seconds",
    "output": OUTPUT,
}


def write(path: Path, aggregation: object, **changes: object) -> Path:
    content: dict[str, Any] = {"version": 1, "name": "Zürich", "aggregation": aggregation}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    sealed = {**content, "hash": hashlib.sha256(text.encode()).hexdigest(), **changes}
    path.write_text(json.dumps(sealed, indent=1), encoding="utf-8")
    return path


def test_a_plan_is_read_whole(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path / "plan.json", AGGREGATION))
    assert [view.view for view in plan.views] == ["v", "v"]
    assert plan.views[0].watermark is not None
    assert (plan.views[0].watermark.column, plan.views[0].watermark.delay) == ("t", "1 second")
    assert (plan.views[0].deduplicate, plan.views[1].deduplicate) == (("a",), ())
    assert plan.dead_letters.observe.metrics == {"bad": "count(*)"}
    assert (plan.dead_letters.output.kind, plan.dead_letters.output.columns) == ("parquet", ("a",))
    assert (plan.output.rows, plan.output.path) == (None, None)


def test_options_replace_those_of_the_plan(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path / "plan.json", AGGREGATION))
    options = Options({"a": "2", "b": "3"}, {"c": "4"}, {"d": "5"})
    changed = plan.with_options(options).with_properties({"spark.master": "local[1]"})
    assert changed.dead_letters.output.options == {"d": "5"}
    assert changed.source.options == {"a": "2", "b": "3"}
    assert changed.output.options == {"c": "4"}
    assert changed.spark == {"spark.master": "local[1]"}
    assert plan.source.options == {"a": "1"}


@pytest.mark.parametrize(
    ("aggregation", "changes", "message"),
    [
        (AGGREGATION, {"name": "other"}, "was altered since it was written"),
        (None, {}, "has no aggregation"),
        ({**AGGREGATION, "trigger": 1}, {}, "aggregation.trigger: 1 is not of type 'string'"),
        ({**AGGREGATION, "more": 1}, {}, "aggregation: Additional properties are not allowed"),
        ({**AGGREGATION, "views": [{"view": "v"}]}, {}, "aggregation.views[0]: 'sql' is a required property"),
    ],
)
def test_a_bad_plan_says_what_is_wrong(aggregation: object, changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "plan.json", aggregation, **changes)
    with pytest.raises(BadPlanError) as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "message"), [("{", "no valid JSON"), ("[]", "no hash"), ("\x00", "no valid JSON")])
def test_a_file_that_is_no_plan_says_so(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadPlanError, match=message):
        read_plan(path)


@pytest.mark.parametrize("value", [{"é": 1.0, "a": [1e-7, None, True, 2**60]}, {"z": '\u2028 "q" \\'}])
def test_both_sides_hash_alike(value: dict[str, Any]) -> None:
    assert content_hash(value) == content_hash_of_the_compiler(value)


def test_a_bad_plan_is_told_before_spark_is_imported(tmp_path: Path) -> None:
    path = write(tmp_path / "plan.json", AGGREGATION, name="other")
    program = (
        "import sys; from pipelines.__main__ import main; code = main(sys.argv[1:]);"
        "assert not {name for name in sys.modules if name.split('.')[0] in ('pyspark', 'simulator')}; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{path}: was altered since it was written (its content does not have its hash)\n"


def test_commands() -> None:
    start = parse_command('{"command": "start", "plan": "p", "directory": "/d", "source_options": {"a": "b"}}')
    assert isinstance(start, Start)
    assert (str(start.plan), str(start.directory), start.record, start.options.source) == ("p", "/d", None, {"a": "b"})
    assert parse_command('{"command": "drain", "end_offsets": {"t": {"0": 1}}}') == DrainTo({"t": {"0": 1}})
    for line in ("", "[]", "{}", '{"command": "warm"}', '{"command": "warm", "plan": 1}', '{"command": "fly"}'):
        assert isinstance(parse_command(line), Invalid)


class FakeTrigger:
    """Java's StreamingQueryProgress."""

    def __init__(self, batch: int, stamp: str, *, executed: bool) -> None:
        self._content = {
            "batchId": batch,
            "timestamp": stamp,
            "durationMs": {"addBatch": 1} if executed else {},
        }

    def batchId(self) -> int:  # noqa: N802  # Java's name
        return int(str(self._content["batchId"]))

    def timestamp(self) -> str:
        return str(self._content["timestamp"])

    def json(self) -> str:
        return json.dumps(self._content)


class FakeQuery:
    """A query as ProgressReader and Drain see it: `kept` is what Spark keeps, `idle` ends a wait for all to be done."""

    def __init__(self) -> None:
        self.kept: list[FakeTrigger] = []
        self.idle = threading.Semaphore(0)
        self._jsq = self

    def recentProgress(self) -> list[FakeTrigger]:  # noqa: N802  # Java's name
        return self.kept

    def processAllAvailable(self) -> None:  # noqa: N802  # PySpark's name
        self.idle.acquire()


def test_each_batch_is_reported_once_and_idle_triggers_never() -> None:
    query = FakeQuery()
    reader = ProgressReader(query)  # type: ignore[arg-type]  # a fake
    query.kept += [FakeTrigger(0, "a", executed=False)]
    assert reader.read() == []
    query.kept += [FakeTrigger(0, "b", executed=True), FakeTrigger(1, "c", executed=True)]
    assert [found["batch_id"] for found in reader.read()] == [0, 1]
    assert reader.read() == []
    query.kept += [FakeTrigger(2, "d", executed=False), FakeTrigger(2, "e", executed=False)]
    assert reader.read() == []
    query.kept += [FakeTrigger(2, "f", executed=True)]
    assert [found["batch_id"] for found in reader.read()] == [2]
    query.kept = [FakeTrigger(4, "g", executed=True)]
    with pytest.raises(RuntimeError, match="micro-batch 3 is lost"):
        reader.read()


def ended(start: int | None, end: int) -> dict[str, Any]:
    """The report of a batch that read one partition from an offset to another."""
    source = {
        "description": "k",
        "numInputRows": 0,
        "startOffset": None if start is None else {"t": {"0": start}},
        "endOffset": {"t": {"0": end}},
    }
    return report({"batchId": 0, "timestamp": "", "sources": [source]})


def test_a_drain_to_offsets_waits_for_the_batch_after_the_end() -> None:
    drain = Drain(FakeQuery(), {"t": {"0": 5}}, None)  # type: ignore[arg-type]  # a fake
    for start, end in ((None, 3), (3, 4), (4, 7)):
        drain.note(ended(start, end))
        assert not drain.is_done(), "its watermark is not applied yet"
    drain.note(ended(7, 9))
    assert drain.is_done()


def test_a_drain_ends_when_there_is_nothing_to_do_after_the_end() -> None:
    query = FakeQuery()
    drain = Drain(query, {"t": {"0": 5}}, ended(None, 4))  # type: ignore[arg-type]  # a fake
    query.idle.release()
    assert not drain._idle.wait(0.1), "nothing to do, but the end is not reached"
    drain.note(ended(4, 5))
    assert drain._idle.wait(5)
    assert drain.is_done()


def test_a_drain_without_offsets_takes_no_stale_answer() -> None:
    query = FakeQuery()
    drain = Drain(query, None, None)  # type: ignore[arg-type]  # a fake
    query.idle.release()
    assert not drain._idle.wait(0.1), "that answer may have been older than the question"
    query.idle.release()
    assert drain._idle.wait(5)
