"""`sweep.html`: the jobs of a multirun in parallel coordinates, in small multiples and as a table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from bokeh.models import LayoutDOM

from simulator.report.html import write_html
from simulator.report.sweeps.jobs import OUTCOMES, RESULTS, SUCCESSES, repeats
from simulator.report.sweeps.labels import LABELS, number
from simulator.report.sweeps.multiples import multiples
from simulator.report.sweeps.parallel import parallel


def write_sweep(jobs: pl.DataFrame, keys: list[str], command: str, path: Path) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        jobs: as `jobs.jobs_of` gives them.
        keys: that were swept.
        command: that started the multirun.
        path: of the page.
    """
    outcomes = [name for name in OUTCOMES if jobs[name].drop_nulls().n_unique() > 1]
    summed = repeats(jobs, keys)
    parts: dict[str, LayoutDOM] = {"parallel": parallel(jobs, [*keys, *outcomes])}
    axes = [key for key in keys if key != "seed"]
    if axes and outcomes:
        parts["multiples"] = multiples(summed, axes, outcomes)
    failed = jobs.filter(~pl.col("status").is_in(list(SUCCESSES)))
    variables = {
        "jobs": jobs.to_dicts(),
        "columns": _columns(jobs, keys),
        "keys": keys,
        "failed": failed.select("job", "status", "error").to_dicts(),
        "summed": summed.to_dicts(),
        "axes": axes,
        "outcomes": outcomes,
        "labels": LABELS,
        "number": number,
        "command": command,
        "successes": SUCCESSES,
    }
    write_html("simulator.report.sweeps", "sweep", parts, variables, path)


def _columns(jobs: pl.DataFrame, keys: list[str]) -> list[str]:
    """Of the table: what tells jobs apart first, then all that is known of any of them."""
    first = list(dict.fromkeys(["job", *keys, "seed", "status"]))
    known = [name for name in RESULTS if jobs[name].null_count() < jobs.height]
    return [*first, *known]
