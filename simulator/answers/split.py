"""Sessions whose records came so late that an engine may have written them in several pieces, or without some.

Whether a record that is not late joins a session that is closed already depends on the engine. So of a session with any record
behind the watermark only this is known: its pieces lie within it, and taken together they have the records that must count, and
at most all.
"""

from __future__ import annotations

from typing import final

import polars as pl

from simulator.answers.known import EVENT, WATERMARK
from simulator.answers.windows import KEYS
from simulator.metrics import METRICS
from simulator.plan import WindowPlan

SPLIT = "_split"
"""Column of the answers: whether the session may be in pieces."""


@final
class SplitSessions:
    """The sessions of all records, and which of them have one form only.

    Args:
        window: the gap.
        metrics: what is computed.
        drops_by_event: as in `LegalWindows`; otherwise a record may be dropped whose own session has ended.
    """

    def __init__(self, window: WindowPlan, metrics: list[str], *, drops_by_event: bool) -> None:
        self._gap, self._metrics, self._by_event = window.size, metrics, drops_by_event
        self._records: list[pl.DataFrame] = []

    def add(self, records: pl.DataFrame) -> None:
        """Take records: the columns EVENT and WATERMARK."""
        self._records.append(records.select(*EVENT, WATERMARK))

    def finish(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Windows of all records, with SPLIT; and of those that must count, under the same keys. Times in microseconds."""
        gap, time = self._gap, pl.col("event_time")
        records = pl.concat(self._records).sort("event_time", maintain_order=True)
        pause = (time.diff().over("symbol") > gap).fill_null(value=False)
        records = records.with_columns(_session=pause.cum_sum().over("symbol"))
        session = ("symbol", "_session")
        records = records.with_columns(
            window_start=time.min().over(session),
            window_end=time.max().over(session) + gap,
            _behind=time <= pl.col(WATERMARK),
        )
        behind = records.group_by(KEYS).agg(pl.col("_behind").any().alias(SPLIT))
        may_go = pl.col("_behind") if self._by_event else time + gap <= pl.col(WATERMARK)
        return self._windows(records).join(behind, on=KEYS), self._windows(records.filter(~may_go))

    def _windows(self, records: pl.DataFrame) -> pl.DataFrame:
        return records.group_by(KEYS).agg(METRICS[name].reference.alias(name) for name in self._metrics)


def gathered(
    actual: pl.DataFrame, expected: pl.DataFrame, metrics: list[str], limits: dict[str, tuple[str, str]]
) -> pl.DataFrame:
    """Results in which the pieces of a session that may be split are one row, under the session's keys.

    Args:
        actual: KEYS and metrics.
        expected: the answers, with SPLIT.
        metrics: those compared.
        limits: by metric the answers' columns of its bounds.
    """
    bounds = sorted({column for pair in limits.values() for column in pair})
    split = expected.filter(SPLIT).select("symbol", *bounds, _start="window_start", _end="window_end").sort("_start")
    known = actual.filter(pl.col("window_start").is_not_null()).sort("window_start")
    placed = known.join_asof(split, left_on="window_start", right_on="_start", by="symbol", check_sortedness=False)
    inside = (pl.col("window_end") <= pl.col("_end")).fill_null(value=False)
    pieces = placed.filter(inside).group_by("symbol", "_start", "_end").agg(_together(name, *limits[name]) for name in metrics)
    whole = pieces.select(window_start="_start", window_end="_end", symbol="symbol", **{name: pl.col(name) for name in metrics})
    others = [placed.filter(~inside), actual.filter(pl.col("window_start").is_null())]
    return pl.concat([*(rows.select(*KEYS, *metrics) for rows in others), whole.select(*KEYS, *metrics)])


def _together(name: str, low: str, high: str) -> pl.Expr:
    """A metric of all pieces: sums and extremes; of averages, first and last prices the one that is the furthest off."""
    column = pl.col(name)
    if name in {"msg_ct", "volume"}:
        return column.sum()
    if name in {"high", "low"}:
        return column.max() if name == "high" else column.min()
    middle = (pl.col(low) + pl.col(high)) / 2
    return column.sort_by((column - middle).abs(), descending=True, nulls_last=False).first()
