"""Results beside the numbers that they should be, to see which of them a mistake explains."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from simulator.answers.causes.case import Case
from simulator.answers.tolerance import with_limits
from simulator.answers.windows import KEYS
from simulator.metrics import RELATIVE_TOLERANCE

FEWEST = 3
"""One number may be explained by chance; so many are not."""
Explains = Callable[[pl.Expr, pl.Expr], pl.Expr]
"""From the actual and the wanted number to whether a mistake explains the actual one."""


def paired(case: Case, right: pl.DataFrame) -> pl.DataFrame:
    """The results with `<metric>_wanted` beside: null where there is no such window, or more than one right number."""
    types: dict[str, pl.DataType | type[pl.DataType]] = {
        "window_start": pl.Datetime("us", "UTC"),
        "window_end": pl.Datetime("us", "UTC"),
        "symbol": pl.String,
    }
    results = case.results.select(
        *(pl.col(name).cast(kind) for name, kind in types.items()),
        *(pl.col(name).alias(f"{name}_actual") for name in case.metrics),
    )
    both = with_limits(results.join(right, on=KEYS, how="left", nulls_equal=True), case.metrics)
    is_one = {name: pl.col(f"{name}_low") == pl.col(f"{name}_high") for name in case.metrics}
    wanted = (pl.when(is_one[name]).then(f"{name}_low").alias(f"{name}_wanted") for name in case.metrics)
    return both.select(*KEYS, *(pl.col(f"{name}_actual").alias(name) for name in case.metrics), *wanted)


def replaced(pairs: pl.DataFrame, name: str, explains: Explains) -> tuple[pl.Expr, int]:
    """A metric with the wanted number wherever the mistake explains the one that is there; and how many wrong ones it does."""
    actual, wanted = pl.col(name), pl.col(f"{name}_wanted")
    numbers = actual.cast(pl.Float64, strict=False)
    known = wanted.is_not_null() & explains(numbers, wanted.cast(pl.Float64)).fill_null(value=False)
    count = pairs.select((known & ~near(numbers, wanted.cast(pl.Float64)).fill_null(value=False)).sum()).item()
    return pl.when(known).then(wanted).otherwise(actual).alias(name), int(count or 0)


def near(one: pl.Expr, other: pl.Expr, tolerance: float = RELATIVE_TOLERANCE) -> pl.Expr:
    """Whether two numbers are the same but for rounding."""
    return ((one - other).abs() <= tolerance * pl.max_horizontal(one.abs(), other.abs())) & one.is_finite()
