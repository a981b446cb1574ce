"""The verdict: results held against the answers, row by row, and the run's accounts against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from simulator.answers.bounds import OPTIONAL, highest, lowest
from simulator.answers.differences import by_metric, described
from simulator.answers.split import SPLIT, gathered
from simulator.answers.tolerance import right, with_limits
from simulator.answers.windows import KEYS

Status = Literal["match", "mismatch", "incomplete"]
SHOWN_MISMATCHES = 20


@dataclass(frozen=True)
class Comparison:
    """Results against expected windows.

    Attributes:
        expected: number of windows (a window and a symbol) that the answers have; of those that may be missing only the ones
            that are there.
        matched: windows that are there with all metrics right.
        mismatched: windows that are there with a metric that differs.
        missing: windows that the results lack.
        extra: rows of the results that the answers do not have, repeated rows among them.
        first: the first differences, by window.
        metrics: by metric that differs anywhere: in how many windows, and by how much at most.
    """

    expected: int
    matched: int
    mismatched: int
    missing: int
    extra: int
    first: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.differing == 0

    @property
    def differing(self) -> int:
        """Windows that differ, are missing, or are too many."""
        return self.mismatched + self.missing + self.extra


def compare(expected: pl.DataFrame, actual: pl.DataFrame, metrics: list[str]) -> Comparison:
    """Compare two tables of windows by their keys.

    Exact metrics must be equal; the others to a relative error of 1e-9. A null or NaN in the results is a difference. Where the
    answers have bounds (`bounds.py`), a metric must lie between them.
    """
    actual = actual.select(_typed(actual, expected, name) for name in [*KEYS, *metrics])
    if SPLIT in expected.columns:
        actual = gathered(actual, expected, metrics, {name: (lowest(name), highest(name)) for name in metrics})
    repeated = actual.filter(pl.struct(KEYS).is_duplicated())
    firsts = actual.unique(KEYS, keep="first", maintain_order=True)
    both = with_limits(expected.join(firsts, on=KEYS, how="inner", suffix="_actual", nulls_equal=True), metrics)
    both = both.with_columns(right(name).alias(f"{name}_right") for name in metrics)
    wrong = both.filter(~pl.all_horizontal(f"{name}_right" for name in metrics)) if metrics else both.clear()
    due = expected.filter(~pl.col(OPTIONAL)) if OPTIONAL in expected.columns else expected
    missing = due.join(firsts, on=KEYS, how="anti", nulls_equal=True)
    unexpected = firsts.join(expected, on=KEYS, how="anti", nulls_equal=True)
    kinds = {"different": wrong, "missing": missing, "extra": unexpected, "repeated": repeated}
    first = [row for kind, rows in kinds.items() for row in described(rows.sort(KEYS).head(SHOWN_MISMATCHES), kind, metrics)]
    first.sort(key=lambda row: (row["window_start"] or "", row["symbol"] or ""))
    return Comparison(
        expected=both.height + missing.height,
        matched=both.height - wrong.height,
        mismatched=wrong.height,
        missing=missing.height,
        extra=unexpected.height + actual.height - firsts.height,
        first=first[:SHOWN_MISMATCHES],
        metrics=by_metric(wrong, metrics),
    )


def _typed(actual: pl.DataFrame, expected: pl.DataFrame, name: str) -> pl.Expr:
    """A column of the results in the answers' type; but no fraction is cut off a number that should be whole."""
    wanted, found = expected.schema[name], actual.schema[name]
    if wanted.is_integer() and not found.is_integer() and found != pl.Null:
        wanted = pl.Float64()
    return pl.col(name).cast(wanted, strict=False)


def verdict(  # one argument a part, the last two by keyword
    comparison: Comparison,
    audit: Mapping[str, int | None],
    faults: list[str],
    injected: Mapping[str, int],
    *,
    complete: bool,
    causes: Sequence[Mapping[str, Any]] = (),
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
        "metrics": comparison.metrics,
        "causes": [dict(cause) for cause in causes],
        "first_mismatches": comparison.first,
    }
