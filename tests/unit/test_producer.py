"""The producer's loop: every event accounted for, in order, none far ahead of one that may be lost, and a clean stop."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from simulator.encode.json import encode
from simulator.errors import DeliveryError
from simulator.faults.records import Records, of_market
from simulator.market.digest import StreamDigest
from simulator.market.events import Events
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.produce.clock import Clock, ManualClock
from simulator.produce.files import NdjsonSink, ParquetSink
from simulator.produce.horizon import Alone
from simulator.produce.memory import MemorySink
from simulator.produce.producer import Producer, Progress
from simulator.produce.signals import StopRequest, stop_on_signals
from simulator.produce.sink import Sink

MakePlan = Callable[..., Plan]

START = 1_735_828_200_000_000
SMALL = ("symbols.count=3", "duration=5", "rate=200")
UNPACED = (*SMALL, "clock=unpaced")
BLOCKS = [1, 64, 100_000]


class SlowSink(Sink):
    """Knows that events have arrived only after a flush, and notes when each was sent."""

    def __init__(self, clock: Clock, capacity: int = 10**9) -> None:
        self._clock, self._capacity = clock, capacity
        self.times: list[int] = []
        self.moments: list[int] = []
        self.widest = 0
        self.flushes = 0

    def encode(self, records: Records) -> Sequence[Any]:
        return records.sent.tolist()

    def send(self, sent: NDArray[np.int64], items: Sequence[Any]) -> None:
        assert list(items) == sent.tolist()
        self.times += items
        self.moments += [self._clock.now()] * len(items)
        if len(self.times) > self._capacity:
            self.failed = 1
            raise DeliveryError("full")
        self.widest = max(self.widest, self.times[-1] - self.times[self.acked])

    def flush(self) -> None:
        self.flushes += 1
        self.acked = len(self.times)

    @property
    def queued(self) -> int:
        return len(self.times) - self.acked


def ignore(progress: Progress) -> None:
    """No report."""


def stream(plan: Plan) -> list[Events]:
    return list(events_of(plan))


def digest(plan: Plan, limit: int) -> str:
    chain = StreamDigest([symbol.name for symbol in plan.market.symbols])
    for events in stream(plan):
        chain.update(events.rows(0, max(0, limit)))
        limit -= len(events)
    return chain.hexdigest()


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("pacing", [UNPACED, (*SMALL, "clock=accelerated"), SMALL], ids=["unpaced", "accelerated", "realtime"])
def test_all_lines_are_sent_in_order_whatever_the_block_and_the_pace(
    pacing: tuple[str, ...], block: int, make_plan: MakePlan
) -> None:
    plan = make_plan(*pacing)
    sink = MemorySink(plan, START)
    outcome = Producer(plan, START, sink, ManualClock(oversleep=1000), block).run(Alone(StopRequest()), ignore)
    expected = [line for events in stream(plan) for line in encode(events, plan, START)]
    assert sink.lines == expected
    assert (outcome.progress.generated, outcome.progress.acked, outcome.progress.failed) == (len(expected), len(expected), 0)
    assert outcome.digest == digest(plan, len(expected))
    assert not outcome.interrupted
    assert sink.flushes > 0


@pytest.mark.parametrize("oversleep", [0, 5_000_000])
def test_the_producer_does_not_drift(oversleep: int, make_plan: MakePlan) -> None:
    plan = make_plan("symbols.count=3", "arrivals=fixed", "rate=20", "duration=50", "clock=accelerated", "clock.speed=2")
    clock = ManualClock(oversleep)
    sink = SlowSink(clock)
    outcome = Producer(plan, START, sink, clock).run(Alone(StopRequest()), ignore)
    lateness = [moment - time // 2 for time, moment in zip(sink.times, sink.moments, strict=True)]
    assert len(lateness) == 1000
    assert min(lateness) >= 0
    assert max(lateness) <= oversleep + 2
    assert outcome.progress.largest_lag == pytest.approx(max(lateness) / 1e9, abs=1e-8)
    assert outcome.progress.market_time == 49.95
    assert outcome.progress.elapsed == pytest.approx(49.95 / 2, abs=0.02)
    assert outcome.progress.rate == pytest.approx(40, rel=0.01)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("watermark", ["0", "0.001", "0.5", "4", "100"])
@pytest.mark.parametrize("clock", ["unpaced", "accelerated"])
def test_no_event_is_sent_while_one_older_than_the_skew_may_be_lost(
    clock: str, watermark: str, block: int, make_plan: MakePlan
) -> None:
    plan = make_plan(*SMALL, f"clock={clock}", f"window.watermark={watermark}")
    manual = ManualClock(oversleep=300_000)
    sink = SlowSink(manual)
    outcome = Producer(plan, START, sink, manual, block).run(Alone(StopRequest()), ignore)
    assert plan.sink.skew is not None
    assert sink.widest <= plan.sink.skew * 1000
    assert sink.times == [time for events in stream(plan) for time in events.time.tolist()]
    assert outcome.progress.acked == len(sink.times)
    if watermark == "100":
        assert sink.flushes == 1  # not more than it takes
    if watermark == "4":
        assert sink.flushes <= 4


def test_a_sink_that_keeps_the_order_is_not_flushed_on_the_way(make_plan: MakePlan) -> None:
    plan = make_plan(*UNPACED, "sink=file", "window.watermark=0")
    sink = SlowSink(ManualClock())
    Producer(plan, START, sink, ManualClock(), 64).run(Alone(StopRequest()), ignore)
    assert sink.flushes == 1


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("clock", ["unpaced", "accelerated"])
def test_a_stop_ends_early_with_the_right_counts(clock: str, block: int, make_plan: MakePlan) -> None:
    plan = make_plan(*SMALL, f"clock={clock}", "window.watermark=1")
    stop = StopRequest()

    def stop_after_a_hundred(progress: Progress) -> None:
        stop.requested = stop.requested or progress.generated >= 100

    manual = ManualClock()
    sink = SlowSink(manual)
    outcome = Producer(plan, START, sink, manual, block).run(Alone(stop), stop_after_a_hundred)
    sent = len(sink.times)
    total = sum(len(events) for events in stream(plan))
    assert outcome.interrupted
    assert 100 <= sent < total
    assert (outcome.progress.generated, outcome.progress.acked, outcome.progress.queued) == (sent, sent, 0)
    assert outcome.digest == digest(plan, sent)


def test_a_stop_before_the_first_event_sends_nothing(make_plan: MakePlan) -> None:
    plan = make_plan(*SMALL)
    stop = StopRequest()
    stop.requested = True
    sink = MemorySink(plan, START)
    outcome = Producer(plan, START, sink, ManualClock()).run(Alone(stop), ignore)
    assert (sink.lines, outcome.progress.generated, outcome.digest) == ([], 0, digest(plan, 0))


def test_a_market_without_end_runs_until_it_is_stopped(make_plan: MakePlan) -> None:
    plan = make_plan("mode=produce", "duration=null", "clock=unpaced", "symbols.count=3")
    stop = StopRequest()

    def stop_later(progress: Progress) -> None:
        stop.requested = progress.generated >= 50_000

    outcome = Producer(plan, START, MemorySink(plan, START), ManualClock()).run(Alone(stop), stop_later)
    assert 50_000 <= outcome.progress.generated < 100_000


def test_a_failed_delivery_ends_the_run_and_the_counts_stand(make_plan: MakePlan) -> None:
    plan = make_plan(*UNPACED, "window.watermark=1")
    sink = SlowSink(ManualClock(), capacity=300)
    producer = Producer(plan, START, sink, ManualClock())
    with pytest.raises(DeliveryError):
        producer.run(Alone(StopRequest()), ignore)
    progress = producer.progress
    assert progress.failed == 1
    assert 0 < progress.acked <= progress.generated <= 300 < len(sink.times)


def test_progress_only_grows(make_plan: MakePlan) -> None:
    plan = make_plan(*SMALL, "clock=accelerated")
    seen: list[Progress] = []
    Producer(plan, START, MemorySink(plan, START), ManualClock(), 64).run(Alone(StopRequest()), seen.append)
    for name in ("generated", "acked", "market_time", "elapsed", "largest_lag"):
        values = [getattr(progress, name) for progress in seen]
        assert values == sorted(values), name
    assert Progress().rate == 0.0


@pytest.mark.parametrize("block", BLOCKS)
def test_ndjson_files_hold_the_lines_by_span(block: int, make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(*UNPACED, "sink=file", "sink.seconds_per_file=2", "clock.start='2025-01-01T00:00:00Z'")
    sink = NdjsonSink(plan, START, tmp_path)
    outcome = Producer(plan, START, sink, ManualClock(), block).run(Alone(StopRequest()), ignore)
    files = sorted((tmp_path / "events").iterdir())
    assert [file.name for file in files] == [f"part-{number:06d}-000.ndjson" for number in range(3)]
    expected = [line for events in stream(plan) for line in encode(events, plan, START)]
    assert b"".join(file.read_bytes() for file in files) == b"".join(line + b"\n" for line in expected)
    assert outcome.progress.acked == len(expected)
    seconds = [{json.loads(line)["event_time"][17:19] for line in file.read_bytes().splitlines()} for file in files]
    assert seconds == [{"00", "01"}, {"02", "03"}, {"04"}]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("event", ["trade", "compact"])
def test_parquet_files_hold_the_same_events(event: str, block: int, make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(*UNPACED, f"event={event}", "sink=file", "sink.format=parquet", "sink.seconds_per_file=2")
    Producer(plan, START, ParquetSink(plan, START, tmp_path), ManualClock(), block).run(Alone(StopRequest()), ignore)
    files = sorted((tmp_path / "events").iterdir())
    assert [file.name for file in files] == [f"part-{number:06d}-000.parquet" for number in range(3)]
    table = pl.concat([pl.read_parquet(file) for file in files])
    lines = [json.loads(line) for events in stream(plan) for line in encode(events, plan, START)]
    time = plan.event.names["event_time"]
    if event == "trade":
        assert table.schema[time] == pl.Datetime("us", "UTC")
        table = table.with_columns(pl.col(time).dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ"))
    assert table.to_dicts() == lines


def test_a_flush_within_a_span_makes_a_further_file(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(*UNPACED, "sink=file", "sink.seconds_per_file=100")
    sink = NdjsonSink(plan, START, tmp_path)
    (events,) = stream(plan)
    records = of_market(events, 0)
    lines = sink.encode(records)
    for start in (0, 10, 10):
        sink.send(records.sent[start:10], lines[start:10])
        assert sink.queued == 10 - start
        sink.flush()
    sink.send(records.sent[10:12], lines[10:12])
    sink.close()
    assert [file.name for file in sorted((tmp_path / "events").iterdir())] == ["part-000000-000.ndjson"]
    sink.flush()
    assert [file.name for file in sorted((tmp_path / "events").iterdir())] == ["part-000000-000.ndjson", "part-000000-001.ndjson"]
    assert sink.acked == 12


def test_the_first_signal_asks_and_the_second_insists() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def run() -> None:
        with stop_on_signals() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
