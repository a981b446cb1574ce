"""Draws the kept results: `python -m benchmarks.plots` writes `docs/pictures/benchmarks.png` and `docs/pictures/growth.png`."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.measure import RESULTS

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
OURS, THEIRS, QUIET = "#1f4e79", "#9aa5b1", "#e07b39"


def read(name: str) -> dict[str, Any]:
    """A kept result."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def bars(axes: Axes, rates: dict[str, list[float]], title: str, unit: str) -> None:
    """Medians, with the least and the most as a line."""
    names = sorted(rates, key=lambda name: statistics.median(rates[name]))
    medians = [statistics.median(rates[name]) for name in names]
    spread = [
        [median - min(rates[name]) for name, median in zip(names, medians, strict=True)],
        [max(rates[name]) - median for name, median in zip(names, medians, strict=True)],
    ]
    colors = [OURS if name.startswith("ours") else THEIRS for name in names]
    axes.barh(names, medians, xerr=spread, color=colors, ecolor="#555555", capsize=2)
    for place, median in enumerate(medians):
        axes.text(median, place, f"  {median:,.0f}" if median >= 10 else f"  {median:.2f}", va="center", fontsize=8)  # noqa: PLR2004
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.margins(x=0.18)


def lags(axes: Axes, content: dict[str, Any]) -> None:
    """The lag that 99 % of the events do not exceed, at each rate that was asked for."""
    for case, color in (("ours", OURS), ("playground loop", THEIRS)):
        points = [(entry["asked"], entry["runs"]) for entry in content["runs"] if entry["case"] == case]
        asked = [rate for rate, _ in points]
        p99 = [statistics.median(run["p99"] for run in runs) * 1000 for _, runs in points]
        axes.plot(asked, p99, "o-", color=color, label=case)
    axes.axhline(5, color=QUIET, linewidth=0.8, linestyle="--", label="5 ms, asked up to 50,000/s")
    axes.set(xscale="log", yscale="log")
    axes.set_title("pacing: lag behind the schedule, 99 % of all events", fontsize=10, loc="left")
    axes.set_xlabel("events/s asked", fontsize=8)
    axes.set_ylabel("ms", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8)


def held(axes: Axes, content: dict[str, Any]) -> None:
    """The share of the rate asked that was held."""
    for case, color in (("ours", OURS), ("playground loop", THEIRS)):
        points = [(entry["asked"], entry["runs"]) for entry in content["runs"] if entry["case"] == case]
        share = [100 * statistics.median(run["rate"] for run in runs) / rate for rate, runs in points]
        axes.plot([rate for rate, _ in points], share, "o-", color=color, label=case)
    axes.set(xscale="log", ylim=(0, 110))
    axes.set_title("pacing: share of the rate that was held", fontsize=10, loc="left")
    axes.set_xlabel("events/s asked", fontsize=8)
    axes.set_ylabel("%", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8)


def benchmarks() -> None:
    """Producer, pacing and aggregation beside their peers."""
    figure, axes = plt.subplots(2, 2, figsize=(13, 6.4), layout="constrained")
    bars(axes[0, 0], read("producer")["events_per_second"], "producer, model to acknowledgement", "events/s")
    bars(axes[0, 1], read("aggregation")["rows_per_second"], "aggregation, catching up, start included", "rows/s")
    pacing = read("pacing")
    lags(axes[1, 0], pacing)
    held(axes[1, 1], pacing)
    figure.savefig(PICTURES / "benchmarks.png", dpi=110)


def growth() -> None:
    """Events per second that are sent along each axis, and rows per second that are aggregated."""
    content = {**read("growth")["events_per_second"], "size / slide, rows/s": read("overlap")["rows_per_second"]}
    figure, axes = plt.subplots(1, len(content), figsize=(3.2 * len(content), 3), layout="constrained")
    for axis, (name, points) in zip(axes, content.items(), strict=True):
        values = [float(value) for value in points]
        axis.plot(values, [statistics.median(measured) for measured in points.values()], "o-", color=OURS)
        axis.set(xscale="log")
        axis.set_ylim(0, 1.15 * max(statistics.median(measured) for measured in points.values()))
        axis.set_title(name, fontsize=10, loc="left")
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("events/s", fontsize=8)
    figure.savefig(PICTURES / "growth.png", dpi=110)


if __name__ == "__main__":
    benchmarks()
    growth()
