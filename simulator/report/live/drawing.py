"""The pictures of the live page, still without data: Bokeh figures over sources that the page fills."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.layouts import layout
from bokeh.models import ColumnDataSource, DataRange1d, Range
from bokeh.plotting import figure

from simulator.report.page.style import BAD, GOOD, INK, QUIET, canvas

_HEIGHT = 190
TARGET = ID("pictures")
"""The page's element that they go into."""


def drawing(*, paced: bool, aggregates: bool) -> Any:  # noqa: ANN401  # Bokeh's JSON
    """What BokehJS draws the pictures from.

    Args:
        paced: whether a rate is asked for, which the producer can be behind.
        aggregates: whether Spark is there, too.
    """
    shared = DataRange1d(start=0, range_padding=0.02)
    left, right = _producer(shared, paced=paced), []
    if aggregates:
        left, right = [*left, _windows()], _spark(shared)
    rows = [[picture for picture in row if picture is not None] for row in zip_longest(left, right)]
    return json_item(layout(rows, sizing_mode="stretch_width"), TARGET)


def _producer(shared: Range, *, paced: bool) -> list[figure]:
    source = _source("samples", "elapsed", "asked", "held", "lag", "queued")
    rates = _panel("records per second of wall time, over the last second", "records/s", shared)
    if paced:
        rates.line("elapsed", "asked", source=source, color=QUIET, line_width=2, legend_label="asked")
    rates.line("elapsed", "held", source=source, color=INK, line_width=1.5, legend_label="held")
    rates.legend.location = "bottom_right"
    rates.legend.background_fill_alpha = 0.6
    queue = _panel("records handed over and not acknowledged yet", "records", shared)
    queue.line("elapsed", "queued", source=source, color=INK)
    if not paced:
        return [rates, queue]
    lag = _panel("lag behind schedule", "ms", shared)
    lag.varea("elapsed", 0, "lag", source=source, color=BAD, alpha=0.35)
    return [rates, lag, queue]


def _spark(shared: Range) -> list[figure]:
    source = _source("batches", "elapsed", "duration", "rows", "state_rows", "watermark_delay")
    latency = _panel("micro-batches: how long each took", "s", shared)
    latency.segment("elapsed", 0, "elapsed", "duration", source=source, color=INK)
    latency.scatter("elapsed", "duration", source=source, color=INK, size=5)
    rows = _panel("rows of each", "rows", shared)
    rows.scatter("elapsed", "rows", source=source, color=GOOD, size=5)
    state = _panel("state: rows kept", "rows", shared)
    state.step("elapsed", "state_rows", source=source, color=INK, mode="after")
    delay = _panel("watermark behind the newest event", "s", shared)
    delay.step("elapsed", "watermark_delay", source=source, color=INK, mode="after")
    return [latency, rows, state, delay]


def _windows() -> figure:
    source = _source("windows", "window_end", "value")
    drawn = canvas("windows so far, of the symbol chosen", "", height=_HEIGHT, x_axis_type="datetime", name="chosen")
    drawn.line("window_end", "value", source=source, color=QUIET)
    drawn.scatter("window_end", "value", source=source, color=INK, size=5)
    drawn.xaxis.axis_label = "end of the window, UTC"
    return _aligned(drawn)


def _source(name: str, *columns: str) -> ColumnDataSource:
    """A source that the page fills."""
    return ColumnDataSource({column: [] for column in columns}, name=name)


def _panel(title: str, y_label: str, shared: Range) -> figure:
    drawn = canvas(title, y_label, height=_HEIGHT, x_range=shared, y_range=DataRange1d(start=0))
    drawn.xaxis.axis_label = "wall time, s"
    return _aligned(drawn)


def _aligned(drawn: figure) -> figure:
    """One below the other, the axes of all begin at the same place."""
    drawn.min_border_left = 75
    drawn.toolbar.autohide = True
    return drawn
