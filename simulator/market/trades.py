"""What happens at an arrival: the trade's price and size, and the quotes around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.events import Quotes
from simulator.market.quotes import BidAsk, QuoteProcess
from simulator.market.ticks import TickBands
from simulator.market.volumes import TradeSizes
from simulator.seeding import Draws

if TYPE_CHECKING:
    from simulator.market.prices import PriceBlock
    from simulator.plan import MarketPlan

Integers = NDArray[np.int64]
Symbols = NDArray[np.uint32]
Limits = tuple[Integers, Integers]
"""The lowest and the highest price, units of 10^-price_decimals."""


@final
class Trades:
    """Prices, sizes and quotes of trades; draws are grouped by symbol, results in the events' order."""

    def __init__(self, market: MarketPlan, seed: int) -> None:
        draws = Draws(seed, [symbol.name for symbol in market.symbols])
        self._tick: Integers = np.array([symbol.tick for symbol in market.symbols], dtype=np.int64)
        self._bands = TickBands([(low, tick) for low, tick in market.tick_bands])
        self._lot = market.lot
        means = np.array([symbol.mean_volume / market.lot for symbol in market.symbols])
        self._mean_volume = means * market.lot
        self._sizes = TradeSizes(market.volumes, means, draws)
        self._quotes = QuoteProcess(market.quotes, draws) if isinstance(market.quotes, BidAsk) else None
        self._published = market.quotes.publish

    def at(
        self, symbol: Symbols, step: Integers, block: PriceBlock, counts: Integers, order: Integers
    ) -> tuple[Integers, Integers, Quotes | None]:
        """Price, volume and quotes of arrivals.

        Args:
            symbol: of each arrival.
            step: the grid point in `block` at or before each.
            block: prices on the grid.
            counts: arrivals by symbol.
            order: brings what is grouped by symbol in the arrivals' order.
        """
        place = symbol * np.int64(block.ticks.shape[1]) + step
        volatility = None if block.volatility is None else block.volatility.ravel()[place]
        volume = self._sizes.lots(self._sizes.draw(counts)[order], symbol, volatility) * self._lot
        ticks = block.ticks.ravel()[place]
        limits = self._limits(symbol, place, block)
        if self._quotes is None:
            price = self._bands.nearest(np.rint(ticks).astype(np.int64) * self._tick[symbol])
            return price if limits is None else np.clip(price, *limits), volume, None
        draws = self._quotes.draw(counts, order)
        bid, ask = self._quotes.around(ticks, volatility, draws)
        bid, ask = self._bands.floor(bid * self._tick[symbol]), self._bands.ceiling(ask * self._tick[symbol])
        if limits is not None:
            bid, ask = self._within(symbol, bid, ask, limits)
        price = np.where(draws.buys, ask, bid)
        if not self._published:
            return price, volume, None
        sizes = [self._quotes.lots(each) * self._lot for each in (draws.bid_size, draws.ask_size)]
        return price, volume, Quotes(bid, ask, sizes[0], sizes[1])

    def _limits(self, symbol: Symbols, place: Integers, block: PriceBlock) -> Limits | None:
        """The price bands at each arrival."""
        if block.halts is None:
            return None
        return self._allowed(symbol, block.halts.lower.ravel()[place], block.halts.upper.ravel()[place])

    def _allowed(self, symbol: Symbols, lower: Integers, upper: Integers) -> Limits:
        """Bands in ticks, rounded inward to prices that are allowed; one that has no room for two of them gets room below."""
        tick = self._tick[symbol]
        lowest, highest = self._bands.ceiling(lower * tick), self._bands.floor(upper * tick)
        return np.where(lowest < highest, lowest, self._bands.floor(highest - tick)), highest

    def _within(self, symbol: Symbols, bid: Integers, ask: Integers, limits: Limits) -> Limits:
        """Quotes moved between the limits, still an allowed price apart."""
        tick, (lower, upper) = self._tick[symbol], limits
        bid = np.maximum(bid, lower)
        ask = np.minimum(np.maximum(ask, self._bands.ceiling(bid + tick)), upper)
        return np.maximum(self._bands.floor(np.minimum(bid, ask - tick)), lower), ask

    def price_at(self, symbol: Symbols, ticks: Integers, lower: Integers, upper: Integers) -> Integers:
        """Prices of auction prints and statuses: the nearest that is allowed between the bands; all in ticks."""
        price = self._bands.nearest(ticks * self._tick[symbol])
        return np.clip(price, *self._allowed(symbol, lower, upper))

    def print_at(
        self, symbol: Symbols, price: Integers, bands: tuple[Integers, Integers], multiple: NDArray[np.float64]
    ) -> tuple[Integers, Quotes | None]:
        """Volume and quotes of auction prints (size `multiple` > 0, in mean trade sizes) and statuses (0), at allowed prices.

        An auction leaves no spread to speak of: the quotes are a tick below and a tick above, as far as the bands (in ticks) let.
        """
        tick = self._tick[symbol]
        lots = np.rint(multiple * self._mean_volume[symbol] / self._lot).astype(np.int64)
        volume = np.where(multiple > 0, np.maximum(lots, 1) * self._lot, 0)
        if not self._published:
            return volume, None
        bid = self._bands.floor(np.maximum(price - tick, tick))
        ask = self._bands.ceiling(np.maximum(price, bid) + tick)
        bid, ask = self._within(symbol, bid, ask, self._allowed(symbol, *bands))
        size = np.full(price.shape, self._lot, dtype=np.int64)
        return volume, Quotes(bid, ask, size, size)
