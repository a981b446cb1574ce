"""Files from outside, damaged in every way: readers give what they can read or the project's own errors, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.errors import BadPlanError
from pipelines.protocol import parse_command
from pipelines.reading import read_plan as read_plan_of_pipelines
from simulator.answers.expected import expected_answers
from simulator.answers.results import ColumnMapping, read_results
from simulator.compiler import compile_plan
from simulator.errors import SimulatorError
from simulator.finished import read_manifest, read_reports, read_table, read_verdict
from simulator.market.arrivals.trace import Trace, TraceArrivals
from simulator.market.dynamics.replay import Replay, ReplayPath
from simulator.modes import diff, reproduce, verify
from simulator.modes.context import Context
from simulator.multirun import finished
from simulator.plan import Plan, content_hash, parse_plan, read_plan, write_plan
from simulator.report.sweeps.jobs import jobs_of
from simulator.rundir import RunDirectory, read_json, read_lines
from simulator.saved import with_saved_overrides
from simulator.schema import Specification
from simulator.seeding import Draws

Make = Callable[..., Specification]
MARKET = ("symbols.count=3", "rate=20", "duration=20", "clock=unpaced", "sink=file", "window=tumbling", "window.size=2")
START = 1_735_828_200_000_000
HOSTILE = [
    *(None, True, 0, -1, 1.5, 10**30, float("nan"), float("inf"), "", "\ud800", "\x00", "a\nb", "9" * 5000, "x" * 10_000),
    *([], {}, [[]], {"a": 1}, [None], "2025-13-45T99:00:00Z", "../../etc/passwd", "running", "complete"),
]


@contextmanager
def refusing(begins: str = "") -> Iterator[None]:
    """The project's own errors are what may come, in printable lines."""
    try:
        yield
    except (SimulatorError, BadPlanError) as error:
        told = str(error)
    else:
        return
    assert told.startswith(begins)
    assert all(line.isprintable() for line in told.split("\n")), told


def quick(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))


