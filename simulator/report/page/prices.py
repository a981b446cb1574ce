"""Candles with volume, one symbol at a time; and its windows: the results over what was expected."""

from __future__ import annotations

from typing import Any

from bokeh.layouts import column, row
from bokeh.models import BooleanFilter, CDSView, ColumnDataSource, CustomJS, GroupFilter, HoverTool, IntersectionFilter, LayoutDOM
from bokeh.models.widgets import Select
from bokeh.plotting import figure

from simulator.report.page.content import Content
from simulator.report.page.style import BAD, GOOD, INK, QUIET, canvas

_BODY = 0.7
"""Of a candle's stretch."""


def prices(content: Content) -> LayoutDOM:
    """A choice of symbols and metrics over three figures that follow it."""
    first = content.symbols[0]
    metrics = content.plan.answers.metrics
    symbol, metric = _choice("symbol", content.symbols), _choice("metric", metrics)
    chosen = GroupFilter(column_name="symbol", group=first)
    candles, volume = _candles(content, chosen)
    windows, source = _windows(content, chosen, metrics[0])
    symbol.js_on_change("value", CustomJS(args={"chosen": chosen}, code="chosen.group = cb_obj.value"))
    # The columns that are drawn are copies, so that one change of data moves every mark.
    metric.js_on_change(
        "value",
        CustomJS(
            args={"source": source, "axis": windows.yaxis[0]},
            code="""
            const name = cb_obj.value
            source.data = {...source.data, expected: source.data[name], actual: source.data[name + "_actual"]}
            axis.axis_label = name
            """,
        ),
    )
    return column(row(symbol, metric), candles, volume, windows, sizing_mode="stretch_width")


def _choice(name: str, names: list[str]) -> Select:
    options: list[str | tuple[Any, str]] = [*names]
    return Select(title=name, value=names[0], options=options, name=name, width=160)


def _candles(content: Content, chosen: GroupFilter) -> tuple[figure, figure]:
    candles = content.stream.candles
    rises = (candles["close"] >= candles["open"]).to_list()
    source = ColumnDataSource({name: candles[name].to_list() for name in candles.columns})
    width = content.stream.width * _BODY
    prices = canvas("the market's prices: open, high, low, close", "price", height=300, x_axis_type="datetime")
    volume = canvas("volume", "shares", height=120, x_axis_type="datetime", x_range=prices.x_range)
    prices.segment("time", "high", "time", "low", source=source, view=CDSView(filter=chosen), color=INK)
    for color, side in ((GOOD, rises), (BAD, [not rise for rise in rises])):
        view = CDSView(filter=IntersectionFilter(operands=[chosen, BooleanFilter(booleans=side)]))
        prices.vbar("time", width, "open", "close", source=source, view=view, fill_color=color, line_color=color)
    volume.vbar("time", width, "volume", 0, source=source, view=CDSView(filter=chosen), color=QUIET)
    values = [(name, f"@{name}") for name in ("open", "high", "low", "close", "volume")]
    prices.add_tools(HoverTool(tooltips=[("time", "@time{%H:%M:%S.%3N}"), *values], formatters={"@time": "datetime"}))
    return prices, volume


def _windows(content: Content, chosen: GroupFilter, metric: str) -> tuple[figure, ColumnDataSource]:
    windows = content.windows
    source = ColumnDataSource({name: windows[name].to_list() for name in windows.columns if name != "window_start"})
    source.add(windows[metric].to_list(), "expected")
    source.add(windows[f"{metric}_actual"].to_list(), "actual")
    drawn = canvas("windows: expected (line), results (dots), differences (red)", metric, x_axis_type="datetime")
    view = CDSView(filter=chosen)
    drawn.step("window_end", "expected", source=source, view=view, color=QUIET, mode="before", legend_label="expected")
    drawn.scatter("window_end", "expected", source=source, view=view, color=QUIET, size=4)
    drawn.scatter("window_end", "actual", source=source, view=view, color=INK, size=4, legend_label="results")
    off = CDSView(filter=IntersectionFilter(operands=[chosen, BooleanFilter(booleans=windows["differs"].to_list())]))
    for value in ("expected", "actual"):  # of a missing window only the one, of an extra one only the other is there
        drawn.scatter("window_end", value, source=source, view=off, color=BAD, size=9, marker="x", line_width=2)
    drawn.add_tools(
        HoverTool(
            tooltips=[("window end", "@window_end{%H:%M:%S}"), ("expected", "@expected"), ("result", "@actual")],
            formatters={"@window_end": "datetime"},
        )
    )
    drawn.legend.location = "top_left"
    drawn.legend.background_fill_alpha = 0.6
    return drawn, source
