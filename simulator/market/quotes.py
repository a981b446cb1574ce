"""Bid and ask around the efficient price: `conf/quotes/<option>.yaml`. Trades hit the bid or lift the ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulator.market.draws import GroupedDraws
from simulator.market.volumes import geometric_scale, times_power
from simulator.parameters import Parameters
from simulator.seeding import Draws

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class NoQuotes(Parameters):
    """`conf/quotes/none.yaml`: trades at the efficient price, rounded to the tick."""

    kind: Literal["none"]

    @property
    def publish(self) -> bool:
        """Whether events carry quotes."""
        return False


class BidAsk(Parameters):
    """`conf/quotes/bid_ask.yaml`."""

    kind: Literal["bid_ask"]
    publish: bool
    spread: Annotated[float, Field(ge=0, le=1)]
    dispersion: Annotated[float, Field(ge=0, le=1)]
    volatility_power: Annotated[int, Field(ge=0, le=3)]
    mean_size: Annotated[float, Field(ge=1, le=1e12)]


QuoteParameters = NoQuotes | BidAsk


@dataclass(frozen=True)
class QuoteDraws:
    """Random numbers of each event: width (mean 1), side (True: a buyer), sizes (Exp(1))."""

    width: Floats
    buys: NDArray[np.bool_]
    bid_size: Floats
    ask_size: Floats


@final
class QuoteProcess:
    """The spread process and the side of each trade.

    The spread at an event is width = spread * price * v^p * ((1 - d) + d Exp(1)), drawn anew at each, with v the symbol's
    volatility over its long-run mean, p = volatility_power and d = dispersion. Quotes are rounded outward to ticks, so that
    they are never crossed nor locked; the efficient price lies between them. Buyer and seller are equally likely, which gives
    the bounce of Roll (1984): cov(dp_t, dp_t-1) = -(spread/2)^2.
    """

    def __init__(self, parameters: BidAsk, draws: Draws) -> None:
        self._parameters = parameters
        self._widths = GroupedDraws(draws.of("spread"), "exponential")
        self._sides = GroupedDraws(draws.of("side"), "uniform")
        self._bid_sizes = GroupedDraws(draws.of("bid size"), "exponential")
        self._ask_sizes = GroupedDraws(draws.of("ask size"), "exponential")
        self._size_scale = geometric_scale(parameters.mean_size)

    def draw(self, counts: Integers, order: Integers) -> QuoteDraws:
        """Of each event; `order` brings what is grouped by symbol in the events' order."""
        dispersion = self._parameters.dispersion
        width = (1.0 - dispersion) + dispersion * self._widths.take(counts)
        buys = self._sides.take(counts) < 0.5  # noqa: PLR2004  # a fair coin
        sizes = [each.take(counts) for each in (self._bid_sizes, self._ask_sizes)]
        return QuoteDraws(width[order], buys[order], sizes[0][order], sizes[1][order])

    def around(self, ticks: Floats, volatility: Floats | None, draws: QuoteDraws) -> tuple[Integers, Integers]:
        """Bid and ask in ticks around efficient prices in ticks, at least one tick apart, the bid at least one tick."""
        half = draws.width * ticks * (self._parameters.spread / 2.0)
        half = times_power(half, volatility, self._parameters.volatility_power)
        bid = np.maximum(np.floor(ticks - half), 1.0).astype(np.int64)
        ask = np.maximum(np.ceil(ticks + half).astype(np.int64), bid + 1)
        return bid, ask

    def lots(self, relative: Floats) -> Integers:
        """Quoted sizes in lots, geometric with the mean `mean_size`."""
        return (relative * self._size_scale).astype(np.int64) + 1
