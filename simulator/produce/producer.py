"""The producer runtime: market, encoding, pace and sink in one loop, with every event accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.digest import RecordDigest
from simulator.faults.records import Records
from simulator.faults.stream import records_of
from simulator.market.digest import combined
from simulator.plan import Plan
from simulator.produce.clock import Clock
from simulator.produce.horizon import END, Horizon
from simulator.produce.lag import LagHistogram
from simulator.produce.pacing import pace, prepared
from simulator.produce.sink import Items, Sink

Integers = NDArray[np.int64]

Agree = Callable[[int], tuple[int, int]]
"""Given the instant up to which this worker's records were sent by an earlier part of the run: the moment when all workers begin,
by the clock, and the furthest such instant of all of them."""

_REPORT_INTERVAL = 20_000_000
"""Nanoseconds between two reports while a block is sent."""
_SETTLE_SLEEP = 1_000_000
"""Nanoseconds to wait for the records of other workers."""


@dataclass(frozen=True)
class Progress:
    """How a producer stands.

    Attributes:
        generated: events handed to the sink.
        acked: events whose arrival is certain.
        failed: events that are known not to have arrived.
        queued: events handed over whose arrival is not known yet.
        market_time: simulated seconds done.
        elapsed: seconds of wall time from the first instant to the last event sent; without a pace: to the last that arrived.
        lag: seconds by which the last event was sent after its moment.
        largest_lag: the largest of all.
        resumed: events, among those generated and acked, that an earlier part of the run has sent; `elapsed` is without it.
    """

    generated: int = 0
    acked: int = 0
    failed: int = 0
    queued: int = 0
    market_time: float = 0.0
    elapsed: float = 0.0
    lag: float = 0.0
    largest_lag: float = 0.0
    resumed: int = 0

    @property
    def rate(self) -> float:
        """Events per second of wall time."""
        return (self.generated - self.resumed) / self.elapsed if self.elapsed > 0 else 0.0


@dataclass(frozen=True)
class Outcome:
    """What a producer did.

    Attributes:
        progress: the last.
        chains: the stream's digest, by symbol.
        lags: of all events, when there was a pace.
        interrupted: it was stopped before its end.
    """

    progress: Progress
    chains: dict[str, str]
    lags: LagHistogram
    interrupted: bool

    @property
    def digest(self) -> str:
        """The stream's digest."""
        return combined(self.chains)


