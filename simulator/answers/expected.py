"""The right answers of a plan: of the market as it is, and, with faults, of the records as this run's job met them.

All is generated again from the plan, apart from the run. What only the run knows comes from its manifest (where each record went)
and from the log of its micro-batches (when each was read, and behind which watermark).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.answers.accounts import Accounts
from simulator.answers.dead_letters import DeadLetters
from simulator.answers.ledger import Ledger
from simulator.answers.microbatches import MicroBatches
from simulator.answers.placement import Placement, placed_records
from simulator.answers.reader import Fate, Reader, Reading
from simulator.answers.sessions import BatchedSessions
from simulator.answers.windows import LATE_BEFORE, as_table, windows_of
from simulator.encode.frame import standard_frame
from simulator.market.conditions import Condition
from simulator.market.stream import events_of
from simulator.plan import Plan

_BLOCK_EVENTS = 200_000
_TIME = pl.Datetime("us", "UTC")


def unwatched(_: int) -> None:
    """Nobody wants to know how far it is."""


@dataclass(frozen=True)
class Answers:
    """What a plan's events must lead to.

    Attributes:
        windows: one row a window and symbol, sorted by their keys; times are UTC timestamps.
        timeline: every auction and change of status, in order; None for a market that has none.
    """

    windows: pl.DataFrame
    timeline: pl.DataFrame | None

    @property
    def statuses(self) -> int:
        """How many events are no trades."""
        return 0 if self.timeline is None else self.timeline.filter(pl.col("volume") == 0).height


def expected_answers(plan: Plan, start: int, limit: int | None = None, watch: Callable[[int], None] = unwatched) -> Answers:
    """All windows of a plan without faults, and its timeline.

    With output mode `append` only those windows that the last event's watermark has closed.

    Args:
        plan: the plan.
        start: event time of the market's first instant, microseconds since 1970.
        limit: take the first `limit` events only.
        watch: told how many events were taken since it was last told.
    """
    engine = windows_of(plan.answers)
    latest = 0
    special: list[pl.DataFrame] = []
    for frame in _frames(plan, start, limit):
        if "condition" in frame.columns:
            special.append(frame.filter(pl.col("condition") != Condition.REGULAR.label))
        trades = frame.filter(pl.col("volume") > 0)  # a status event is no trade
        if trades.height:
            latest = int(trades["event_time"][-1])
            engine.add(trades, latest)
        watch(frame.height)
    windows = engine.finish()
    if plan.answers.output_mode == "append":
        windows = windows.filter(pl.col("window_end") <= final_watermark(latest, plan.answers.window.watermark))
    timeline = pl.concat(special).with_columns(pl.col("event_time").cast(_TIME)) if special else None
    return Answers(as_table(windows), timeline)


def final_watermark(latest: int, delay: int) -> int:
    """Spark's watermark after an event at `latest`, microseconds: it counts whole milliseconds, both rounded down."""
    return (latest // 1000 - delay // 1000) * 1000


def _frames(plan: Plan, start: int, limit: int | None) -> Iterator[pl.DataFrame]:
    left = limit
    for events in events_of(plan, _BLOCK_EVENTS):
        taken = events if left is None else events.rows(0, left)
        if len(taken):
            yield standard_frame(taken, plan, start)
        if left is not None:
            left -= len(taken)
            if left == 0:
                return


@dataclass(frozen=True)
class ReplayedAnswers:
    """What the records of a run with faults must lead to; tables of windows as in `Answers`.

    Attributes:
        windows: what this run's job should have written: less what was late for it, and repeats if it drops them.
        every: of every legible trade, each time that it was sent.
        deduplicated: of the first legible report of each (symbol, seq).
        ledger: every fault and record that it struck.
        accounts: by micro-batch, what became of each record.
        dead_letters: the records that were rejected.
    """

    windows: pl.DataFrame
    every: pl.DataFrame
    deduplicated: pl.DataFrame
    ledger: pl.DataFrame
    accounts: Accounts
    dead_letters: DeadLetters


def replayed_answers(
    plan: Plan, start: int, limit: int, placement: Placement, log: MicroBatches, watch: Callable[[int], None] = unwatched
) -> ReplayedAnswers:
    """Follow every record of a run through its faults, its place and its micro-batch.

    Args:
        plan: the plan.
        start: event time of the market's first instant, microseconds since 1970.
        limit: how many records were sent.
        placement: where they went.
        log: the micro-batches that read them.
        watch: told how many records were followed since it was last told.
    """
    ledger, accounts = Ledger(plan, start, placement.names), Accounts(plan, log)
    reader, dead_letters = Reader(plan, start, log), DeadLetters(plan, start, placement.names)
    every, deduplicated = windows_of(plan.answers), windows_of(plan.answers)
    replayed = _Replay(plan, log)
    for placed in placed_records(plan, start, placement, limit):
        ledger.add(placed)
        reading = reader.read(placed)
        accounts.add(reading)
        dead_letters.add(reading)
        frame, oldest = _frame(reading, plan, start), start + placed.records.oldest_to_come // 1000 - 1000
        every.add(frame.filter(reading.trade), oldest)
        deduplicated.add(frame.filter(reading.first), oldest)
        replayed.add(frame, reading, oldest)
        watch(len(placed.records))
    return ReplayedAnswers(
        replayed.finish(), as_table(every.finish()), as_table(deduplicated.finish()), ledger.frame(), accounts, dead_letters
    )


def _frame(reading: Reading, plan: Plan, start: int) -> pl.DataFrame:
    frame = standard_frame(reading.placed.records.events, plan, start)
    return frame.select("symbol", "seq", pl.Series("event_time", reading.event_time), "price", "volume")


@final
class _Replay:
    """The windows of this run's job, by its micro-batches."""

    def __init__(self, plan: Plan, log: MicroBatches) -> None:
        self._log, self._answers = log, plan.answers
        self._windows = windows_of(plan.answers)
        watermarks: list[int] = (log.watermarks * 1000).tolist()
        self._sessions = BatchedSessions(plan.answers, watermarks) if plan.answers.window.kind == "session" else None

    def add(self, frame: pl.DataFrame, reading: Reading, oldest_to_come: int) -> None:
        counted: NDArray[np.bool_] = reading.fate == Fate.AGGREGATED
        if self._sessions is not None:
            self._sessions.add(frame.with_columns(pl.Series("batch", reading.batch)).filter(counted))
        else:
            self._windows.add(frame.with_columns(pl.Series(LATE_BEFORE, reading.late_before)).filter(counted), oldest_to_come)

    def finish(self) -> pl.DataFrame:
        windows = None if self._sessions is None else self._sessions.finish()
        windows = self._windows.finish() if windows is None else windows
        if self._answers.output_mode == "append":
            windows = windows.filter(pl.col("window_end") <= self._log.closed)
        return as_table(windows)
