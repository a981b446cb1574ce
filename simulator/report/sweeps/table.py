"""The jobs of a multirun on the terminal."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulator.report.sweeps.jobs import SUCCESSES, swept

_NOTHING = "–"  # noqa: RUF001  # a dash, not a minus
_FOLDED = "overrides"
_GAP, _LEAST = 2, 16
"""Characters between two columns, and for the overrides at least."""


def show_jobs(jobs: pl.DataFrame, keys: list[str], console: Console) -> None:
    """Print one table of all jobs, what they have in common above it, and the errors of those that failed below.

    Args:
        jobs: as `jobs.jobs_of` gives them.
        keys: that overrides set.
        console: where to.
    """
    rows = jobs.to_dicts()
    several = jobs.height > 1
    shown = swept(jobs, keys) if several else keys
    same = [word for word in _words(rows[0], keys) if all(word in _words(row, keys) for row in rows)] if several else []
    if same:
        console.print(f"all jobs: {' '.join(same)}", markup=False, soft_wrap=True)
    cells = [_cells(row, shown) for row in rows]
    console.print(_table(cells, console.width))
    for row in rows:
        if row["error"]:
            console.print(f"job {row['job']}: {row['error']}", markup=False, soft_wrap=True, style="red")


def _words(row: dict[str, Any], keys: list[str]) -> list[str]:
    return [f"{key}={row[key]}" for key in keys if row[key] is not None]


def _cells(row: dict[str, Any], keys: list[str]) -> dict[str, str]:
    expected, generated, achieved = row["windows_expected"], row["generated"], row["rate_achieved"]
    return {
        "job": str(row["job"]),
        "overrides": " ".join(_words(row, keys)),
        "status": row["status"],
        "windows": _NOTHING if expected is None else f"{row['windows_matched']}/{expected}",
        "events": _NOTHING if generated is None else f"{generated:,}",
        "achieved": f"{achieved:,.0f}/s" if achieved else _NOTHING,
        "digest": (row["digest"] or _NOTHING)[:12],
    }


def _table(rows: list[dict[str, str]], width: int) -> Table:
    table = Table(title="jobs", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    # What tells jobs apart may take several lines; a number or digest in pieces could not be read.
    taken = sum(max(len(heading), *(len(row[heading]) for row in rows)) + _GAP for heading in rows[0] if heading != _FOLDED)
    for heading in rows[0]:
        if heading == _FOLDED:
            table.add_column(heading, overflow="fold", max_width=max(width - taken - _GAP, _LEAST))
        else:
            table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row.values()), style=None if row["status"] in SUCCESSES else "red")
    return table
