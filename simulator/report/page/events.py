"""Faults on the time line; the accounts as a flow; Spark's micro-batches."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, DataRange1d, HoverTool, LayoutDOM
from bokeh.plotting import figure

from simulator.report.page.content import Content
from simulator.report.page.style import BAD, GOOD, INK, PALETTE, QUIET, canvas

_STAGES = ("generated", "acked", "in_topic", "read", "aggregated")
_SIDE = ("late_dropped", "duplicates_removed", "rejected", "status", "foreign")
_LARGEST = 26
_LEAST = 4


def faults(content: Content) -> figure | None:
    """A row a kind; the larger the mark, the more of them at that time."""
    counted = content.faults
    if not counted.height:
        return None
    kinds = counted["kind"].unique().sort(descending=True).to_list()
    most = counted["count"].max()
    counted = counted.with_columns((_LEAST + _LARGEST * (pl.col("count") / most).sqrt()).alias("size"))
    colors = {kind: PALETTE[place % len(PALETTE)] for place, kind in enumerate(kinds)}
    source = ColumnDataSource(
        {**{name: counted[name].to_list() for name in counted.columns}, "color": [colors[kind] for kind in counted["kind"]]}
    )
    drawn = canvas("faults over the market's time", "", height=60 + 28 * len(kinds), x_axis_type="datetime", y_range=kinds)
    drawn.scatter("time", "kind", source=source, size="size", color="color", alpha=0.5, line_color=None)
    tips = [("kind", "@kind"), ("time", "@time{%H:%M:%S}"), ("faults", "@count")]
    drawn.add_tools(HoverTool(tooltips=tips, formatters={"@time": "datetime"}))
    return drawn


def flow(content: Content) -> figure:
    """Where every record went: a bar a stage, and beside the last what became of the others. A leak is red."""
    audit = {name: count for name, count in content.verdict["audit"].items() if count is not None}
    stages = [name for name in _STAGES if name in audit]
    sides = [name for name in _SIDE if audit.get(name)]
    names = [*stages, *sides]
    is_balanced = not content.verdict["audit_faults"]
    starts = [0] * len(stages)
    for place, _ in enumerate(sides):  # the parts of what was read, one after the other
        starts.append(audit.get("aggregated", 0) + sum(audit[name] for name in sides[:place]))
    colors = [INK if is_balanced else BAD] * len(stages) + [QUIET] * len(sides)
    source = ColumnDataSource(
        {
            "name": names,
            "left": starts,
            "right": [start + audit[name] for name, start in zip(names, starts, strict=True)],
            "count": [f"{audit[name]:,}" for name in names],
            "color": colors,
        }
    )
    title = "where every record went" + ("" if is_balanced else ": a leak")
    drawn = canvas(title, "", height=60 + 30 * len(names), y_range=names[::-1], x_range=DataRange1d(start=0))
    drawn.hbar("name", 0.6, "right", "left", source=source, color="color")
    drawn.text(
        "left", "name", "count", source=source, x_offset=6, text_baseline="middle", text_font_size="11px", text_color="white"
    )
    drawn.xaxis.axis_label = "records"
    drawn.add_tools(HoverTool(tooltips=[("stage", "@name"), ("records", "@count")]))
    return drawn


def batches(content: Content) -> LayoutDOM | None:
    """Latency, rows and state of each micro-batch."""
    reports = [report for report in content.batches if report.get("rows")]
    if not reports:
        return None
    times = [datetime.fromisoformat(report["timestamp"].replace("Z", "+00:00")) for report in reports]
    latency = canvas("micro-batches: how long each took", "s", height=180, x_axis_type="datetime")
    latency.vbar(times, 200, [report["duration_ms"]["triggerExecution"] / 1000 for report in reports], 0, color=INK)
    latency.scatter(times, [report["duration_ms"]["triggerExecution"] / 1000 for report in reports], color=INK, size=5)
    rows = canvas("rows of each", "rows", height=140, x_axis_type="datetime", x_range=latency.x_range)
    rows.scatter(times, [report["rows"] for report in reports], color=GOOD, size=5)
    state = canvas("state: rows kept", "rows", height=140, x_axis_type="datetime", x_range=latency.x_range)
    kept = [sum(store["rows_total"] for store in report["state"]) for report in reports]
    state.step(times, kept, color=INK, mode="after")
    return column(latency, rows, state, sizing_mode="stretch_width")
