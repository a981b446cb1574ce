"""The records of a run as any engine meets them, in the order of sending, each with the watermark that it may be judged by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.answers.microbatches import MicroBatches
from simulator.answers.placement import Placement, placed_records
from simulator.answers.reader import Reader, Reading
from simulator.encode.frame import standard_frame
from simulator.faults.damage import LEGIBLE
from simulator.faults.records import Records
from simulator.plan import Plan

Integers = NDArray[np.int64]

EVENT = ["symbol", "seq", "event_time", "price", "volume"]
WATERMARK = "watermark"
# Before every time, and far enough from the end of int64 to take a delay from it.
_NEVER = -(2**62)


@dataclass(frozen=True)
class Known:
    """A block of records.

    Attributes:
        frame: the columns EVENT (what the payload says, times in microseconds since 1970); `trade` (a legible trade); `status`
            (a legible event that is none); `first` (the first legible trade of its (symbol, seq)); WATERMARK (the newest event
            time of all legible records before it, less the delay); `sent` (when it was sent, on the market's clock).
        records: the same rows.
        oldest_to_come: no later record has an event time before it, microseconds since 1970.
    """

    frame: pl.DataFrame
    records: Records
    oldest_to_come: int


def known_records(plan: Plan, start: int, limit: int) -> Iterator[Known]:
    """All records that were sent, faults or not.

    Args:
        plan: the plan.
        start: event time of the market's first instant, microseconds since 1970.
        limit: how many records were sent.
    """
    nowhere = Placement(plan, {}, 1)  # what other engines do does not depend on where a record is
    nothing: Integers = np.zeros(0, dtype=np.int64)
    reader = Reader(plan, start, MicroBatches([], None, nothing, []))
    watermarks = _Watermarks(plan.answers.window.watermark)
    for placed in placed_records(plan, start, nowhere, limit):
        reading = reader.read(placed)
        records = reading.placed.records
        oldest = start + placed.records.oldest_to_come // 1000 - 1000
        if len(records):
            yield Known(_frame(plan, start, reading, watermarks), records, oldest)


def _frame(plan: Plan, start: int, reading: Reading, watermarks: _Watermarks) -> pl.DataFrame:
    records = reading.placed.records
    legible = LEGIBLE[records.damage]
    frame = standard_frame(records.events, plan, start)
    return frame.select(
        "symbol",
        "seq",
        pl.Series("event_time", reading.event_time),
        "price",
        "volume",
        pl.Series("trade", reading.trade),
        pl.Series("status", legible & ~reading.trade),
        pl.Series("first", reading.first),
        pl.Series(WATERMARK, watermarks.before(reading.event_time, legible)),
        pl.Series("sent", start + records.sent // 1000),
    )


@final
class _Watermarks:
    """The watermark that moves with every legible record.

    In microseconds, newest - delay; or by Spark's whole milliseconds, each rounded down, where that is later.
    """

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._newest = _NEVER

    def before(self, time: Integers, legible: NDArray[np.bool_]) -> Integers:
        """The watermark that each of the next records meets: without the record itself."""
        known = np.concatenate([[self._newest], np.where(legible, time, _NEVER)])
        newest: Integers = np.maximum.accumulate(known)
        self._newest = int(newest[-1])
        newest = newest[:-1]
        return np.maximum(newest - self._delay, (newest // 1000 - self._delay // 1000) * 1000)
