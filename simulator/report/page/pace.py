"""The producer over time: the rate asked and achieved, and the lag behind schedule."""

from __future__ import annotations

import polars as pl
from bokeh.layouts import column
from bokeh.models import DataRange1d, LayoutDOM

from simulator.report.page.content import Content
from simulator.report.page.style import BAD, INK, QUIET, canvas


def pace(content: Content) -> LayoutDOM:
    """Rates over market time; where there is a pace also the lag over wall time."""
    speed = content.plan.clock.speed
    rates = canvas("records per second of wall time", "records/s", y_range=DataRange1d(start=0))
    asked = content.stream.asked
    scale = speed or 1.0
    if speed is not None:
        rates.step((asked["market_time"] / scale).to_list(), (asked["rate"] * scale).to_list(), color=QUIET, legend_label="asked")
    achieved = _achieved(content.pace)
    rates.step(achieved["elapsed"].to_list(), achieved["rate"].to_list(), color=INK, mode="before", legend_label="achieved")
    rates.xaxis.axis_label = "wall time, s"
    figures = [rates]
    if speed is not None:
        lag = canvas("lag behind schedule: the largest in each stretch", "ms", height=160, x_range=rates.x_range)
        lag.varea(content.pace["elapsed"].to_list(), 0, (content.pace["lag"] * 1000).to_list(), color=BAD, alpha=0.35)
        lag.xaxis.axis_label = "wall time, s"
        figures.append(lag)
    queue = canvas("records handed over and not acknowledged yet", "records", height=140, x_range=rates.x_range)
    queue.line(content.pace["elapsed"].to_list(), content.pace["queued"].to_list(), color=INK)
    queue.xaxis.axis_label = "wall time, s"
    return column(*figures, queue, sizing_mode="stretch_width")


def _achieved(samples: pl.DataFrame) -> pl.DataFrame:
    """Records per second between two samples."""
    gained = pl.col("generated").diff(null_behavior="ignore").fill_null(pl.col("generated"))
    passed = pl.col("elapsed").diff(null_behavior="ignore").fill_null(pl.col("elapsed"))
    return samples.select("elapsed", (gained / passed).alias("rate")).filter(pl.col("rate").is_finite())