# Of Parquet: what is wrong inside a whole file can make polars itself abort, which no Python can catch (docs/guarantees.md).
PARQUET_WAYS = 3


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, ways: int = 6) -> bytes:
    """Something else altogether, cut short, bytes put in or taken out, or flipped bits."""
    how = draw(st.integers(0, ways - 1))
    if how == 0:
        return draw(st.binary(max_size=200))
    if how == 1:
        return whole[: draw(st.integers(0, len(whole)))]
    if how == 2:
        return b"[" * 50_000
    place = draw(st.integers(0, max(0, len(whole) - 1)))
    if how == 3:
        return whole[:place] + draw(st.binary(min_size=1, max_size=20)) + whole[place:]
    if how == 4:
        return whole[:place] + whole[place + draw(st.integers(1, 50)) :]
    changed = bytearray(whole)
    for at in draw(st.lists(st.integers(0, max(0, len(whole) - 1)), min_size=1, max_size=8)):
        changed[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401  # any JSON value
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [(*at, key) for key, _ in items] + [place for key, value in items for place in places(value, (*at, key))]


@st.composite
def other_values(draw: st.DrawFn, whole: str) -> Any:  # noqa: ANN401  # any JSON value
    """The content with a few values of other types, or without them."""
    content = json.loads(whole)
    for _ in range(draw(st.integers(1, 3))):
        found = places(content)
        if not found:
            break
        place = draw(st.sampled_from(found))
        parent = content
        for key in place[:-1]:
            parent = parent[key]
        if draw(st.booleans()) and draw(st.booleans()):
            del parent[place[-1]]
        else:
            parent[place[-1]] = json.loads(json.dumps(draw(st.sampled_from(HOSTILE))))
    return content


def either(whole: bytes) -> st.SearchStrategy[bytes]:
    """Damaged bytes, or JSON with other values; of JSON lines the first line's."""
    lines = whole.decode().splitlines() if whole.count(b"\n}") == 0 else [whole.decode()]
    rest = "\n".join(lines[1:])
    values = other_values(lines[0]).map(lambda content: f"{json.dumps(content)}\n{rest}".encode())
    return st.one_of(damaged(whole), values)


@pytest.fixture(scope="module")
def plan(make_plan: Callable[..., Plan]) -> Plan:
    return make_plan(*MARKET, "faults=duplicate", "faults.duplicate.rate=0.1")


@pytest.fixture(scope="module")
def run(plan: Plan, tmp_path_factory: pytest.TempPathFactory, make_specification: Make) -> RunDirectory:
    """A run as it looks when it has ended, without faults, so that it needs no Spark to be made."""
    clean = compile_plan(make_specification(*MARKET))
    directory = RunDirectory(tmp_path_factory.mktemp("run"))
    assert plan.hash != clean.hash
    write_plan(clean, directory.plan)
    answers = expected_answers(clean, START).windows
    answers.write_parquet(directory.answers)
    answers.write_parquet(directory.results)
    answers.write_csv(directory.path / "results.csv")
    answers.write_ndjson(directory.path / "results.ndjson")
    count = int(answers["msg_ct"].sum())
    manifest = {
        "status": "complete",
        "seed": 42,
        "plan_hash": clean.hash,
        "stream_digest": "0" * 64,
        "start": START,
        "counts": {"generated": count, "acked": count, "failed": 0},
        "rate": {"asked": None, "achieved": 1.0},
        "lag_seconds": {"p50": None, "p99": None, "largest": 0.0, "last": 0.0},
        "versions": {"python": "3"},
        "partitions": None,
        "deliveries": {"part-000000-000.ndjson": [[0, count]]},
    }
    directory.manifest.write_text(json.dumps(manifest), encoding="utf-8")
    report = {
        "event": "progress",
        "batch_id": 0,
        "rows": count,
        "watermark": "2025-01-02T14:30:02.995Z",
        "sources": [{"end_offset": {"logOffset": 0}}],
        "state": [{"rows_dropped_by_watermark": 0, "duplicates_dropped": 0}],
        "observed": {"events": {"accepted": count}, "parsed": {"read": count, "rejected": 0}},
    }
    directory.microbatches.write_text(f"{json.dumps(report)}\n", encoding="utf-8")
    directory.verdict.write_text(json.dumps({"status": "match", "audit": {"in_topic": None}}), encoding="utf-8")
    return directory


READERS: dict[str, Callable[[Path], object]] = {
    "plan.json": read_plan,
    "plan.json of pipelines": read_plan_of_pipelines,
    "manifest.json": read_manifest,
    "verdict.json": read_verdict,
    "microbatches.ndjson": read_reports,
    "results.parquet": lambda path: read_table(path, ["volume"]),
    "any JSON": read_json,
    "any lines": read_lines,
}


@pytest.mark.parametrize("reader", READERS)
def test_readers_refuse_what_is_damaged(reader: str, run: RunDirectory, tmp_path: Path) -> None:
    name = {"any JSON": "manifest.json", "any lines": "microbatches.ndjson"}.get(reader, reader.partition(" ")[0])
    whole = (run.path / name).read_bytes()
    path = tmp_path / name
    READERS[reader](run.path / name)

    @quick(300)
    @given(damaged(whole, PARQUET_WAYS) if name.endswith("parquet") else either(whole))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        with refusing(f"{path}: "):
            READERS[reader](path)

    read()


def test_a_plan_with_a_right_hash_and_wrong_values_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    whole = run.plan.read_text(encoding="utf-8")

    @quick(300)
    @given(other_values(whole))
    def read(content: Any) -> None:  # noqa: ANN401  # any JSON value
        try:
            sealed = json.dumps({**content, "hash": content_hash(content)})
        except (ValueError, TypeError):
            sealed = json.dumps(content)
        (tmp_path / "plan.json").write_text(sealed, encoding="utf-8")
        for reading in (lambda: parse_plan(sealed, "plan"), lambda: read_plan_of_pipelines(tmp_path / "plan.json")):
            with refusing():
                reading()

    read()


@pytest.mark.parametrize("name", ["results.parquet", "results.csv", "results.ndjson"])
def test_anybodys_results_are_read_or_refused(name: str, run: RunDirectory, plan: Plan, tmp_path: Path) -> None:
    whole = (run.path / name).read_bytes()
    mapping = ColumnMapping(metrics={name: name for name in plan.answers.metrics})
    assert read_results(run.path / name, mapping, plan.answers.window).height > 0

    @quick(300)
    @given(either(whole) if name.endswith("ndjson") else damaged(whole, PARQUET_WAYS if name.endswith("parquet") else 6))
    def read(content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with refusing():
            read_results(tmp_path / name, mapping, plan.answers.window)

    read()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_recordings_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    table = pl.DataFrame({"time": [0.0, 1.0, 2.5, 4.0], "price": [100.0, 101.5, 99.0, 100.25], "symbol": ["A", "B", "A", "B"]})
    path = tmp_path / f"recorded.{kind}"
    table.write_csv(path) if kind == "csv" else table.write_parquet(path)
    common: dict[str, Any] = {"path": str(path), "sha256": None, "time": "time", "symbol": "symbol", "loop": True}
    trace = Trace(kind="trace", rate=10.0, speed=1.0, **common)
    replay = Replay(kind="replay", step=0.1, seconds_per_year=1e6, symbols={}, time_unit="s", price="price", speed=1.0, **common)

    def use() -> None:
        TraceArrivals(trace, ["A", "B"], np.array([5.0, 5.0]), 1).until(10**9)
        ReplayPath(replay, Draws(1, ["A", "B"])).advance(20)

    use()
    whole = path.read_bytes()

    @quick(400)
    @given(damaged(whole, PARQUET_WAYS if kind == "parquet" else 6))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        with refusing():
            use()

    read()


@quick(500)
@given(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(['{"command": "start", "plan": "p", "directory": "d"}']).flatmap(other_values).map(json.dumps),
    )
)
def test_any_line_is_a_command_or_said_to_be_none(line: str) -> None:
    parse_command(line)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"command": "start", "plan": "p", "directory": "d", "source_options": 5}',
        '{"command": "start", "plan": "p", "directory": "d", "output_options": {"a": 1}}',
        '{"command": "drain", "end_offsets": {"t": 5}}',
        '{"command": "drain", "end_offsets": 5}',
        '{"command": ["start"]}',
        "null",
    ],
    ids=lambda line: line[:70],
)
def test_what_is_no_command_is_told(line: str) -> None:
    assert type(parse_command(line)).__name__ == "Invalid"


