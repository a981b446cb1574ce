"""What results may be when it is not known which late records an engine dropped: bounds for every window and metric.

An engine whose watermark moves with every record, to the newest event time so far less the delay, drops a record from a window
that ends by then; with deduplication also a record that is not after it, as Spark's does. Nothing stricter is legal, and an
engine may drop less. So a window holds at least the records that even that engine counts, and at most all.
"""

from __future__ import annotations

from typing import final

import polars as pl

from simulator.answers.expected import final_watermark
from simulator.answers.known import EVENT, WATERMARK, known_records
from simulator.answers.split import SPLIT, SplitSessions
from simulator.answers.windows import KEYS, LATE_BEFORE, as_table, windows_of
from simulator.plan import AnswersPlan, Plan

OPTIONAL = "_optional"
"""Column: whether the window may be missing."""
MOST, LEAST = "_most", "_least"
"""Columns: how many records a window has at most and at least; null where that does not tell which they are."""
NO_VOLUME = "_no_volume"
"""Column: whether the records that must count have no volume together, so that there may be no vwap."""
_NEEDED = ("msg_ct", "volume", "high", "low")
_ORDERED = ("open", "close")


def sure(metric: str) -> str:
    """The column that says whether a window's metric has one right value, that of the column `metric`."""
    return f"_sure_{metric}"


def least(metric: str) -> str:
    """The column of a metric's value when all is dropped that may be."""
    return f"_least_{metric}"


def lowest(metric: str) -> str:
    """The column of a metric's lower bound."""
    return f"_from_{metric}"


def highest(metric: str) -> str:
    """The column of a metric's upper bound."""
    return f"_to_{metric}"


@final
class LegalWindows:
    """Collects the records that count, and gives what any engine's windows may be.

    `finish` has KEYS and metrics (of all records), and the columns above: counts and sums lie between those of the least and of
    all records, as do the extremes; averages, first and last prices between the lowest and the highest price.

    Args:
        answers: windows, output mode.
        metrics: what is wanted.
        drops_by_event: whether a record that is not after the watermark may be dropped from all its windows, as by deduplication.
        one_order: whether (symbol, seq) orders a symbol's records; otherwise first and last prices cannot be known.
    """

    def __init__(self, answers: AnswersPlan, metrics: list[str], *, drops_by_event: bool, one_order: bool = True) -> None:
        self._answers, self._metrics = answers, metrics
        self._by_event, self._one_order = drops_by_event, one_order
        full = answers.model_copy(update={"metrics": [*metrics, *(name for name in _NEEDED if name not in metrics)]})
        self._most, self._least = windows_of(full), windows_of(full)
        is_session = answers.window.kind == "session"
        self._sessions = SplitSessions(answers.window, full.metrics, drops_by_event=drops_by_event) if is_session else None
        self._newest = 0

    def add(self, records: pl.DataFrame, oldest_to_come: int) -> None:
        """Take records: the columns EVENT and WATERMARK."""
        if not records.height:
            return
        self._newest = max(self._newest, _newest(records))
        if self._sessions is not None:
            self._sessions.add(records)
            return
        self._most.add(records.select(EVENT), oldest_to_come)
        kept = records.select(*EVENT, pl.col(WATERMARK).alias(LATE_BEFORE))
        if self._by_event:
            kept = kept.filter(pl.col("event_time") > pl.col(LATE_BEFORE)).drop(LATE_BEFORE)
        if kept.height:
            self._least.add(kept, oldest_to_come)

    def finish(self) -> pl.DataFrame:
        """The table, sorted by its keys; times are UTC timestamps."""
        is_empty = self._newest == 0
        parts = (self._most.finish(), self._least.finish()) if self._sessions is None or is_empty else self._sessions.finish()
        return as_table(bounds(*parts, self._metrics, self._closed, one_order=self._one_order))

    @property
    def _closed(self) -> int | None:
        """What ends after this is not due; None when everything is."""
        if self._answers.output_mode == "update":
            return None
        return final_watermark(self._newest, self._answers.window.watermark)


def bounds(most: pl.DataFrame, fewest: pl.DataFrame, metrics: list[str], closed: int | None, *, one_order: bool) -> pl.DataFrame:
    """The table of bounds from the windows of all records and those of the records that must count.

    Args:
        most: KEYS, the metrics and those needed; times in microseconds.
        fewest: the same of fewer records; a window without any is not there.
        metrics: what is wanted.
        closed: windows that end later may be missing; None: none may.
        one_order: whether first and last prices can be known.
    """
    both = most.join(fewest.rename({name: least(name) for name in fewest.columns if name not in KEYS}), on=KEYS, how="left")
    is_one = (pl.col("msg_ct") == pl.col(least("msg_ct"))).fill_null(value=False)
    is_due = pl.lit(value=True) if closed is None else pl.col("window_end") <= closed
    unclear = [] if one_order else [name for name in metrics if name in _ORDERED]
    told = pl.lit(value=not unclear)
    if SPLIT in most.columns:
        is_one, told = ~pl.col(SPLIT), told & ~pl.col(SPLIT)
    columns = [
        (pl.col(least("msg_ct")).is_null() | ~is_due).alias(OPTIONAL),
        pl.when(told).then("msg_ct").alias(MOST),
        pl.when(told).then(least("msg_ct")).alias(LEAST),
        (pl.col(least("volume")).fill_null(0) == 0).alias(NO_VOLUME),
    ]
    for name in metrics:
        low, high = _limits(name)
        is_sure = pl.lit(value=False) if name in unclear else is_one
        columns += [is_sure.alias(sure(name)), low.alias(lowest(name)), high.alias(highest(name)), pl.col(least(name))]
    return both.select(*KEYS, *metrics, *columns, *([SPLIT] if SPLIT in most.columns else []))


def _limits(name: str) -> tuple[pl.Expr, pl.Expr]:
    """Lower and upper bound of a metric."""
    low, high = pl.col("low"), pl.col("high")
    if name == "msg_ct":
        return pl.max_horizontal(pl.col(least(name)).fill_null(0), 1), pl.col(name)
    if name == "volume":
        return pl.col(least(name)).fill_null(0), pl.col(name)
    if name == "high":
        return pl.col(least(name)).fill_null(low), high
    if name == "low":
        return low, pl.col(least(name)).fill_null(high)
    return low, high


def _newest(records: pl.DataFrame) -> int:
    return int(records["event_time"].max())  # type: ignore[arg-type]  # integers, and not empty


def legal_windows(plan: Plan, start: int, limit: int, metrics: list[str], *, deduplicate: bool) -> pl.DataFrame:
    """What any engine's windows of a run may be, see `LegalWindows`.

    Args:
        plan: of the run.
        start: event time of the market's first instant, microseconds since 1970.
        limit: how many records were sent.
        metrics: what is wanted.
        deduplicate: whether further reports of a (symbol, seq) are dropped.
    """
    windows = LegalWindows(
        plan.answers, metrics, drops_by_event=deduplicate, one_order=has_one_order(plan, deduplicate=deduplicate)
    )
    for known in known_records(plan, start, limit):
        windows.add(known.frame.filter("first" if deduplicate else "trade"), known.oldest_to_come)
    return windows.finish()


def has_one_order(plan: Plan, *, deduplicate: bool) -> bool:
    """Whether (symbol, seq) orders what counts: a correction has the seq of what it corrects, and another price."""
    return deduplicate or plan.faults.correction is None
