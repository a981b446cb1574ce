"""The reference engine: the windows that a plan's events give, computed by polars, never by Spark.

The events are generated again from the plan, apart from the run. Memory holds the events of open windows and one batch, not
the whole stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import polars as pl

from simulator.encode.frame import standard_frame
from simulator.market.conditions import Condition
from simulator.market.stream import events_of
from simulator.metrics import METRICS
from simulator.plan import AnswersPlan, Plan, WindowPlan

KEYS = ["window_start", "window_end", "symbol"]
# Rows that one batch of windows is computed from, overlap counted.
_BATCH_ROWS = 2_000_000
_BLOCK_EVENTS = 200_000
_TIME = pl.Datetime("us", "UTC")


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


def expected_answers(plan: Plan, start: int, limit: int | None = None) -> Answers:
    """All windows of a plan and its timeline.

    With output mode `append` only those windows that the last event's watermark has closed.

    Args:
        plan: the plan.
        start: event time of the market's first instant, microseconds since 1970.
        limit: take the first `limit` events only.
    """
    engine = _engine(plan.answers)
    latest = 0
    special: list[pl.DataFrame] = []
    for frame in _frames(plan, start, limit):
        if "condition" in frame.columns:
            special.append(frame.filter(pl.col("condition") != Condition.REGULAR.label))
        trades = frame.filter(pl.col("volume") > 0)  # a status event is no trade
        if trades.height:
            engine.add(trades)
            latest = int(trades["event_time"][-1])
    windows = engine.finish()
    if plan.answers.output_mode == "append":
        windows = windows.filter(pl.col("window_end") <= final_watermark(latest, plan.answers.window.watermark))
    timeline = pl.concat(special).with_columns(pl.col("event_time").cast(_TIME)) if special else None
    return Answers(windows.with_columns(pl.col("window_start", "window_end").cast(_TIME)).sort(KEYS), timeline)


def expected_windows(plan: Plan, start: int, limit: int | None = None) -> pl.DataFrame:
    """The windows alone."""
    return expected_answers(plan, start, limit).windows


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


def _engine(answers: AnswersPlan) -> _TimeWindows | _SessionWindows:
    metrics = [METRICS[name].reference.alias(name) for name in answers.metrics]
    if answers.window.kind == "session":
        return _SessionWindows(answers.window, metrics)
    return _TimeWindows(answers.window, metrics)


@final
class _TimeWindows:
    """Tumbling and sliding windows [k slide, k slide + size), aligned to 1970-01-01T00:00:00Z."""

    def __init__(self, window: WindowPlan, metrics: list[pl.Expr]) -> None:
        self._size, self._slide = window.size, window.slide
        self._overlap = -(-window.size // window.slide)
        self._metrics = metrics
        self._open: list[pl.DataFrame] = []
        self._closed_to = 0
        self._done: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Add events that are not older than any added before."""
        self._open.append(frame)
        rows = sum(piece.height for piece in self._open) * self._overlap
        frontier = int(frame["event_time"][-1])
        # Waiting for a whole window's span keeps the number of times that an event is looked at small.
        if rows >= _BATCH_ROWS and frontier - int(self._open[0]["event_time"][0]) >= 2 * self._size:
            self._close(frontier)

    def finish(self) -> pl.DataFrame:
        """All windows."""
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
class _SessionWindows:
    """Session windows: a symbol's events, each at most `gap` after the one before; they end `gap` after the last.

    An event at exactly the end of a session belongs to it, as in Spark (`MergingSessionsIterator` merges touching sessions).
    """

    def __init__(self, window: WindowPlan, metrics: list[pl.Expr]) -> None:
        self._gap = window.size
        self._metrics = metrics
        self._open: list[pl.DataFrame] = []
        self._done: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Add events that are not older than any added before."""
        self._open.append(frame)
        if sum(piece.height for piece in self._open) >= _BATCH_ROWS:
            self._close(int(frame["event_time"][-1]))

    def finish(self) -> pl.DataFrame:
        """All sessions."""
        if self._open:
            self._close(None)
        return pl.concat(self._done) if self._done else _no_windows(self._metrics)

    def _close(self, frontier: int | None) -> None:
        """Compute the sessions that end before `frontier`; no event to come is older."""
        pause = pl.col("event_time").diff().over("symbol") > self._gap
        events = pl.concat(self._open).with_columns(_session=pause.fill_null(value=False).cum_sum().over("symbol"))
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