@pytest.mark.parametrize(
    "name", ["plan.json", "manifest.json", "verdict.json", "microbatches.ndjson", "results.parquet", "answers.parquet"]
)
def test_modes_that_look_at_a_run_tell_what_is_damaged(
    name: str, run: RunDirectory, make_specification: Make, tmp_path: Path
) -> None:
    """`mode=verify`, `reproduce` and `diff` of a folder in which one file is not what it was."""
    (tmp_path / "out").mkdir()
    broken = RunDirectory(tmp_path / "broken")
    broken.path.mkdir()
    for file in run.path.iterdir():
        (broken.path / file.name).write_bytes(file.read_bytes())
    whole = (run.path / name).read_bytes()
    again = make_specification(*MARKET, "mode=verify", f"run={broken.path}")
    both = make_specification(*MARKET, "mode=diff", f"a={run.path}", f"b={broken.path}")
    out = RunDirectory(tmp_path / "out")
    assert verify.run(Context(again, out)) == 0

    @quick(40)
    @given(damaged(whole, PARQUET_WAYS) if name.endswith("parquet") else either(whole))
    def look(content: bytes) -> None:
        (broken.path / name).write_bytes(content)
        for mode, specification in ((verify, again), (reproduce, again), (diff, both)):
            with refusing():
                assert mode.run(Context(specification, out)) in {0, 1}  # type: ignore[attr-defined]  # all three have it

    look()


def test_a_damaged_multirun_is_not_resumed(tmp_path: Path) -> None:
    saved = tmp_path / "multirun.yaml"
    whole = "hydra:\n  overrides:\n    hydra: []\n    task: [rate=1, 'seed=1,2']\n"
    saved.write_text(whole, encoding="utf-8")
    assert "rate=1" in with_saved_overrides(["-m", f"resume={tmp_path}"])

    @quick(300)
    @given(damaged(whole.encode()))
    def resume(content: bytes) -> None:
        saved.write_bytes(content)
        with refusing():
            with_saved_overrides(["-m", f"resume={tmp_path}"])

    resume()


@pytest.mark.parametrize(
    "name", ["manifest.json", "verdict.json", "microbatches.ndjson", ".hydra/exit_code", ".hydra/overrides.yaml"]
)
def test_a_damaged_job_is_a_failed_one(name: str, run: RunDirectory, tmp_path: Path) -> None:
    job = tmp_path / "0"
    (job / ".hydra").mkdir(parents=True)
    for file in run.path.iterdir():
        (job / file.name).write_bytes(file.read_bytes())
    (job / ".hydra" / "exit_code").write_text("0\n", encoding="utf-8")
    (job / ".hydra" / "overrides.yaml").write_text("[rate=1]", encoding="utf-8")
    whole = (job / name).read_bytes()

    @quick(100)
    @given(either(whole) if "json" in name else damaged(whole))
    def look(content: bytes) -> None:
        (job / name).write_bytes(content)
        table, _ = jobs_of(tmp_path)
        assert table.height == 1
        assert finished(RunDirectory(job), "0") is None

    look()
