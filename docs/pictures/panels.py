"""Pictures of docs/market.md that hold processes against each other. Drawn by `draw.py`."""

# ruff: noqa: INP001  # beside a script

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from streams import compiled, generated

COLORS = ("#1f5fa8", "#c2571a", "#2b7d4f", "#7a4fa3", "#8a6d1d", "#a8324a", "#3a8a92", "#5c5c5c")
GREY, SHOCK = "#6b7280", "#b42318"


def name_span(axes: Axes, time: float, text: str) -> None:
    """Writes a span's name upright at its foot."""
    where = axes.get_xaxis_transform()
    axes.text(time, 0.03, text, transform=where, ha="center", va="bottom", color="#4b5563", fontsize=9.5, rotation=90)


def draw_arrivals() -> Figure:
    """One symbol's trades under four arrival processes of the same mean rate."""
    figure = Figure(figsize=(9.2, 5.2), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    rows = figure.subplots(4, 1, sharex=True)
    clustered = ("arrivals=hawkes", "arrivals.branching=0.85", "arrivals.decay=10")
    kinds = ("arrivals=fixed",), ("arrivals=poisson",), clustered, ("arrivals=mmpp",)
    for axes, kind, color in zip(rows, kinds, COLORS, strict=False):
        events = generated(compiled(("symbols.count=1", *kind, "rate=20", "duration=60", "seed=1")))
        counts, edges = np.histogram(events.time / 1e9, np.arange(0.0, 60.1, 0.5))
        axes.stairs(counts * 2, edges, fill=True, color=color, alpha=0.8)
        axes.axhline(20, color=GREY, linewidth=0.8, linestyle="--")
        fano = counts.var() / counts.mean()
        text = f"{' '.join(kind).replace(' arrivals.', ' ')}: {len(events)} trades, variance / mean of counts {fano:.1f}"
        axes.set_title(text, fontsize=10.5)
        axes.set_ylim(0, max(60, 2.1 * counts.max()))
    rows[-1].set(xlabel="time since the start, s", xlim=(0, 60))
    figure.supylabel("events/s of one symbol, bars of 0.5 s", fontsize=10.5)
    return figure


def draw_u_shape() -> Figure:
    """A day of trading: the mean rate of each five minutes, and the formula."""
    figure = Figure(figsize=(9.2, 3.6), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    plan = compiled(("session=equity_day", "session.pre_open=1800", "rate=20", "duration=28800"))
    events = generated(plan)
    counts, edges = np.histogram(events.time[events.volume > 0] / 1e9, np.arange(0.0, 28_801.0, 300.0))
    axes.stairs(
        counts / 300.0, edges / 3600.0, fill=True, color=GREY, alpha=0.75, label="trades of the stream, bars of 5 minutes"
    )
    share = np.linspace(0.0, 1.0, 200)
    shape = 20.0 * (1.0 + 0.35 * (12.0 * (share - 0.5) ** 2 - 1.0))
    axes.plot(0.5 + 6.5 * share, shape, color=SHOCK, label="rate (1 + depth (12 (u - 1/2)² - 1)), depth 0.35")
    axes.axhline(20.0, color=COLORS[0], linewidth=1.0, linestyle="--", label="rate=20: the mean of the day")
    axes.axvspan(0.0, 0.5, color="#dbe4ee", linewidth=0, zorder=0)
    axes.axvspan(7.0, 8.0, color="#dbe4ee", linewidth=0, zorder=0)
    name_span(axes, 0.25, "pre-open")
    name_span(axes, 7.5, "closed")
    axes.set(xlabel="time since the start, h", ylabel="events/s, market", xlim=(0, 8), ylim=(0, 38))
    axes.set_title("session=equity_day: busy at both ends, quiet at noon")
    axes.legend(loc="upper center", ncols=1)
    return figure


PROCESSES = {
    "gbm": ("a random walk", ()),
    "ou": ("pulled back to its level", ()),
    "jump": ("symmetric jumps", ("dynamics.jump_intensity=100000",)),
    "kou": ("more and larger jumps down", ("dynamics.jump_intensity=100000",)),
    "heston": ("volatility wanders", ("dynamics.vol_of_variance=60",)),
    "garch": ("volatility clusters", ("dynamics.alpha=0.15", "dynamics.beta=0.8")),
    "regime": ("calm and storm", ()),
    "replay": ("your bars, here of 30 s", ()),
}
BARS = (250, 251, 253, 252, 251, 249, 246, 244, 245, 247, 248, 248, 250, 254, 257, 256, 255, 255, 256, 258, 257)


def draw_dynamics() -> Figure:
    """One symbol's price under each process; the file of the replay is made here."""
    figure = Figure(figsize=(9.2, 6.4), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(4, 2, sharex=True)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bars.csv"
        path.write_text("time,price\n" + "".join(f"{30 * n},{price}\n" for n, price in enumerate(BARS)), encoding="utf-8")
        for axes, (kind, (text, more)), color in zip(panels.ravel(), PROCESSES.items(), COLORS, strict=True):
            own = (f"dynamics.path={path}",) if kind == "replay" else more
            events = generated(compiled(("symbols.count=1", f"dynamics={kind}", "rate=10", "duration=600", "seed=3", *own)))
            axes.plot(events.time / 6e10, events.price / 100.0, color=color, linewidth=0.8)
            axes.ticklabel_format(axis="y", useOffset=False)
            axes.set_title(f"{kind}: {text}", fontsize=10.5)
    for axes in panels[-1]:
        axes.set(xlabel="time since the start, min", xlim=(0, 10))
    figure.supylabel("trade price, currency units", fontsize=10.5)
    return figure
