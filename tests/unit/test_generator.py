"""The Spark engine without Spark: tasks and their states, offsets, the schedule, and what is handed to Spark."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines import generator
from pipelines.failures import condense
from pipelines.generator import END, Job, digests, records
from pipelines.market import MarketSource, MarketStreamReader, end_of, job_of
from pipelines.schedule import Schedule
from pipelines.states import States
from simulator.broker.cluster import Cluster
from simulator.encode.payload import Payloads
from simulator.errors import BadConfigError
from simulator.faults.stream import records_of
from simulator.market.digest import combined
from simulator.modes.reproduce import digest_of
from simulator.partitioning import partition_of
from simulator.plan import Plan, canonical
from simulator.produce.spark_job import kafka_options, spark_job
from simulator.schema import Specification

MakePlan = Callable[..., Plan]
Row = tuple[bytes, bytes | None, int]
SECOND = 10**9
FAULTS = "faults=[late,disorder,duplicate,drop,corrupt,correction,stall,drift,burst]"


@pytest.fixture(params=["faults=none", FAULTS])
def plan(request: pytest.FixtureRequest, make_plan: MakePlan) -> Plan:
    return make_plan(request.param, "clock=unpaced", "rate=600", "duration=8", "symbols.count=9")


def text_of(plan: Plan) -> str:
    return canonical(plan.model_dump(mode="json"))


def job(plan: Plan, state: Path | None, workers: int = 2) -> Job:
    return Job(text_of(plan), None, workers, None if state is None else str(state))


def made(job: Job, worker: int, begin: int, end: int) -> list[Row]:
    rows: list[Row] = []
    for batch in records(job, worker, begin, end):
        rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return rows


def expected(plan: Plan, worker: int, workers: int = 2) -> list[Row]:
    """The rows of a worker, from the stream of all."""
    payloads, names, rows = Payloads(plan, plan.clock.start or 0), [symbol.name for symbol in plan.market.symbols], []
    for block in records_of(plan, plan.clock.start or 0):
        present = block.present
        for place, value in zip(present.events.symbol.tolist(), payloads.of(present), strict=True):
            partition = partition_of(names[place], plan.sink.partitions or 1)
            if partition % workers == worker:
                rows.append((names[place].encode(), value, partition))
    return rows


@pytest.mark.parametrize("same_process", [True, False])
def test_tasks_together_make_the_stream(
    plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, same_process: bool
) -> None:
    shared, instants = job(plan, tmp_path), [0, SECOND, 3 * SECOND, 3 * SECOND + 1, END]
    for worker in range(2):
        rows = []
        for begin, end in pairwise(instants):
            rows += made(shared, worker, begin, end)
            if not same_process:
                generator._kept.clear()
        assert rows == expected(plan, worker)
    assert not caplog.records


def test_a_task_that_is_run_again_makes_the_same(plan: Plan, tmp_path: Path) -> None:
    shared = job(plan, tmp_path)
    made(shared, 0, 0, 2 * SECOND)
    once = made(shared, 0, 2 * SECOND, 4 * SECOND)
    assert made(shared, 0, 2 * SECOND, 4 * SECOND) == once
    broken_off = records(shared, 0, 4 * SECOND, 8 * SECOND)
    next(broken_off)
    del broken_off
    assert made(shared, 0, 2 * SECOND, 4 * SECOND) == once != []
    assert once + made(shared, 0, 4 * SECOND, END) == made(shared, 0, 2 * SECOND, END)


def test_without_a_state_all_is_made_again_and_told(plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(job(plan, tmp_path), 1, 0, 3 * SECOND)
    generator._kept.clear()
    (state,) = tmp_path.glob("*/*.state")
    state.write_bytes(b"of another version")
    with caplog.at_level(logging.WARNING):
        rows = made(job(plan, tmp_path), 1, 3 * SECOND, END)
    generator._kept.clear()
    assert rows == made(job(plan, None), 1, 3 * SECOND, END) != []
    assert "worker 1 finds no state of instant 3000000000: all before it is made again" in caplog.text


def test_digests_are_those_of_the_stream_and_told_by_tasks(plan: Plan, tmp_path: Path) -> None:
    shared = job(plan, tmp_path)
    rows = []
    for worker in range(2):
        made(shared, worker, 0, 4 * SECOND)
        rows += digests(shared, worker, 4 * SECOND).to_pylist()
    count = sum(row["records"] for row in rows)
    assert count > 1500
    assert combined({row["symbol"]: row["chain"] for row in rows}) == digest_of(plan, plan.clock.start or 0, count)


def test_the_digest_of_nothing(plan: Plan, tmp_path: Path) -> None:
    rows = [row for worker in range(2) for row in digests(job(plan, tmp_path), worker, 0).to_pylist()]
    assert {row["records"] for row in rows} == {0}
    assert combined({row["symbol"]: row["chain"] for row in rows}) == digest_of(plan, plan.clock.start or 0, 0)


def test_a_digest_of_other_records_is_refused(plan: Plan, tmp_path: Path) -> None:
    shared = job(plan, tmp_path)
    made(shared, 0, 0, 4 * SECOND)
    store = States(str(tmp_path), shared.name)
    state = store.read(0, 4 * SECOND)
    (row, *_) = state.tally.counts.nonzero()[0].tolist()
    state.tally.sums[row, 0] ^= 1
    store.write(0, 4 * SECOND, state, {})
    with pytest.raises(RuntimeError, match=rf"worker 0 has made other records of {plan.market.symbols[row].name} than the plan"):
        digests(shared, 0, 4 * SECOND)
    with pytest.raises(RuntimeError, match="worker 1 has left no state at the end"):
        digests(shared, 1, 4 * SECOND)


def test_offsets_lead_through_the_market_to_its_end(plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With faults, records come after the market's end; without, it is over as soon as its time is."""
    reader = MarketStreamReader(job(plan, tmp_path), 3 * SECOND, str(tmp_path / "stop"))
    offset, rows, committed = reader.initialOffset(), 0, 0
    assert offset == {"instant": 0}
    for _ in range(10_000):
        following = reader.latestOffset(offset, None)  # type: ignore[arg-type]  # not used
        if "over" in following:
            break
        if offset["instant"]:
            reader.commit(offset)
        for part in reader.partitions(offset, following):
            generator._kept.clear()  # each in a process of its own
            rows += sum(batch.num_rows for batch in reader.read(part))
        committed, offset = offset["instant"], following
    assert following == {"instant": offset["instant"], "over": "ended"}
    assert reader.latestOffset(following, None) == following  # type: ignore[arg-type]  # not used
    assert reader.partitions(offset, following) == []
    assert rows == len(expected(plan, 0)) + len(expected(plan, 1))
    assert not caplog.records  # every state was there
    assert min(int(path.name[:20]) for path in tmp_path.glob("*/*.state")) >= committed > 0


