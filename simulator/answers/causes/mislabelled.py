"""Columns that hold something else than their name says; as in `miscalculations.py`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import polars as pl

from simulator.answers.bounds import least
from simulator.answers.causes.case import Case
from simulator.answers.causes.mistakes import Hypotheses, Hypothesis
from simulator.answers.causes.pairs import FEWEST, Explains, near, paired, replaced
from simulator.answers.windows import KEYS
from simulator.metrics import METRICS

_OTHERS = (*METRICS, "sum of prices", "turnover")


def other_metric(case: Case) -> Hypotheses:
    """A column that holds another metric, or a sum where an average should be."""
    yield from _columns_swapped(case)
    pairs = paired(case, case.right).join(_other_values(case), on=KEYS, how="left", nulls_equal=True)
    found, details = [], []
    for name in case.wrong:
        candidates = [(*replaced(pairs, name, _equals(other)), other) for other in _OTHERS if other != name]
        column, count, other = max(candidates, key=lambda candidate: candidate[1])
        if count >= FEWEST:
            found.append(column)
            details.append(f"{name} holds {'the ' if ' ' in other else ''}{other}")
    if found:
        yield Hypothesis(case.right, pairs.with_columns(found).select(*KEYS, *case.metrics), ", ".join(details))


def _other_values(case: Case) -> pl.DataFrame:
    """All that a column may hold, of all records and of those that must count."""
    full = case.windows(case.counted, metrics=[*METRICS])
    values = [
        value.cast(pl.Float64).alias(f"_{side}_is_{other}")
        for side, named in (("all", str), ("least", least))
        for other, value in _values(named).items()
    ]
    return full.select(*KEYS, *values)


def _values(named: Callable[[str], str]) -> dict[str, pl.Expr]:
    def column(name: str) -> pl.Expr:
        return pl.col(named(name))

    plain = {name: column(name) for name in METRICS}
    return plain | {"sum of prices": column("avg_price") * column("msg_ct"), "turnover": column("vwap") * column("volume")}


def _columns_swapped(case: Case) -> Hypotheses:
    for first, second in combinations(case.wrong, 2):
        swapped = case.results.with_columns(pl.col(first).alias(second), pl.col(second).alias(first))
        yield Hypothesis(case.right, swapped, f"{first} and {second} have changed places")
    if "avg_price" in case.wrong and "msg_ct" in case.metrics:
        divided = case.results.with_columns(pl.col("avg_price") / pl.col("msg_ct"))
        yield Hypothesis(case.right, divided, "avg_price holds the sum of prices")


def _equals(other: str) -> Explains:
    return lambda actual, _: near(actual, pl.col(f"_all_is_{other}")) | near(actual, pl.col(f"_least_is_{other}"))
