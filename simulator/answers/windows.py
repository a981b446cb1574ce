"""The reference engine: windows computed by polars, never by Spark, from events that are known.

Memory holds the events of open windows and one batch, not the whole stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import polars as pl

from simulator.metrics import METRICS
from simulator.plan import AnswersPlan, WindowPlan

KEYS = ["window_start", "window_end", "symbol"]
LATE_BEFORE = "late_before"
"""A column that events may have: windows that end by this time, microseconds since 1970, do not take the event any more."""

# Rows that one batch of windows is computed from, overlap counted.
_BATCH_ROWS = 2_000_000
_TIME = pl.Datetime("us", "UTC")


class Windows(ABC):
    """Collects events and gives the windows that they make."""

    @abstractmethod
    def add(self, events: pl.DataFrame, oldest_to_come: int) -> None:
        """Take events.

        Args:
            events: columns `symbol seq event_time price volume`, times in microseconds since 1970; maybe LATE_BEFORE.
            oldest_to_come: no event of a later call is before this time.
        """

    @abstractmethod
    def finish(self) -> pl.DataFrame:
        """All windows; times in microseconds since 1970."""


def windows_of(answers: AnswersPlan) -> Windows:
    """The engine for a plan's windows and metrics."""
    metrics = [METRICS[name].reference.alias(name) for name in answers.metrics]
    if answers.window.kind == "session":
        return _SessionWindows(answers.window, metrics)
    return _TimeWindows(answers.window, metrics)


def as_table(windows: pl.DataFrame) -> pl.DataFrame:
    """Windows with UTC timestamps, sorted by their keys."""
    return windows.with_columns(pl.col("window_start", "window_end").cast(_TIME)).sort(KEYS)


@final
class _TimeWindows(Windows):
    """Tumbling and sliding windows [k slide, k slide + size), aligned to 1970-01-01T00:00:00Z."""

    def __init__(self, window: WindowPlan, metrics: list[pl.Expr]) -> None:
        self._size, self._slide = window.size, window.slide
        self._overlap = -(-window.size // window.slide)
        self._metrics = metrics
        self._open: list[pl.DataFrame] = []
        self._closed_to = 0
        self._done: list[pl.DataFrame] = []

    def add(self, events: pl.DataFrame, oldest_to_come: int) -> None:  # inherited
        if not events.height:
            return
        self._open.append(events)
        rows = sum(piece.height for piece in self._open) * self._overlap
        # Waiting for a whole window's span keeps the number of times that an event is looked at small.
        if rows >= _BATCH_ROWS and oldest_to_come - int(self._open[0]["event_time"][0]) >= 2 * self._size:
            self._close(oldest_to_come)

    def finish(self) -> pl.DataFrame:  # inherited
        if self._open:
            self._close(None)
        return pl.concat(self._done) if self._done else _no_windows(self._metrics)

    def _close(self, frontier: int | None) -> None:
        """Compute the windows that end by `frontier`; no event to come is older."""
        events = pl.concat(self._open)
        last = pl.col("event_time") // self._slide * self._slide
        shifted = (
            events.with_columns(window_start=last - number * self._slide).filter(
                pl.col("event_time") < pl.col("window_start") + self._size,
                pl.col("window_start") + self._size > self._closed_to,
                pl.lit(value=True) if frontier is None else pl.col("window_start") + self._size <= frontier,
                pl.col("window_start") + self._size > pl.col(LATE_BEFORE) if LATE_BEFORE in events.columns else True,
            )
            for number in range(self._overlap)
        )
        windows = pl.concat(shifted).group_by("window_start", "symbol").agg(self._metrics)
        windows = windows.with_columns(window_end=pl.col("window_start") + self._size)
        self._done.append(windows.select(*KEYS, *(metric.meta.output_name() for metric in self._metrics)))
        if frontier is not None:
            self._closed_to = frontier
            self._open = [events.filter(pl.col("event_time") > frontier - self._size)]


@final
class _SessionWindows(Windows):
    """Session windows: a symbol's events, each at most `gap` after the one before; they end `gap` after the last.

    An event at exactly the end of a session belongs to it, as in Spark (`MergingSessionsIterator` merges touching sessions).
    """

    def __init__(self, window: WindowPlan, metrics: list[pl.Expr]) -> None:
        self._gap = window.size
        self._metrics = metrics
        self._open: list[pl.DataFrame] = []
        self._done: list[pl.DataFrame] = []

    def add(self, events: pl.DataFrame, oldest_to_come: int) -> None:  # inherited
        self._open.append(events)
        if sum(piece.height for piece in self._open) >= _BATCH_ROWS:
            self._close(oldest_to_come)

    def finish(self) -> pl.DataFrame:  # inherited
        if self._open:
            self._close(None)
        return pl.concat(self._done) if self._done else _no_windows(self._metrics)

    def _close(self, frontier: int | None) -> None:
        """Compute the sessions that end before `frontier`; no event to come is older."""
        pause = pl.col("event_time").diff().over("symbol") > self._gap
        events = pl.concat(self._open).sort("event_time", maintain_order=True)
        events = events.with_columns(_session=pause.fill_null(value=False).cum_sum().over("symbol"))
        sessions = events.group_by("symbol", "_session").agg(
            pl.col("event_time").min().alias("window_start"),
            (pl.col("event_time").max() + self._gap).alias("window_end"),
            *self._metrics,
        )
        if frontier is None:
            closed, self._open = sessions, []
        else:
            closed = sessions.filter(pl.col("window_end") < frontier)
            left = events.join(closed, on=["symbol", "_session"], how="anti", maintain_order="left")
            self._open = [left.drop("_session")]
        self._done.append(closed.select(*KEYS, *(metric.meta.output_name() for metric in self._metrics)))


def _no_windows(metrics: list[pl.Expr]) -> pl.DataFrame:
    columns = {"symbol": pl.String, "window_start": pl.Int64, "window_end": pl.Int64}
    events = pl.DataFrame(schema={"symbol": pl.String, "seq": pl.Int64, "price": pl.Float64, "volume": pl.Int64})
    names = [metric.meta.output_name() for metric in metrics]
    empty = events.group_by("symbol").agg(metrics).select(names)
    return pl.DataFrame(schema=columns).select(KEYS).hstack(empty)