@final
class Producer:
    """Runs a plan's market, or a worker's share of it, into a sink.

    Before an event is sent, every event older by more than `plan.sink.skew` has arrived: no partition runs ahead of another so
    far that a reader's watermark would call the other's events late.
    """

    def __init__(
        self,
        plan: Plan,
        start: int,
        sink: Sink,
        clock: Clock,
        block_events: int | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """`share`: the number of this worker, and how many there are."""
        self._plan, self._start, self._sink, self._clock = plan, start, sink, clock
        self._block_events, self._share = block_events, share
        self._digest = RecordDigest(plan)
        self._skew = None if plan.sink.skew is None else plan.sink.skew * 1000
        self._arrived_before = 0
        self._progress = Progress()
        self._lags = LagHistogram()
        self._reported = 0
        self._resumed_at = 0

    @property
    def progress(self) -> Progress:
        """How it stands now; after an error: how it stood then."""
        return replace(self._progress, acked=self._sink.acked, failed=self._sink.failed, queued=self._sink.queued)

    def run(self, horizon: Horizon, report: Callable[[Progress], None], agree: Agree | None = None) -> Outcome:
        """Send until the plan's duration is over or the horizon ends, then flush.

        Args:
            horizon: where to stop, and how far the other workers are.
            report: called often.
            agree: called when the first block is ready; None: there are no other workers.

        Raises:
            DeliveryError: an event did not arrive.
        """
        self._horizon, self._report = horizon, report
        with prepared(self._plan.clock, self._encoded) as blocks:
            first = next(blocks, None)
            if self._progress.resumed:
                horizon.resume(self._resumed_at)
            begun, resumed_at = (self._clock.now(), self._resumed_at) if agree is None else agree(self._resumed_at)
            self._begun = self._reported = begun
            self._pace = pace(self._plan.clock, self._clock, begun - int(resumed_at / (self._plan.clock.speed or 1.0)))
            complete = first is None or (self._send(*first) and all(self._send(*block) for block in blocks))
        self._sink.flush()
        horizon.arrived(END)
        if self._plan.clock.speed is None:  # without a schedule, the rate is that of what has arrived
            self._note_elapsed()
        report(self.progress)
        return Outcome(self.progress, self._digest.chains(), self._lags, not complete)

    def _encoded(self) -> Iterator[tuple[Records, Items]]:
        blocks = self._blocks()
        yield from self._unsent(blocks)
        yield from blocks

    def _blocks(self) -> Iterator[tuple[Records, Items]]:
        for block in records_of(self._plan, self._start, self._block_events, *self._share):
            records = block.present
            yield records, self._sink.encode(records)

    def _unsent(self, blocks: Iterator[tuple[Records, Items]]) -> list[tuple[Records, Items]]:
        """What is left of the blocks in which an earlier part of the run has sent records; those count as done.

        All of these blocks are gone through before the first record is sent, so that a stop comes after the last of them. They
        are few: no partition ran far ahead of another.
        """
        left: list[tuple[Records, Items]] = []
        for records, items in blocks:
            before = self._sink.sent_before(items)
            if before is None:
                return [*left, (records, items)]
            if before.any():
                self._note_earlier(records.take(before))
            if not before.all():
                rows = np.flatnonzero(~before)
                left.append((records.take(rows), items[rows]))
        return left

    def _note_earlier(self, records: Records) -> None:
        self._digest.add(records)
        count, self._resumed_at = self._progress.resumed + len(records), max(self._resumed_at, int(records.sent[-1]))
        self._progress = replace(self._progress, generated=count, resumed=count, market_time=self._resumed_at / 1e9)

    def _send(self, records: Records, items: Items) -> bool:
        """Send a block in parts as they fall due; tells whether all of it was sent."""
        sent, position = records.sent, 0
        while position < len(records) and int(sent[position]) <= self._horizon.limit:
            due = self._within_skew(sent, position, self._pace.due(sent, position))
            if due > position:
                due = int(np.searchsorted(sent[:due], self._horizon.claim(int(sent[due - 1])), side="right"))
            if due > position:
                self._sink.send(sent[position:due], items[position:due])
                self._note(sent[position:due])
            else:
                self._idle(int(sent[position]))
            position = max(position, due)
            self._report_seldom()
        self._digest.add(records if position == len(records) else records.take(slice(0, position)))
        self._report_now()
        return position == len(records)

    def _idle(self, upcoming: int) -> None:
        self._sink.poll()
        if not self._sink.queued:
            self._horizon.arrived(upcoming)

    def _within_skew(self, sent: Integers, position: int, due: int) -> int:
        if self._skew is None or due == position or int(sent[due - 1]) - self._horizon.oldest <= self._skew:
            return due
        if int(sent[position]) - self._horizon.oldest > self._skew:
            self._settle(int(sent[position]))
        return max(position, int(np.searchsorted(sent[:due], self._horizon.oldest + self._skew, side="right")))

    def _settle(self, upcoming: int) -> None:
        """Wait until what was sent has arrived, or a little for what other workers have sent."""
        if upcoming > self._arrived_before:
            self._sink.flush()
            self._arrived_before = upcoming
            self._horizon.arrived(upcoming)
            self._report_now()
        else:
            self._clock.sleep(_SETTLE_SLEEP)

    def _note(self, sent: Integers) -> None:
        """Count what was just sent. While the next record is waited for, the lag does not grow."""
        self._note_elapsed()
        self._progress = replace(self._progress, generated=self._progress.generated + sent.size, market_time=int(sent[-1]) / 1e9)
        lags = self._pace.lags(sent)
        if lags.size:
            self._lags.add(lags)
            lag = int(lags[-1]) / 1e9
            largest = max(int(lags.max()) / 1e9, self._progress.largest_lag)
            self._progress = replace(self._progress, lag=lag, largest_lag=largest)

    def _note_elapsed(self) -> None:
        self._progress = replace(self._progress, elapsed=(self._clock.now() - self._begun) / 1e9)

    def _report_seldom(self) -> None:
        if self._clock.now() - self._reported >= _REPORT_INTERVAL:
            self._report_now()

    def _report_now(self) -> None:
        self._reported = self._clock.now()
        self._report(self.progress)
