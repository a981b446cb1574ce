"""Differences in the words of a report: which window, which metric, by how much."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl

from simulator.answers.tolerance import distance, relative, right

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIMES = ("window_start", "window_end")


def described(rows: pl.DataFrame, kind: str, metrics: list[str]) -> Iterator[dict[str, Any]]:
    """One entry for each window; of a `different` one for each metric that differs.

    Args:
        rows: windows; of `different` ones with limits and `<metric>_actual`.
        kind: different | missing | extra | repeated.
        metrics: those compared.
    """
    if kind == "different":
        parts = (("absolute", distance), ("relative", relative), ("right", right))
        rows = rows.with_columns(measure(name).alias(f"{name}_{part}") for name in metrics for part, measure in parts)
    # As integers: Python has no times beyond the year 9999, and results may.
    for row in rows.with_columns(pl.col(*_TIMES).cast(pl.Int64)).iter_rows(named=True):
        times = {name: None if row[name] is None else instant_text(row[name]) for name in _TIMES}
        where = {"kind": kind, **times, "symbol": row["symbol"]}
        if kind != "different":
            yield where
            continue
        for name in metrics:
            if not row[f"{name}_right"]:
                amounts = {part: _plain(row[f"{name}_{part}"]) for part in ("actual", "absolute", "relative")}
                yield {**where, "metric": name, "expected": _range(row[f"{name}_low"], row[f"{name}_high"]), **amounts}


def by_metric(wrong: pl.DataFrame, metrics: list[str]) -> dict[str, dict[str, Any]]:
    """For each metric that differs anywhere: in how many windows, and the largest absolute and relative difference."""
    found = {}
    for name in metrics:
        rows = wrong.filter(~pl.col(f"{name}_right"))
        if rows.height:
            largest = rows.select(distance(name).max().alias("absolute"), relative(name).max().alias("relative"))
            found[name] = {"windows": rows.height, **largest.row(0, named=True)}
    return found


def _range(low: object, high: object) -> object:
    return low if low == high else f"{low} to {high}"


def _plain(value: object) -> object:
    """NaN and the infinities have no JSON form."""
    return str(value) if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value  # noqa: PLR0124  # NaN


def instant_text(microseconds: int) -> str:
    """A time since 1970 as RFC 3339; as a number where that has no form for it."""
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return f"{microseconds} microseconds since 1970"
