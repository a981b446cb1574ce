"""The verdict: results held against the answers, row by row, and the run's accounts against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from simulator.answers.windows import KEYS
from simulator.metrics import METRICS, RELATIVE_TOLERANCE

Status = Literal["match", "mismatch", "incomplete"]
SHOWN_MISMATCHES = 20


@dataclass(frozen=True)
class Comparison:
    """Results against expected windows.

    Attributes:
        expected: number of windows (a window and a symbol) that the answers have.
        matched: windows that are there with all metrics right.
        mismatched: windows that are there with a metric that differs.
        missing: windows that the results lack.
        extra: rows of the results that the answers do not have, repeated rows among them.
        first: the first differences, by window.
    """

    expected: int
    matched: int
    mismatched: int
    missing: int
    extra: int
    first: list[dict[str, Any]] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.mismatched == self.missing == self.extra == 0


def compare(expected: pl.DataFrame, actual: pl.DataFrame, metrics: list[str]) -> Comparison:
    """Compare two tables of windows by their keys.

    Exact metrics must be equal; the others to a relative error of 1e-9. A null or NaN in the results is a difference.
    """
    actual = actual.select(pl.col(name).cast(expected.schema[name], strict=False) for name in [*KEYS, *metrics])
    repeated = actual.filter(pl.struct(KEYS).is_duplicated())
    firsts = actual.unique(KEYS, keep="first", maintain_order=True)
    both = expected.join(firsts, on=KEYS, how="inner", suffix="_actual", nulls_equal=True)
    right = both.select(_same(name).alias(name) for name in metrics)
    wrong = both.filter(~pl.all_horizontal(right.select(pl.all()).get_columns())) if both.height else both
    missing = expected.join(firsts, on=KEYS, how="anti", nulls_equal=True)
    unexpected = firsts.join(expected, on=KEYS, how="anti", nulls_equal=True)
    extra = unexpected.height + actual.height - firsts.height
    first = [
        *_differences(wrong, metrics),
        *(_described(row, "missing") for row in missing.head(SHOWN_MISMATCHES).iter_rows(named=True)),
        *(_described(row, "extra") for row in unexpected.head(SHOWN_MISMATCHES).iter_rows(named=True)),
        *(_described(row, "repeated") for row in repeated.head(SHOWN_MISMATCHES).iter_rows(named=True)),
    ]
    first.sort(key=lambda row: (row["window_start"] or "", row["symbol"] or ""))
    return Comparison(
        expected=expected.height,
        matched=both.height - wrong.height,
        mismatched=wrong.height,
        missing=missing.height,
        extra=extra,
        first=first[:SHOWN_MISMATCHES],
    )


def _same(name: str) -> pl.Expr:
    expected, actual = pl.col(name), pl.col(f"{name}_actual")
    both_null = expected.is_null() & actual.is_null()  # of a window that has no such number, like the vwap of no volume
    if METRICS[name].exact:
        return (expected == actual).fill_null(value=False) | both_null
    bound = RELATIVE_TOLERANCE * pl.max_horizontal(expected.abs(), actual.abs())
    # polars holds NaN for the largest number, and an infinity is within its own bound: neither may count as near.
    return ((expected - actual).abs() <= bound).fill_null(value=False) & actual.is_finite().fill_null(value=False) | both_null


def _differences(wrong: pl.DataFrame, metrics: list[str]) -> list[dict[str, Any]]:
    rows = []
    for row in (
        wrong.sort(KEYS)
        .head(SHOWN_MISMATCHES)
        .with_columns(_same(name).alias(f"{name}_same") for name in metrics)
        .iter_rows(named=True)
    ):
        name = next(name for name in metrics if not row[f"{name}_same"])
        detail = {"metric": name, "expected": row[name], "actual": _plain(row[f"{name}_actual"])}
        rows.append({**_described(row, "different"), **detail})
    return rows


def _plain(value: object) -> object:
    """NaN and the infinities have no JSON form."""
    return str(value) if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value  # noqa: PLR0124  # NaN


def _described(row: dict[str, Any], kind: str) -> dict[str, Any]:
    def instant(name: str) -> str | None:
        return None if row[name] is None else row[name].isoformat().replace("+00:00", "Z")

    return {
        "kind": kind,
        "window_start": instant("window_start"),
        "window_end": instant("window_end"),
        "symbol": row["symbol"],
    }


def verdict(
    comparison: Comparison, audit: Mapping[str, int | None], faults: list[str], injected: Mapping[str, int], *, complete: bool
) -> dict[str, Any]:
    """The content of `verdict.json`."""
    status: Status = "match" if comparison.equal and not faults else "mismatch"
    return {
        "status": status if complete else "incomplete",
        "windows": {
            "expected": comparison.expected,
            "matched": comparison.matched,
            "mismatched": comparison.mismatched,
            "missing": comparison.missing,
            "extra": comparison.extra,
        },
        "faults": dict(injected),
        "audit": dict(audit),
        "audit_faults": faults,
        "first_mismatches": comparison.first,
    }
