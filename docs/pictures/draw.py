"""Draws the pictures of docs/market.md and docs/scenarios.md from the real stream: `python docs/pictures/draw.py [NAME ...]`.

Each picture is a plan, composed and compiled as the command line does it, and its events. Seeds are fixed, so that the same
program draws the same pictures. Above are prices, below is the event rate; halted spans are shaded, shocks and auctions marked.
"""

# ruff: noqa: INP001  # a script

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from feeds import FEEDS, draw_feed
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from panels import COLORS, GREY, SHOCK, draw_arrivals, draw_dynamics, draw_u_shape, name_span
from PIL import Image
from streams import compiled, generated

from simulator.market.conditions import Condition
from simulator.market.events import Events
from simulator.market.shocks import Shock
from simulator.plan import Plan

FOLDER = Path(__file__).parent
HALTED, LIMITED, AUCTION = "#d9a0a0", "#f3e2a8", "#111827"
STYLE = {
    "font.size": 10.5,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
# A palette this small keeps the files small and the lines smooth.
PALETTE = 96
LARGEST = 150_000
# Shares of a run: shorter spans get no name. Seconds: closer shocks are named one below the other.
SHORTEST_NAMED = 0.02
CLOSE_SHOCKS = 3.0

# Room for a line of text above the data, as a share of the axes.
_LINE = 0.075

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Picture:
    """One picture: the run, and how it is shown.

    Attributes:
        title: what it shows.
        overrides: of the run, after `python -m simulator`.
        symbols: whose prices are drawn.
        unit: of the time axis: s, min or h.
        span: width of a bar of the rate, seconds.
        relative: prices as a change since the first, in percent.
        of_symbols: the rate of the symbols drawn, not of the market.
        offsets: of the names of auctions, one after the other, points.
    """

    title: str
    overrides: tuple[str, ...]
    symbols: tuple[str, ...]
    unit: str = "s"
    span: float = 1.0
    relative: bool = False
    of_symbols: bool = False
    offsets: tuple[tuple[int, int], ...] = ((12, 12), (-12, -34))


def draw(picture: Picture) -> Figure:
    """Prices above, rate below."""
    plan = compiled(picture.overrides)
    events = generated(plan)
    figure = Figure(figsize=(9.2, 5.2), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 1)})
    top.set_title(picture.title, pad=26)
    names = [symbol.name for symbol in plan.market.symbols]
    of = {name: events.take(np.flatnonzero(events.symbol == names.index(name))) for name in picture.symbols}
    for (name, own), color in zip(of.items(), COLORS, strict=False):
        _prices(top, picture, plan, name, own, color)
    top.set_ylabel("price change, %" if picture.relative else "price, currency units")
    top.margins(y=0.12)
    top.ticklabel_format(axis="y", useOffset=False)
    _legend(top)
    shown = np.concatenate([own.time for own in of.values()]) if picture.of_symbols else events.time
    _rate(bottom, picture, plan, shown, ", ".join(picture.symbols) if picture.of_symbols else "market")
    for axes in (top, bottom):
        _halts(axes, picture, plan, events, of)
    _shocks(top, bottom, picture, plan)
    _auctions(top, picture, plan, of)
    end = (plan.duration or 0) / 1e6 / SECONDS[picture.unit]
    bottom.set(xlim=(0, end), xlabel=f"time since the start, {picture.unit}")
    return figure


def _times(picture: Picture, nanoseconds: NDArray[np.int64]) -> Floats:
    times: Floats = nanoseconds / 1e9 / SECONDS[picture.unit]
    return times


def _scaled(picture: Picture, plan: Plan, own: Events, units: NDArray[np.int64]) -> Floats:
    if picture.relative:
        change: Floats = 100.0 * (units / own.price[0] - 1.0)
        return change
    scaled: Floats = units / 10.0**plan.market.price_decimals
    return scaled


def _prices(axes: Axes, picture: Picture, plan: Plan, name: str, own: Events, color: str) -> None:
    traded = own.take(np.flatnonzero(own.volume > 0))
    time, price = _times(picture, traded.time), _scaled(picture, plan, own, traded.price)
    size = max(1.2, min(9.0, 5000.0 / max(1, len(traded))))
    axes.scatter(time, price, s=size, color=color, linewidths=0, label=f"trades of {name}", zorder=3)
    if own.quotes is not None and not picture.relative:
        bid, ask = (_scaled(picture, plan, own, side) for side in (own.quotes.bid, own.quotes.ask))
        shape: dict[str, Any] = {"step": "post", "where": _trading(own), "color": color, "alpha": 0.22, "linewidth": 0}
        axes.fill_between(_times(picture, own.time), bid, ask, label="from bid to ask", **shape)


