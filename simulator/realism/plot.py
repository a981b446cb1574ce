"""The facts as figures: one SVG with tails, clustering, leverage and the gaps between trades."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from scipy.stats import norm

from simulator.realism.bars import Bars
from simulator.realism.gates import CLUSTERING_SLOPES, Verdict
from simulator.realism.statistics import standardised


def draw(bars: Bars, verdicts: Sequence[Verdict], path: Path) -> None:
    """Write the SVG."""
    found = {verdict.fact.name: verdict.estimate.points for verdict in verdicts}
    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasSVG(figure)
    tails, kurtosis, clustering, lever = figure.subplots(2, 2).ravel()
    _tails(tails, bars)
    _line(kurtosis, found["heavy tails"], "excess kurtosis and time scale", "minutes", "excess kurtosis")
    _line(clustering, found["volatility clustering"], "volatility clustering", "lag, minutes", "acf of |r|")
    _slopes(clustering, found["volatility clustering"])
    _line(lever, found["leverage"], "leverage", "lag, minutes", "corr(r(t), r²(t+lag))")
    lever.axhline(0.0, color="grey", linewidth=0.8)
    with rc_context({"svg.hashsalt": "realism"}):  # the same figures give the same file
        figure.savefig(path, format="svg", metadata={"Date": None})


def _tails(axes: Axes, bars: Bars) -> None:
    """Share of |z| above x, with the normal law's: 2 (1 - Phi(x))."""
    size = np.abs(standardised(bars.returns))
    size = np.sort(size[np.isfinite(size) & (size > 0)])[::-1]
    axes.set(title="tails of one-minute returns", xlabel="|r| / standard deviation", ylabel="share above")
    if size.size:
        rank = np.unique(np.geomspace(1, size.size, 300).astype(np.int64))
        axes.loglog(size[rank - 1], rank / size.size, label="this stream")
        x = np.geomspace(0.1, 6.0, 200)
        axes.loglog(x, 2.0 * norm.sf(x), linestyle="--", color="grey", label="normal law")
        axes.set(xlim=(0.1, 2.0 * max(size[0], 6.0)), ylim=(0.3 / size.size, 1.5))
        axes.legend()


def _line(axes: Axes, points: Sequence[tuple[float, float]], title: str, xlabel: str, ylabel: str) -> None:
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if points:
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3)


def _slopes(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """The gate's two slopes, through the first point."""
    if not points or min(y for _, y in points) <= 0:
        return
    lags, level = np.array([x for x, _ in points]), points[0][1]
    for slope, dashes in zip(CLUSTERING_SLOPES, ("--", ":"), strict=True):
        axes.plot(lags, level * (lags / lags[0]) ** slope, linestyle=dashes, color="grey", label=f"slope {slope:g}")
    # A logarithmic axis needs a positive value; a span too short to measure has none.
    if any((np.asarray(line.get_ydata(), dtype=float) > 0).any() for line in axes.lines):
        axes.set(xscale="log", yscale="log")
    axes.legend()
