"""`sweep.html`: the jobs of a multirun in parallel coordinates, in small multiples and as a table."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
from bokeh.embed import file_html
from bokeh.layouts import gridplot
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, LayoutDOM
from bokeh.models.annotations import Whisker
from bokeh.plotting import figure
from bokeh.resources import INLINE
from jinja2 import Environment, FunctionLoader

from simulator.report.page.style import BAD, GOOD, INK, canvas
from simulator.report.sweeps.jobs import OUTCOMES, SUCCESSES, repeats

_TEMPLATE = "template.html"
_LABELS = {
    "rate_achieved": "events/s achieved",
    "lag_p99": "lag, 99 %, s",
    "windows_matched": "windows that match",
    "late_dropped": "records dropped as late",
    "batch_seconds": "micro-batch, median, s",
    "state_rows": "state, most rows",
    "peak_megabytes": "producer's memory, MB",
}


def write_sweep(jobs: pl.DataFrame, keys: list[str], command: str, path: Path) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        jobs: as `jobs.jobs_of` gives them.
        keys: that were swept.
        command: that started the multirun.
        path: of the page.
    """
    outcomes = [name for name in OUTCOMES if jobs[name].n_unique() > 1 or jobs[name].drop_nulls().len()]
    summed = repeats(jobs, keys)
    parts: dict[str, LayoutDOM] = {"parallel": _parallel(jobs, [*keys, *outcomes])}
    axes = [key for key in keys if key != "seed"]
    if axes and outcomes:
        parts["multiples"] = _multiples(summed, axes, outcomes)
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
        "labels": _LABELS,
        "command": command,
        "successes": SUCCESSES,
    }
    page = file_html(list(parts.values()), INLINE, "sweep", template=_template(), template_variables=variables)
    part = path.with_name(f".{path.name}.part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def _parallel(jobs: pl.DataFrame, names: list[str]) -> figure:
    """A line a job over an axis a key and an outcome, each from its least to its most; a job that did not end well is red."""
    drawn = canvas(
        "all jobs: an axis a key or outcome, from its least to its most", "", height=320, x_range=(-0.4, len(names) - 0.6)
    )
    places, ticks = {}, {}
    for place, name in enumerate(names):
        places[name], ticks[name] = _scaled(jobs[name])
        drawn.line([place, place], [0, 1], color="#c3cbd3")
        texts = ticks[name]
        drawn.text(
            [place] * len(texts), list(texts.values()), list(texts), x_offset=4, text_font_size="10px", text_color="#5f6f7f"
        )
    rows = range(jobs.height)
    source = ColumnDataSource(
        {
            "xs": [list(range(len(names)))] * jobs.height,
            "ys": [[places[name][row] for name in names] for row in rows],
            "job": [str(job) for job in jobs["job"]],
            "status": jobs["status"].to_list(),
            "color": [INK if status in SUCCESSES else BAD for status in jobs["status"]],
        }
    )
    lines = drawn.multi_line(
        "xs", "ys", source=source, color="color", alpha=0.55, line_width=2, hover_line_color=GOOD, hover_line_width=4
    )
    drawn.add_tools(HoverTool(renderers=[lines], tooltips=[("job", "@job"), ("status", "@status")]))
    drawn.xaxis.ticker = FixedTicker(ticks=list(range(len(names))))
    drawn.xaxis.major_label_overrides = {place: _LABELS.get(name, name) for place, name in enumerate(names)}
    drawn.yaxis.visible = False
    drawn.grid.visible = False
    return drawn


def _scaled(values: pl.Series) -> tuple[list[float], dict[str, float]]:
    """Each value between 0 and 1, and the labels of the axis; what is missing is at the foot."""
    if _is_number(values):
        numbers: list[float | None] = values.cast(pl.Float64).to_list()
        known = [number for number in numbers if number is not None] or [0.0]
        least, most = min(known), max(known)
        if least == most:
            return [0.5] * len(numbers), {f"{least:,.6g}": 0.5}
        heights = [0.0 if number is None else (number - least) / (most - least) for number in numbers]
        return heights, {f"{least:,.6g}": 0.0, f"{most:,.6g}": 1.0}
    texts = list(dict.fromkeys(str(value) for value in values))
    places = {text: 0.5 if len(texts) == 1 else place / (len(texts) - 1) for place, text in enumerate(texts)}
    return [places[str(value)] for value in values], places


def _is_number(values: pl.Series) -> bool:
    return values.cast(pl.Float64, strict=False).null_count() == values.null_count()


def _multiples(summed: pl.DataFrame, axes: list[str], outcomes: list[str]) -> LayoutDOM:
    """A small figure for each outcome and swept key: the mean over the seeds with its 95 % confidence interval."""
    return gridplot(
        [[_one(summed, axis, outcome) for axis in axes] for outcome in outcomes], sizing_mode="stretch_width", merge_tools=False
    )


def _one(summed: pl.DataFrame, axis: str, outcome: str) -> figure:
    rows = summed.filter(pl.col(outcome).is_not_null())
    texts = list(dict.fromkeys(str(value) for value in rows[axis]))
    if _is_number(rows[axis]):
        texts.sort(key=float)
    drawn = canvas(f"{_LABELS.get(outcome, outcome)} by {axis}", "", height=190, x_range=texts or ["-"])
    half = rows[f"{outcome}_half"].fill_null(0.0)
    source = ColumnDataSource(
        {
            "x": [str(value) for value in rows[axis]],
            "y": rows[outcome].to_list(),
            "low": (rows[outcome] - half).to_list(),
            "high": (rows[outcome] + half).to_list(),
        }
    )
    drawn.scatter("x", "y", source=source, size=8, color=INK, alpha=0.7)
    drawn.add_layout(Whisker(source=source, base="x", lower="low", upper="high", line_color=INK))
    drawn.toolbar_location = None
    return drawn


def _template() -> Any:  # noqa: ANN401  # Jinja's template
    source = (files("simulator.report.sweeps") / _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, loader=FunctionLoader(lambda _: source))
    return environment.get_template(_TEMPLATE)
