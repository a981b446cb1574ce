"""Parallel coordinates: a line a job through its keys and outcomes."""

from __future__ import annotations

import textwrap

import polars as pl
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool
from bokeh.plotting import figure

from simulator.report.page.style import BAD, GOOD, INK, canvas
from simulator.report.sweeps.jobs import SUCCESSES
from simulator.report.sweeps.labels import LABELS, is_number, number, ordered

_LABEL_CHARACTERS = 14
"""Of a line of an axis' name: a dozen of them fit side by side."""


def parallel(jobs: pl.DataFrame, names: list[str]) -> figure:
    """A line a job over an axis a key and an outcome, each from its least to its most; a job that did not end well is red."""
    drawn = canvas(
        "all jobs: an axis a key or outcome, from its least to its most", "", height=320, x_range=(-0.4, len(names) - 0.6)
    )
    places = {}
    for place, name in enumerate(names):
        places[name], ticks = _scaled(jobs[name])
        drawn.line([place, place], [0, 1], color="#c3cbd3")
        heights, texts = [height for height, _ in ticks], [text for _, text in ticks]
        drawn.text([place] * len(ticks), heights, texts, x_offset=4, text_font_size="10px", text_color="#5f6f7f")
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
    drawn.xaxis.major_label_overrides = {place: _label(name) for place, name in enumerate(names)}
    drawn.yaxis.visible = False
    drawn.grid.visible = False
    return drawn


def _label(name: str) -> str:
    """The name of an axis in short lines; a key is broken after its dots."""
    words = LABELS.get(name, name.replace(".", ". "))
    return textwrap.fill(words, _LABEL_CHARACTERS, break_long_words=False).replace(". ", ".")


def _scaled(values: pl.Series) -> tuple[list[float], list[tuple[float, str]]]:
    """Each value between 0 and 1, and the labels of the axis by height; what is missing is at the foot."""
    if is_number(values):
        numbers: list[float | None] = values.cast(pl.Float64).to_list()
        known = [value for value in numbers if value is not None] or [0.0]
        least, most = min(known), max(known)
        if least == most:
            return [0.5] * len(numbers), [(0.5, number(least))]
        heights = [0.0 if value is None else (value - least) / (most - least) for value in numbers]
        return heights, [(0.0, number(least)), (1.0, number(most))]
    texts = ordered(values)
    places = {text: 0.5 if len(texts) == 1 else place / (len(texts) - 1) for place, text in enumerate(texts)}
    return [places[str(value)] for value in values], [(height, text) for text, height in places.items()]
