"""Mistakes in a metric's number: results in which what a mistake explains is put right. Pure functions, as in `mistakes.py`."""

from __future__ import annotations

import polars as pl

from simulator.answers.causes.case import Case, without_watermark
from simulator.answers.causes.mistakes import Hypotheses, Hypothesis, not_a_number_counted
from simulator.answers.causes.pairs import FEWEST, Explains, near, paired, replaced
from simulator.answers.known import EVENT, WATERMARK
from simulator.answers.windows import KEYS
from simulator.metrics import METRICS, RELATIVE_TOLERANCE

_PLACES = range(9)
_WHOLE = ("msg_ct", "volume")  # of these there is nothing to round
_SINGLE = 2.0**-23  # of 32-bit floats, with room for the rounding of a sum


def not_a_number(case: Case) -> Hypotheses:
    """NaN, infinite or empty numbers in the results; what the other numbers would be with NaN records counted, or without."""
    for right in (case.right, *(other.right for other in not_a_number_counted(case))):
        pairs = paired(case, right)
        columns = [replaced(pairs, name, lambda actual, _: ~actual.is_finite().fill_null(value=False)) for name in case.metrics]
        if any(count for _, count in columns):
            yield Hypothesis(right, pairs.with_columns(column for column, _ in columns).select(*KEYS, *case.metrics))


def mean_of_means(case: Case) -> Hypotheses:
    """The average of the averages of parts of the window, without their weights."""
    window, time = case.plan.answers.window, pl.col("event_time")
    if "avg_price" not in case.metrics or window.kind == "session":
        return
    in_time = case.counted.filter(time > pl.col(WATERMARK))
    for part in sorted({1_000_000, window.slide}):
        pairs = paired(case, case.right)
        for number, records in enumerate((case.counted, in_time)):
            parts = records.group_by("symbol", time // part * part).agg(pl.col("price").mean(), seq=0, volume=0, watermark=0)
            means = case.windows(without_watermark(parts.select(*EVENT, WATERMARK)), metrics=["avg_price"])
            pairs = pairs.join(means.select(*KEYS, pl.col("avg_price").alias(f"_mean_{number}")), on=KEYS, how="left")
        column, count = replaced(
            pairs, "avg_price", lambda actual, _: near(actual, pl.col("_mean_0")) | near(actual, pl.col("_mean_1"))
        )
        if count >= FEWEST:
            yield Hypothesis(case.right, pairs.with_columns(column).select(*KEYS, *case.metrics), f"of parts of {part / 1e6:g} s")


def constant(case: Case) -> Hypotheses:
    """Numbers that all are too large by the same factor, or by the same amount."""
    pairs = paired(case, case.right)
    for way in ("factor", "amount"):
        found, details = [], []
        for name in case.wrong:
            actual, wanted = pl.col(name), pl.col(f"{name}_wanted")
            by = _common(pairs, actual / wanted if way == "factor" else actual - wanted, name)
            if by is None or by == 0 or abs(by - (way == "factor")) < RELATIVE_TOLERANCE:
                continue
            _, count = replaced(pairs, name, _times(by) if way == "factor" else _plus(by))
            if count >= FEWEST:
                found.append(_undone(actual, by, way, exact=METRICS[name].exact))
                details.append(f"{name} is {by:g} times what it should be" if way == "factor" else f"{name} is {by:+g} off")
        if found:
            yield Hypothesis(case.right, case.results.with_columns(found), ", ".join(details))


def _undone(actual: pl.Expr, by: float, way: str, *, exact: bool) -> pl.Expr:
    """The number without the factor or amount; of an exact one without the noise of the division, prices to 10 digits."""
    plain = actual.cast(pl.Float64) / by if way == "factor" else actual.cast(pl.Float64) - by
    return plain.round_sig_figs(10) if exact else plain


def rounded(case: Case) -> Hypotheses:
    """Numbers rounded, or cut, to some decimal places; or kept in 32 bits."""
    pairs = paired(case, case.right)
    yield from _repaired(case, pairs, _is_single, "to 32-bit floats")
    for places in _PLACES:
        yield from _repaired(case, pairs, _is_rounded(places), f"to {places} decimal places")


def _repaired(case: Case, pairs: pl.DataFrame, explains: Explains, detail: str) -> Hypotheses:
    columns = [replaced(pairs, name, explains) for name in case.metrics if name not in _WHOLE]
    if sum(count for _, count in columns) >= FEWEST:
        yield Hypothesis(case.right, pairs.with_columns(column for column, _ in columns).select(*KEYS, *case.metrics), detail)


def _times(factor: float) -> Explains:
    return lambda actual, wanted: near(actual, wanted * factor)


def _plus(amount: float) -> Explains:
    return lambda actual, wanted: near(actual, wanted + amount)


def _is_single(actual: pl.Expr, wanted: pl.Expr) -> pl.Expr:
    return (actual.cast(pl.Float32).cast(pl.Float64) == actual) & near(actual, wanted, _SINGLE)


def _is_rounded(places: int) -> Explains:
    step = 10.0**-places
    return lambda actual, wanted: near(actual, actual.round(places)) & ((actual - wanted).abs() <= step * (1 + 1e-6))


def _common(pairs: pl.DataFrame, ratio: pl.Expr, name: str) -> float | None:
    """The middle of the ratios or differences of the numbers that are wrong."""
    wrong = ~near(pl.col(name), pl.col(f"{name}_wanted"))
    middle = pairs.filter(wrong).select(ratio.median()).item() if pairs.height else None
    return float(middle) if isinstance(middle, float) and abs(middle) < float("inf") else None
