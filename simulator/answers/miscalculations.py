"""Mistakes in a metric's number: results in which what a mistake explains is put right. Pure functions, as in `mistakes.py`.

One number may be explained by chance; so these ask for at least FEWEST that one mistake explains.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from simulator.answers.case import Case
from simulator.answers.mistakes import Hypotheses, Hypothesis, not_a_number_counted
from simulator.answers.windows import KEYS
from simulator.metrics import METRICS, RELATIVE_TOLERANCE

FEWEST = 3
_PLACES = range(9)
_SINGLE = 2.0**-23  # of 32-bit floats, with room for the rounding of a sum
Explains = Callable[[pl.Expr, pl.Expr], pl.Expr]


def not_a_number(case: Case) -> Hypotheses:
    """NaN, infinite or empty numbers in the results; what the other numbers would be with NaN records counted, or without."""
    for right in (case.right, *(other.right for other in not_a_number_counted(case))):
        pairs = _paired(case, right)
        columns = [_replaced(pairs, name, lambda actual, _: ~actual.is_finite().fill_null(value=False)) for name in case.metrics]
        if any(count for _, count in columns):
            yield Hypothesis(right, pairs.with_columns(column for column, _ in columns).select(*KEYS, *case.metrics))


def other_metric(case: Case) -> Hypotheses:
    """A column that holds another metric, or a sum where an average should be."""
    names = [*METRICS]
    full = case.windows(case.counted, metrics=names)
    others = {name: pl.col(name) for name in names}
    others |= {"sum of prices": pl.col("avg_price") * pl.col("msg_ct"), "turnover": pl.col("vwap") * pl.col("volume")}
    table = full.select(*KEYS, *(value.cast(pl.Float64).alias(f"_is_{other}") for other, value in others.items()))
    pairs = _paired(case, case.right).join(table, on=KEYS, how="left", nulls_equal=True)
    found, details = [], []
    for name in case.metrics:
        best = max(
            ((*_replaced(pairs, name, _equals(f"_is_{other}")), other) for other in others if other != name),
            key=lambda candidate: candidate[1],
        )
        if best[1] >= FEWEST:
            found.append(best[0])
            details.append(f"{name} holds {'the ' if ' ' in best[2] else ''}{best[2]}")
    if found:
        yield Hypothesis(case.right, pairs.with_columns(found).select(*KEYS, *case.metrics), ", ".join(details))


def constant(case: Case) -> Hypotheses:
    """Numbers that all are too large by the same factor, or by the same amount."""
    pairs = _paired(case, case.right)
    for way in ("factor", "amount"):
        found, details = [], []
        for name in case.metrics:
            actual, wanted = pl.col(name), pl.col(f"{name}_wanted")
            by = _common(pairs, actual / wanted if way == "factor" else actual - wanted, name)
            if by is None or abs(by - (way == "factor")) < RELATIVE_TOLERANCE:
                continue
            column, count = _replaced(pairs, name, _times(by) if way == "factor" else _plus(by))
            if count >= FEWEST:
                found.append(column)
                details.append(f"{name} is {by:g} times what it should be" if way == "factor" else f"{name} is {by:+g} off")
        if found:
            yield Hypothesis(case.right, pairs.with_columns(found).select(*KEYS, *case.metrics), ", ".join(details))


def rounded(case: Case) -> Hypotheses:
    """Numbers rounded, or cut, to some decimal places; or kept in 32 bits."""
    pairs = _paired(case, case.right)
    yield from _repaired(case, pairs, _is_single, "to 32-bit floats")
    for places in _PLACES:
        yield from _repaired(case, pairs, _is_rounded(places), f"to {places} decimal places")


def _paired(case: Case, right: pl.DataFrame) -> pl.DataFrame:
    """The results with `<metric>_wanted` beside: null where there is no such window."""
    types: dict[str, pl.DataType | type[pl.DataType]] = {
        "window_start": pl.Datetime("us", "UTC"),
        "window_end": pl.Datetime("us", "UTC"),
        "symbol": pl.String,
    }
    results = case.results.with_columns(pl.col(name).cast(kind) for name, kind in types.items())
    wanted = right.select(*KEYS, *(pl.col(name).alias(f"{name}_wanted") for name in case.metrics))
    return results.join(wanted, on=KEYS, how="left", nulls_equal=True)


def _replaced(pairs: pl.DataFrame, name: str, explains: Explains) -> tuple[pl.Expr, int]:
    """A metric with the wanted number wherever the mistake explains the one that is there; and how many wrong ones it does."""
    actual, wanted = pl.col(name), pl.col(f"{name}_wanted")
    numbers = actual.cast(pl.Float64, strict=False)
    known = wanted.is_not_null() & explains(numbers, wanted.cast(pl.Float64)).fill_null(value=False)
    count = pairs.select((known & ~_near(numbers, wanted.cast(pl.Float64)).fill_null(value=False)).sum()).item()
    return pl.when(known).then(wanted).otherwise(actual).alias(name), int(count or 0)


def _repaired(case: Case, pairs: pl.DataFrame, explains: Explains, detail: str) -> Hypotheses:
    columns = [_replaced(pairs, name, explains) for name in case.metrics]
    if sum(count for _, count in columns) >= FEWEST:
        yield Hypothesis(case.right, pairs.with_columns(column for column, _ in columns).select(*KEYS, *case.metrics), detail)


def _near(one: pl.Expr, other: pl.Expr, tolerance: float = RELATIVE_TOLERANCE) -> pl.Expr:
    return (one - other).abs() <= tolerance * pl.max_horizontal(one.abs(), other.abs())


def _equals(column: str) -> Explains:
    return lambda actual, _: _near(actual, pl.col(column))


def _times(factor: float) -> Explains:
    return lambda actual, wanted: _near(actual, wanted * factor)


def _plus(amount: float) -> Explains:
    return lambda actual, wanted: _near(actual, wanted + amount)


def _is_single(actual: pl.Expr, wanted: pl.Expr) -> pl.Expr:
    return (actual.cast(pl.Float32).cast(pl.Float64) == actual) & _near(actual, wanted, _SINGLE)


def _is_rounded(places: int) -> Explains:
    step = 10.0**-places
    return lambda actual, wanted: _near(actual, actual.round(places)) & ((actual - wanted).abs() <= step * (1 + 1e-6))


def _common(pairs: pl.DataFrame, ratio: pl.Expr, name: str) -> float | None:
    """The middle of the ratios or differences of the numbers that are wrong."""
    wrong = ~_near(pl.col(name), pl.col(f"{name}_wanted"))
    middle = pairs.filter(wrong).select(ratio.median()).item() if pairs.height else None
    return float(middle) if isinstance(middle, float) and abs(middle) < float("inf") else None
