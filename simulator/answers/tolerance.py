"""Whether one number of the results is right: between two limits that are mostly one and the same.

The columns are those of the answers joined with the results, whose metrics have the suffix `_actual`.
"""

from __future__ import annotations

import polars as pl

from simulator.answers.bounds import LEAST, MOST, NO_VOLUME, highest, least, lowest, sure
from simulator.metrics import METRICS, RELATIVE_TOLERANCE


def with_limits(both: pl.DataFrame, metrics: list[str]) -> pl.DataFrame:
    """The columns `<metric>_low` and `<metric>_high` added: what each number must lie between.

    Where bounds are known, a count that all or the least records have tells that it is these; then every metric is known.
    """
    if MOST not in both.columns:
        limits = (pl.col(name).alias(f"{name}_{side}") for name in metrics for side in ("low", "high"))
        return both.with_columns(*limits, pl.lit(value=False).alias(NO_VOLUME))
    count = pl.col("msg_ct_actual") if "msg_ct" in metrics else pl.lit(None, dtype=pl.Int64)
    is_all, is_least = (count == pl.col(MOST)).fill_null(value=False), (count == pl.col(LEAST)).fill_null(value=False)
    return both.with_columns(
        pl.when(pl.col(sure(name)) | is_all).then(name).when(is_least).then(least(name)).otherwise(limit).alias(f"{name}_{side}")
        for name in metrics
        for side, limit in (("low", lowest(name)), ("high", highest(name)))
    )


def right(name: str) -> pl.Expr:
    """Whether a metric of the results is within its limits."""
    actual, low, high = pl.col(f"{name}_actual"), pl.col(f"{name}_low"), pl.col(f"{name}_high")
    both_null = low.is_null() & actual.is_null()  # of a window that has no such number, like the vwap of no volume
    if name == "vwap":
        both_null |= actual.is_null() & pl.col(NO_VOLUME) & (low < high)
    if METRICS[name].exact:
        inside = (low <= actual) & (actual <= high)
    else:
        bound = RELATIVE_TOLERANCE * pl.max_horizontal(low.abs(), high.abs(), actual.abs())
        inside = (low - bound <= actual) & (actual <= high + bound)
    # polars holds NaN for the largest number, and an infinity is within its own bound: neither may count as near.
    return inside.fill_null(value=False) & actual.is_finite().fill_null(value=False) | both_null


def distance(name: str) -> pl.Expr:
    """How far a metric of the results is outside its limits; null where one of them is no number."""
    actual = pl.col(f"{name}_actual").cast(pl.Float64)
    off = pl.max_horizontal(pl.col(f"{name}_low") - actual, actual - pl.col(f"{name}_high"), 0.0)
    return pl.when(actual.is_finite() & pl.col(f"{name}_low").is_not_null()).then(off)


def relative(name: str) -> pl.Expr:
    """The same as a share of the nearest limit; null where that is 0."""
    low, high, actual = pl.col(f"{name}_low"), pl.col(f"{name}_high"), pl.col(f"{name}_actual")
    near = pl.when(actual < low).then(low).otherwise(high).abs().cast(pl.Float64)
    return pl.when(near > 0).then(distance(name) / near)