def _legend(axes: Axes) -> None:
    """Below the title, where no data are."""
    legend = axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.99), ncols=5, handletextpad=0.3, columnspacing=1.4)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([30.0])


def _trading(own: Events) -> NDArray[np.bool_]:
    """Where the stretch after each event belongs to open trading."""
    if own.condition is None:
        return np.ones(len(own), dtype=bool)
    stops = (Condition.HALTED, Condition.MARKET_HALTED, Condition.PRE_OPEN, Condition.CLOSED)
    trading, states = True, []
    for code in own.condition.tolist():
        if code in stops:
            trading = False
        elif code in (Condition.RESUMED, Condition.OPEN, Condition.REGULAR):
            trading = True
        states.append(trading)
    return np.array(states)


def _rate(axes: Axes, picture: Picture, plan: Plan, times: NDArray[np.int64], whose: str) -> None:
    edges = np.arange(0.0, (plan.duration or 0) / 1e6 + picture.span / 2, picture.span)
    counts, _ = np.histogram(times / 1e9, edges)
    axes.stairs(counts / picture.span, edges / SECONDS[picture.unit], fill=True, color=GREY, alpha=0.75)
    axes.set(ylabel=f"events/s,\n{whose}", ylim=(0, None))


SPANS = {
    Condition.LIMIT_STATE: (LIMITED, "limit state", (Condition.LIMIT_STATE_ENDED, Condition.HALTED, Condition.MARKET_HALTED)),
    Condition.HALTED: (HALTED, "trading pause", (Condition.RESUMED, Condition.MARKET_HALTED)),
    Condition.MARKET_HALTED: (HALTED, "market-wide halt", (Condition.RESUMED,)),
    Condition.PRE_OPEN: ("#dbe4ee", "pre-open", (Condition.OPEN,)),
    Condition.CLOSED: ("#dbe4ee", "closed", (Condition.PRE_OPEN, Condition.OPEN)),
}


def _halts(axes: Axes, picture: Picture, plan: Plan, events: Events, of: dict[str, Events]) -> None:
    """Shades the spans without free trading of the first symbol drawn; the last of a kind gets its name."""
    if events.condition is None:
        return
    own = next(iter(of.values()))
    assert own.condition is not None  # noqa: S101  # of one stream
    end = (plan.duration or 0) / 1e6 / SECONDS[picture.unit]
    times, codes = _times(picture, own.time), own.condition.tolist()
    names: dict[str, float] = {}
    for place, code in enumerate(codes):
        if code not in SPANS:
            continue
        color, text, ends = SPANS[Condition(code)]
        stop = next((times[later] for later in range(place + 1, len(codes)) if codes[later] in ends), end)
        axes.axvspan(times[place], stop, color=color, alpha=0.55, linewidth=0, zorder=0)
        if axes.get_title(loc="left") and stop - times[place] > SHORTEST_NAMED * end:
            names[text] = (times[place] + stop) / 2
    for text, middle in names.items():
        name_span(axes, middle, text)


def _shocks(top: Axes, bottom: Axes, picture: Picture, plan: Plan) -> None:
    """Marks moves above, bursts of trading below; names of moves stand one below the other."""
    symbols = {symbol.name for symbol in plan.market.symbols}
    label: dict[str, Any] = {"color": SHOCK, "va": "top", "fontsize": 9.5, "zorder": 6}
    line: dict[str, Any] = {"color": SHOCK, "linewidth": 1.0, "linestyle": "--"}
    number, last, most = 0, -np.inf, 0
    for shock in plan.market.shocks:
        time = shock.begin / 1e9 / SECONDS[picture.unit]
        if shock.move and (shock.target in picture.symbols or shock.target not in symbols):
            number, last = number if time - last < CLOSE_SHOCKS else 0, time
            top.axvline(time, **line)
            top.text(time, 0.99 - number * _LINE, " " + _story(shock), transform=top.get_xaxis_transform(), **label)
            number += 2 if shock.recover else 1
            most = max(most, number)
        if shock.rate is not None:
            bottom.axvline(time, **line)
            text = f" rate x {shock.rate:g}"
            bottom.text(time, 1.28, text, transform=bottom.get_xaxis_transform(), **label)
    low, high = top.get_ylim()
    top.set_ylim(low, low + (high - low) / (1.0 - most * _LINE))


def _story(shock: Shock) -> str:
    text = f"{shock.target} {100 * shock.move:+g} % in {shock.over:g} s"
    return text + (f",\n {100 * shock.recover:g} % of it back in {shock.recover_over:g} s" if shock.recover else "")


