"""Pictures of feeds that go wrong: how late each record is, and what each partition gets. Drawn by `draw.py`."""

# ruff: noqa: INP001  # beside a script

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from panels import COLORS, GREY
from panels import SHOCK as LATE

from simulator.faults.model import NAMES
from simulator.faults.records import Records, joined
from simulator.faults.stream import records_of
from simulator.partitioning import partition_of
from simulator.plan import Plan


@dataclass(frozen=True)
class Feed:
    """One picture.

    Attributes:
        title: what it shows.
        shown: faults that get a color, by name.
        overrides: of the run, after the scenario.
        linear: seconds up to which the axis of the delay is linear; beyond it is logarithmic.
    """

    title: str
    shown: tuple[str, ...]
    overrides: tuple[str, ...] = ("rate=50", "duration=60")
    linear: float = 1.0


FEEDS = {
    "late_feed": Feed("late_feed: one in ten is late, some by a minute", ("late", "disorder")),
    "dirty_feed": Feed(
        "dirty_feed: all that can go wrong", ("late", "duplicate", "correction", "corrupt", "bad_tick", "clock_skew", "drift")
    ),
    "edge_cases": Feed("edge_cases: at the edges of windows, on the verge of too late", ("window_edges", "late", "duplicate")),
    "idle_partition": Feed("idle_partition: partition 0 is silent for 15 s", ("stall",)),
}


def draw_feed(feed: Feed, plan: Plan) -> Figure:
    """How long after its event time each record is sent, above; records by partition, below."""
    records = joined([block.present for block in records_of(plan, plan.clock.start or 0)])
    figure = Figure(figsize=(9.2, 5.2), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 2)})
    top.set_title(feed.title, pad=26)
    _delays(top, feed, records)
    watermark, across = plan.answers.window.watermark / 1e6, top.get_yaxis_transform()
    top.axhline(watermark, color=LATE, linestyle="--", linewidth=1.0)
    top.text(0.995, watermark, "watermark", ha="right", va="bottom", color=LATE, transform=across)
    _partitions(bottom, plan, records)
    bottom.set(xlabel="time when it is sent, s since the start", ylabel="records/s", xlim=(0, min(100.0, records.sent[-1] / 1e9)))
    return figure


def _delays(axes: Axes, feed: Feed, records: Records) -> None:
    sent, delay = records.sent / 1e9, (records.sent - records.events.time) / 1e9
    clean = records.faults == 0
    axes.scatter(sent[clean], delay[clean], s=3, color=GREY, linewidths=0, label="as it was meant")
    for name, color in zip(feed.shown, COLORS, strict=False):
        struck = (records.faults >> np.uint32(NAMES.index(name)) & np.uint32(1)).astype(bool)
        axes.scatter(sent[struck], delay[struck], s=9, color=color, linewidths=0, label=name.replace("_", " "), zorder=3)
    axes.set_yscale("symlog", linthresh=feed.linear)
    axes.set_ylabel("sent after its event time, s")
    axes.yaxis.set_major_formatter("{x:g}")
    where = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.99), "ncols": 8}
    legend = axes.legend(**where, handletextpad=0.1, columnspacing=0.9, fontsize=9)  # type: ignore[arg-type]  # mixed
    for handle in legend.legend_handles:
        handle.set_sizes([30.0])  # type: ignore[union-attr]  # a collection


def _partitions(axes: Axes, plan: Plan, records: Records) -> None:
    partitions = plan.sink.partitions or 1
    place = np.array([partition_of(symbol.name, partitions) for symbol in plan.market.symbols])[records.events.symbol]
    edges = np.arange(0.0, records.sent[-1] / 1e9 + 1.0, 1.0)
    for number, color in zip(range(partitions), COLORS, strict=False):
        counts, _ = np.histogram(records.sent[place == number] / 1e9, edges)
        axes.stairs(counts, edges, color=color, linewidth=1.4, label=f"partition {number}")
    axes.set_yscale("symlog", linthresh=30)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, 3 * axes.get_ylim()[1])  # room for the names
    axes.legend(loc="upper right", ncols=partitions)