def test_a_stop_is_an_offset_that_can_be_gone_on_from(plan: Plan, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    reader = MarketStreamReader(job(plan, None), SECOND, str(stop))
    assert reader.latestOffset({"instant": 0}, None) == {"instant": SECOND}  # type: ignore[arg-type]  # not used
    stop.touch()
    stopped = reader.latestOffset({"instant": SECOND}, None)  # type: ignore[arg-type]  # not used
    assert stopped == {"instant": SECOND, "over": "stopped"} == reader.latestOffset(stopped, None)  # type: ignore[arg-type]
    stop.unlink()
    assert reader.latestOffset(stopped, None) == {"instant": 2 * SECOND}  # type: ignore[arg-type]  # not used


def test_closed_hours_are_passed_at_once(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(
        "clock=unpaced",
        "session=equity_day",
        "session.continuous=2",
        "session.closed=3000",
        "session.pre_open=0",
        "duration=9000",
    )
    reader = MarketStreamReader(job(plan, tmp_path), SECOND, None)
    offset, batches = reader.initialOffset(), 0
    while "over" not in (following := reader.latestOffset(offset, None)):  # type: ignore[arg-type]  # not used
        for part in reader.partitions(offset, following):
            list(reader.read(part))
        offset, batches = following, batches + 1
    assert 5 < batches < 30


class ManualTime:
    """Nanoseconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 10**12

    def __call__(self) -> int:
        return self.now


def test_the_schedule_without_a_pace() -> None:
    schedule = Schedule(2 * SECOND, None, catch_up=False)
    assert schedule.end(0, 0) == 2 * SECOND
    assert schedule.end(2 * SECOND, 2 * SECOND) == 4 * SECOND
    assert schedule.end(4 * SECOND, 100 * SECOND) == 102 * SECOND


@pytest.mark.parametrize("catch_up", [True, False])
def test_the_schedule_follows_the_clock_and_makes_up_for_nothing_unless_asked_to(*, catch_up: bool) -> None:
    clock = ManualTime()
    schedule = Schedule(4 * SECOND, 2.0, catch_up=catch_up, clock=clock)
    assert schedule.end(6 * SECOND, 6 * SECOND) == 6 * SECOND  # where it is taken up is the present
    clock.now += SECOND // 5
    assert schedule.end(6 * SECOND, 6 * SECOND) == 6 * SECOND  # too little for a micro-batch
    clock.now += SECOND
    assert schedule.end(6 * SECOND, 6 * SECOND) == 6 * SECOND + int(2.4 * SECOND)
    clock.now += 10 * SECOND
    assert schedule.end(8 * SECOND, 8 * SECOND) == 12 * SECOND
    clock.now += SECOND
    assert schedule.end(12 * SECOND, 12 * SECOND) == (16 if catch_up else 14) * SECOND


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "option plan: is missing; must be a plan's JSON text, or the path of its file"),
        ({"workers": "0"}, "option workers=0: must be a whole number >= 1"),
        ({"workers": "9"}, "option workers=9: must not exceed the topic's 4 partitions"),
        ({"span": "1s"}, "option span=1s: must be a whole number >= 1"),
        ({"start": "-2"}, "option start=-2: must be a whole number >= 0"),
    ],
)
def test_bad_options_are_told_in_one_line(options: dict[str, str], line: str, make_plan: MakePlan) -> None:
    given = {"plan": text_of(make_plan("clock=unpaced")), **options} if options else {}
    with pytest.raises(ValueError, match=f"^{line}$"):
        MarketSource(given).streamReader(None)  # type: ignore[arg-type]  # not used


def test_plans_are_checked(make_plan: MakePlan, tmp_path: Path) -> None:
    text = text_of(make_plan())
    with pytest.raises(ValueError, match="option start: must be microseconds since 1970, as the plan has no start of its own"):
        job_of({"plan": text})
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    assert job_of({"plan": str(path), "start": "5"}) == job_of({"plan": text, "start": "5"})
    with pytest.raises(BadConfigError, match="the option plan: was altered since it was written"):
        job_of({"plan": text.replace('"seed":42', '"seed":43'), "start": "5"})
    with pytest.raises(ValueError, match="option until: is missing, and the plan has no end"):
        end_of({"plan": text_of(make_plan("mode=produce", "duration=null", "clock=unpaced"))})
    with pytest.raises(ValueError, match="its events go to no topic"):
        job_of({"plan": text_of(make_plan("mode=produce", "sink=file", "clock=unpaced"))})


def test_states_are_whole_and_old_ones_go(tmp_path: Path) -> None:
    store, other = States(str(tmp_path), "job"), States((tmp_path).as_uri(), "other")
    for instant in (1, 2, 10):
        store.write(0, instant, [instant], {"upcoming": instant})
    other.write(0, 1, "other", None)
    store.write(0, 2, [2], {"upcoming": 2})
    store.remove_before(10)
    assert [store.read(0, instant) for instant in (1, 2, 10)] == [None, None, [10]]
    assert store.summary(0, 10) == {"upcoming": 10}
    with pytest.raises(FileNotFoundError):
        store.summary(0, 2)
    assert sorted(path.name for path in (tmp_path / "job").iterdir()) == [f"{10:020d}-0000.json", f"{10:020d}-0000.state"]
    store.remove()
    assert not (tmp_path / "job").exists()
    assert other.read(0, 1) == "other"


def test_java_s_client_gets_the_same_properties(make_plan: MakePlan) -> None:
    plan = make_plan("sink.delivery_timeout=2", "sink.linger=900000", "sink.compression=zstd")
    assert kafka_options(plan, Cluster("host:1")) == {
        "topic": "ticks",
        "kafka.bootstrap.servers": "host:1",
        "kafka.acks": "all",
        "kafka.enable.idempotence": "true",
        "kafka.compression.type": "zstd",
        "kafka.linger.ms": "1000",
        "kafka.delivery.timeout.ms": "2000",
        "kafka.request.timeout.ms": "1000",
        "kafka.batch.size": "262144",
    }


@pytest.mark.parametrize(
    ("overrides", "span"),
    [((), 5 * SECOND), (("rate=1000000",), SECOND), (("engine.span=0.5",), SECOND // 2), (("window.watermark=1",), SECOND // 2)],
)
def test_a_micro_batch_is_within_the_skew(
    overrides: tuple[str, ...], span: int, make_specification: Callable[..., Specification], make_plan: MakePlan
) -> None:
    specification = make_specification("engine=spark", *overrides)
    assert specification.engine.kind == "spark"
    job = spark_job(specification, specification.engine, make_plan("engine=spark", *overrides))
    assert (job.span, job.workers, job.state) == (span, 4, None)


def test_what_a_task_raises_is_told_in_one_line() -> None:
    said = "[PYTHON_DATA_SOURCE_ERROR] Failed:\nTraceback (most recent call last):\n  File\nPermissionError: no\n SQLSTATE: 38000"
    assert condense(RuntimeError(said)) == "PermissionError: no"