AUCTIONS = {
    Condition.OPENING_AUCTION: "opening auction",
    Condition.CLOSING_AUCTION: "closing auction",
    Condition.REOPENING_AUCTION: "reopening auction",
}


def _auctions(axes: Axes, picture: Picture, plan: Plan, of: dict[str, Events]) -> None:
    own = next(iter(of.values()))
    if own.condition is None:
        return
    places = np.flatnonzero(np.isin(own.condition, list(AUCTIONS))).tolist()
    diamond: dict[str, Any] = {
        "marker": "D",
        "markersize": 7,
        "color": AUCTION,
        "markerfacecolor": "white",
        "markeredgewidth": 1.6,
        "zorder": 5,
    }
    paper: dict[str, Any] = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    for place, offset in zip(places, picture.offsets, strict=False):
        time, price = _times(picture, own.time)[place], _scaled(picture, plan, own, own.price)[place]
        axes.plot(time, price, clip_on=False, **diamond)
        text = f"{AUCTIONS[Condition(own.condition[place])]}\n{own.volume[place]:,} shares"
        side: dict[str, Any] = {
            "ha": "right" if offset[0] < 0 else "left",
            "fontsize": 9.5,
            "color": AUCTION,
            "zorder": 6,
            "bbox": paper,
        }
        axes.annotate(text, (time, price), xytext=offset, textcoords="offset points", **side)


NUMBERED = ("SYM000", "SYM001", "SYM002")
COINS = ("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD")
SCENARIOS = {
    "calm": Picture("calm: prices hover around their level", ("duration=300",), NUMBERED, span=5.0),
    "volatile": Picture("volatile: wide moves, a jump a minute", ("duration=300",), NUMBERED, span=5.0),
    "flash_crash": Picture("flash_crash: all fall at once and come back", ("duration=40",), NUMBERED, relative=True, span=0.5),
    "halt": Picture(
        "halt: SYM007 falls out of its band", ("duration=30",), ("SYM007",), of_symbols=True, span=0.5, offsets=((12, 16),)
    ),
    "meme_squeeze": Picture(
        "meme_squeeze: MEME doubles in waves, each halted", ("duration=40",), ("MEME",), span=0.5, offsets=((-10, 12), (14, -4))
    ),
    "earnings": Picture(
        "earnings: NVDA jumps and drifts", ("duration=40",), ("NVDA", "AAPL", "MSFT", "XOM"), relative=True, span=0.5
    ),
    "crypto_weekend": Picture(
        "crypto_weekend: coins around the clock", ("duration=600",), COINS, relative=True, unit="min", span=2.0
    ),
    "thin_market": Picture(
        "thin_market: wide spreads, long silences", ("duration=900",), ("SYM024",), of_symbols=True, unit="min", span=10.0
    ),
    "open_rush": Picture("open_rush: the auction, then a storm of trades", ("duration=20",), ("NVDA",), span=0.5),
    "realistic": Picture("realistic: a day from auction to auction", ("duration=24000",), ("SYM000",), unit="h", span=300.0),
}


def pictures() -> dict[str, Callable[[], Figure]]:
    """Every picture by its name."""
    found: dict[str, Callable[[], Figure]] = {"arrivals": draw_arrivals, "u_shape": draw_u_shape, "dynamics": draw_dynamics}
    for name, picture in SCENARIOS.items():
        whole = replace(picture, overrides=(f"+scenario={name}", *picture.overrides))
        found[name] = lambda whole=whole: draw(whole)  # type: ignore[misc]  # bound now
    for name, feed in FEEDS.items():
        overrides = (f"+scenario={name}", "clock=unpaced", *feed.overrides)
        found[name] = lambda feed=feed, overrides=overrides: draw_feed(feed, compiled(overrides))  # type: ignore[misc]  # bound now
    return found


def save(figure: Figure, path: Path) -> int:
    """Writes a PNG with a small palette; gives its size in bytes."""
    raw = BytesIO()
    figure.savefig(raw, format="png", dpi=130)
    with Image.open(raw) as image:
        flat = image.convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE)
    flat.save(path, optimize=True)
    return path.stat().st_size


def main() -> None:
    """Draw all, or those that are named."""
    wanted = sys.argv[1:]
    with rc_context(STYLE):
        for name, figure in pictures().items():
            if wanted and name not in wanted:
                continue
            size = save(figure(), FOLDER / f"{name}.png")
            sys.stderr.write(f"{name}.png {size:,} bytes\n")
            if size > LARGEST:
                sys.exit(f"{name}.png has more than {LARGEST:,} bytes")


if __name__ == "__main__":
    main()
