"""The producer runtime: market, encoding, pace and sink in one loop, with every event accounted for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.digest import RecordDigest
from simulator.faults.records import Records
from simulator.faults.stream import records_of
from simulator.plan import Plan
from simulator.produce.clock import Clock
from simulator.produce.pacing import pace
from simulator.produce.signals import StopRequest
from simulator.produce.sink import Sink

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Progress:
    """How a producer stands.

    Attributes:
        generated: events handed to the sink.
        acked: events whose arrival is certain.
        failed: events that are known not to have arrived.
        queued: events handed over whose arrival is not known yet.
        market_time: simulated seconds done.
        elapsed: seconds of wall time since the first block.
        lag: seconds by which the last event was sent after its moment.
        largest_lag: the largest of all.
    """

    generated: int = 0
    acked: int = 0
    failed: int = 0
    queued: int = 0
    market_time: float = 0.0
    elapsed: float = 0.0
    lag: float = 0.0
    largest_lag: float = 0.0

    @property
    def rate(self) -> float:
        """Events per second of wall time."""
        return self.generated / self.elapsed if self.elapsed > 0 else 0.0


@dataclass(frozen=True)
class Outcome:
    """What a producer did: the last progress, the stream's digest, and whether it was asked to stop early."""

    progress: Progress
    digest: str
    interrupted: bool


@final
class Producer:
    """Runs a plan's market into a sink.

    Before an event is sent, every event older by more than `plan.sink.skew` has arrived: no partition runs ahead of another so
    far that a reader's watermark would call the other's events late.
    """

    def __init__(self, plan: Plan, start: int, sink: Sink, clock: Clock, block_events: int | None = None) -> None:
        self._plan, self._start, self._sink, self._clock = plan, start, sink, clock
        self._block_events = block_events
        self._digest = RecordDigest(plan)
        self._skew = None if plan.sink.skew is None else plan.sink.skew * 1000
        self._arrived_before = 0
        self._progress = Progress()

    @property
    def progress(self) -> Progress:
        """How it stands now; after an error: how it stood then."""
        return replace(self._progress, acked=self._sink.acked, failed=self._sink.failed, queued=self._sink.queued)

    def run(self, stop: StopRequest, report: Callable[[Progress], None]) -> Outcome:
        """Send until the plan's duration is over or `stop` is requested, then flush.

        Raises:
            DeliveryError: an event did not arrive.
        """
        self._pace = pace(self._plan.clock.speed, self._clock)
        self._origin = self._clock.now()
        for records in records_of(self._plan, self._start, self._block_events):
            self._send(records.present, stop, report)
            if stop.requested:
                break
        self._sink.flush()
        self._note(None, report)
        return Outcome(self.progress, self._digest.hexdigest(), stop.requested)

    def _send(self, records: Records, stop: StopRequest, report: Callable[[Progress], None]) -> None:
        items = self._sink.encode(records)
        position = 0
        while position < len(records) and not stop.requested:
            due = self._pace.due(records.sent, position)
            due = self._within_skew(records.sent, position, due)
            if due > position:
                self._sink.send(records.take(slice(position, due)), items[position:due])
                self._progress = replace(self._progress, generated=self._progress.generated + due - position)
            self._sink.poll()
            # Only what was just sent has a lag; while the next record is waited for, the last one's does not grow.
            self._note(records.sent[position:due], report)
            position = due
        self._digest.add(records.take(slice(0, position)))

    def _within_skew(self, sent: Integers, position: int, due: int) -> int:
        if self._skew is None or due == position or int(sent[due - 1]) - self._arrived_before <= self._skew:
            return due
        if int(sent[position]) - self._arrived_before > self._skew:
            self._sink.flush()
            self._arrived_before = int(sent[position])
        return int(np.searchsorted(sent[:due], self._arrived_before + self._skew, side="right"))

    def _note(self, sent: Integers | None, report: Callable[[Progress], None]) -> None:
        self._progress = replace(self._progress, elapsed=(self._clock.now() - self._origin) / 1e9)
        if sent is not None and sent.size:
            last = int(sent[-1])
            lag = self._pace.lag(last) / 1e9
            largest = max(lag, self._progress.largest_lag)
            self._progress = replace(self._progress, market_time=last / 1e9, lag=lag, largest_lag=largest)
        report(self.progress)
