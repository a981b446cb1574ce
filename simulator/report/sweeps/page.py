"""`sweep.html`: the jobs of a multirun in parallel coordinates, in small multiples and as a table."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
from bokeh.embed import file_html
from bokeh.models import LayoutDOM
from bokeh.resources import INLINE
from jinja2 import Environment, FunctionLoader

from simulator.report.sweeps.jobs import OUTCOMES, SUCCESSES, repeats
from simulator.report.sweeps.labels import LABELS
from simulator.report.sweeps.multiples import multiples
from simulator.report.sweeps.parallel import parallel

_TEMPLATE = "template.html"


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
    for name, root in parts.items():
        root.name = name
    failed = jobs.filter(~pl.col("status").is_in(list(SUCCESSES)))
    variables = {
        "jobs": jobs.to_dicts(),
        "columns": ["job", *keys, "status", *outcomes, "digest"],
        "keys": keys,
        "failed": failed.select("job", "status", "error").to_dicts(),
        "summed": summed.to_dicts(),
        "axes": axes,
        "outcomes": outcomes,
        "labels": LABELS,
        "command": command,
        "successes": SUCCESSES,
        "drawn": set(parts),
    }
    page = file_html(list(parts.values()), INLINE, "sweep", template=_template(), template_variables=variables)
    part = path.with_name(f".{path.name}.part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def _template() -> Any:  # noqa: ANN401  # Jinja's template
    source = (files("simulator.report.sweeps") / _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, loader=FunctionLoader(lambda _: source))
    return environment.get_template(_TEMPLATE)
