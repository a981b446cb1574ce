"""What a job of a multirun returns to a sweeper that looks for the best: a number, the smaller the better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simulator.report.sweeps.jobs import SUCCESSES, job_row
from simulator.rundir import read_json

WORST = 1e9
"""Of a job that failed, or that does not have the number: finite, as not every sweeper takes infinity."""


def _watermark(row: Mapping[str, Any], plan: Mapping[str, Any]) -> float:
    """Seconds of the watermark; with late drops, more than any watermark, by their number."""
    dropped = row["late_dropped"] or 0
    return float(_LOSSES + dropped if dropped else plan["answers"]["window"]["watermark"] / 1e6)


_LOSSES = 1e6
OBJECTIVES: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], float]] = {
    "watermark": _watermark,
    "batch_seconds": lambda row, _: float(row["batch_seconds"]),
    "lag_p99": lambda row, _: float(row["lag_p99"]),
    "state_rows": lambda row, _: float(row["state_rows"]),
}


def objective_of(name: str, job: Path) -> float:
    """The number of a job that has ended.

    Args:
        name: of the objective: `watermark` (the shortest without late drops, seconds), `batch_seconds` (median of a
            micro-batch), `lag_p99` (seconds) or `state_rows` (the most).
        job: its folder.
    """
    row = job_row(job)
    if row["status"] not in SUCCESSES or (name in row and row[name] is None):  # nothing was aggregated, or sent at a pace
        return WORST
    return OBJECTIVES[name](row, read_json(job / "plan.json"))
