"""Small multiples: each outcome over each swept key."""

from __future__ import annotations

from typing import Any

import polars as pl
from bokeh.layouts import gridplot
from bokeh.models import ColumnDataSource, LayoutDOM, NumeralTickFormatter
from bokeh.plotting import figure

from simulator.report.page.style import PALETTE, canvas
from simulator.report.sweeps.labels import LABELS, ordered

_MOST_LABELS = 6
"""Lines of a figure that a legend can name."""


def multiples(summed: pl.DataFrame, axes: list[str], outcomes: list[str]) -> LayoutDOM:
    """A small figure for each outcome and swept key: the mean over the seeds with its 95 % confidence interval."""
    rows: list[list[Any]] = [[_figure(summed, axes, axis, outcome) for axis in axes] for outcome in outcomes]
    return gridplot(rows, sizing_mode="stretch_width", toolbar_location=None)


def _figure(summed: pl.DataFrame, axes: list[str], axis: str, outcome: str) -> figure:
    """An outcome over one key: a line for each choice of the others."""
    rows = summed.filter(pl.col(outcome).is_not_null())
    texts = ordered(rows[axis])
    drawn = canvas(f"{LABELS.get(outcome, outcome)} by {axis}", "", height=230, x_range=texts or ["-"])
    others = [key for key in axes if key != axis]
    groups: list[tuple[Any, pl.DataFrame]] = list(rows.group_by(others, maintain_order=True)) if others else [((), rows)]
    for number, (values, group) in enumerate(groups):
        source, color = _points(group, axis, outcome, texts), PALETTE[number % len(PALETTE)]
        label = ", ".join(f"{key}={value}" for key, value in zip(others, values, strict=True))
        legend = {"legend_label": label} if others and len(groups) <= _MOST_LABELS else {}
        drawn.line("x", "y", source=source, color=color, line_width=2, **legend)
        drawn.scatter("x", "y", source=source, size=7, color=color)
        # Glyphs, not the annotation of that name: the range of the axis must have room for them.
        drawn.segment("x", "low", "x", "high", source=source, color=color)
        for end in ("low", "high"):
            drawn.scatter("x", end, source=source, marker="dash", size=9, color=color)
    drawn.toolbar_location = None
    drawn.yaxis.formatter = NumeralTickFormatter(format="0,0.[000000]")
    if drawn.legend:
        drawn.add_layout(drawn.legend[0], "right")  # within, it would cover lines
        drawn.legend.label_text_font_size = "11px"
    return drawn


def _points(group: pl.DataFrame, axis: str, outcome: str, texts: list[str]) -> ColumnDataSource:
    place = group[axis].cast(pl.String).replace_strict(texts, range(len(texts)), return_dtype=pl.Int64)
    rows = group.with_columns(place.alias("place")).sort("place")
    half = rows[f"{outcome}_half"].fill_null(0.0)
    return ColumnDataSource(
        {
            "x": rows[axis].cast(pl.String).to_list(),
            "y": rows[outcome].to_list(),
            "low": (rows[outcome] - half).to_list(),
            "high": (rows[outcome] + half).to_list(),
        }
    )
