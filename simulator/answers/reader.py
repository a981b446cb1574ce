"""What the generated job does with each record, by Spark's rules and the run's own micro-batches (docs/watermark.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.answers.microbatches import UNREAD, MicroBatches
from simulator.answers.placement import Placed
from simulator.faults.damage import LEGIBLE
from simulator.faults.records import Records
from simulator.market.events import event_times
from simulator.plan import Plan

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_SEQ_BITS = 40


@unique
class Fate(IntEnum):
    """What becomes of a record; every record has one."""

    UNREAD = 0
    REJECTED = 1
    STATUS = 2
    LATE = 3
    DUPLICATE = 4
    AGGREGATED = 5


@dataclass(frozen=True)
class Reading:
    """A block of records as the job sees it; all columns have shape (records,).

    Attributes:
        placed: the records, without those that were never sent.
        event_time: of the payload, microseconds since 1970, as precise as it is written.
        trade: whether the record is a legible trade.
        batch: the number of the micro-batch that reads the record; UNREAD for one that none has read.
        first: whether it is the first legible report of its (symbol, seq) in the order of sending.
        late_before: microseconds since 1970; in this record's batch, what is not after it is late.
        fate: codes of `Fate`.
    """

    placed: Placed
    event_time: Integers
    trade: Mask
    batch: Integers
    first: Mask
    late_before: Integers
    fate: NDArray[np.uint8]


@final
class Repeats:
    """Tells first reports of a (symbol, seq) from further ones; remembers only those that have any."""

    def __init__(self) -> None:
        self._seen: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def first(self, records: Records, candidates: Mask) -> Mask:
        """The candidates that are the first of their name, among these and all before."""
        first = candidates.copy()
        rows = np.flatnonzero(candidates & records.repeated)
        keys = records.events.symbol[rows].astype(np.int64) << _SEQ_BITS | records.events.seq[rows]
        _, begins = np.unique(keys, return_index=True)
        is_new = np.zeros(rows.size, dtype=np.bool_)
        is_new[begins] = True
        is_new &= ~np.isin(keys, self._seen)
        first[rows] = is_new
        self._seen = np.union1d(self._seen, keys)
        return first


@final
class Reader:
    """Follows the records of a run through the job, in the order of sending.

    Args:
        plan: of the run.
        start: event time of the market's first instant, microseconds since 1970.
        log: the run's micro-batches.
    """

    def __init__(self, plan: Plan, start: int, log: MicroBatches) -> None:
        self._plan, self._start, self._log = plan, start, log
        self._has_statuses = "condition" in plan.event.names
        self._repeats, self._kept = Repeats(), Repeats()

    def read(self, block: Placed) -> Reading:
        """The next records."""
        placed = block.take(~block.records.withheld)
        records = placed.records
        batch = self._log.batch_of(placed.place, placed.offset)
        is_read = batch != UNREAD
        late_before = np.where(is_read, self._log.late_before[batch], 0) if self._log.reports else np.zeros_like(batch)
        time = self._as_written(event_times(records.events, self._start))
        legible = LEGIBLE[records.damage]
        status = legible & (records.events.volume == 0) if self._has_statuses else np.zeros_like(legible)
        trade = legible & ~status
        fates = (Fate.UNREAD, Fate.REJECTED, Fate.STATUS)
        fate = np.select([~is_read, ~legible, status], fates, Fate.AGGREGATED).astype(np.uint8)
        counted = fate == Fate.AGGREGATED
        late = counted & (self._last_end(time) <= late_before)
        if self._plan.answers.deduplicate:
            late = counted & (time <= late_before)
            fate[counted & ~late & ~self._kept.first(records, counted & ~late)] = Fate.DUPLICATE
        fate[late] = Fate.LATE
        return Reading(placed, time, trade, batch, self._repeats.first(records, trade), late_before, fate)

    def _as_written(self, time: Integers) -> Integers:
        return time // 1000 * 1000 if self._plan.event.time_format == "epoch_millis" else time

    def _last_end(self, time: Integers) -> Integers:
        """The end of the last window that an event falls in."""
        window = self._plan.answers.window
        return time + window.size if window.kind == "session" else time // window.slide * window.slide + window.size
