"""Events that no arrival process makes: the session's phases and auctions, halts and reopenings.

While the market is closed, a status has the price that was last told for its symbol; else that of its instant, held at the band
in a limit state or halt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.conditions import Condition
from simulator.market.events import Events, merge

if TYPE_CHECKING:
    from simulator.market.hours import Phase, TradingHours
    from simulator.market.prices import PriceBlock
    from simulator.market.trades import Trades
    from simulator.plan import MarketPlan

Integers = NDArray[np.int64]

# Of markets without auctions of their own: a reopening is one trade of mean size.
_PLAIN_REOPENING = 1.0
_WITHOUT_END = 2**62
_HIGHEST_PRICE = 2**53


class _Point(NamedTuple):
    """One grid point, all columns (symbols,): efficient prices and bands in whole ticks; whether there is trading."""

    ticks: Integers
    lower: Integers
    upper: Integers
    trading: NDArray[np.bool_]


@final
class Statuses:
    """Emits each status and auction once, however blocks are cut.

    Args:
        market: the plan's market.
        hours: of trading; None: always.
        duration: nanoseconds of market time; None: without end.
        step: of the grid, nanoseconds.
        trades: what prices and quotes them.
    """

    def __init__(self, market: MarketPlan, hours: TradingHours | None, duration: int | None, step: int, trades: Trades) -> None:
        self._hours, self._duration, self._step, self._trades = hours, duration, step, trades
        self._multiples = np.zeros(256)
        self._multiples[Condition.REOPENING_AUCTION] = _PLAIN_REOPENING
        if market.session is not None:
            self._multiples[Condition.OPENING_AUCTION] = market.session.opening_auction
            self._multiples[Condition.REOPENING_AUCTION] = market.session.opening_auction or _PLAIN_REOPENING
            self._multiples[Condition.CLOSING_AUCTION] = market.session.closing_auction
        self._told = 0
        self._symbols = np.arange(len(market.symbols), dtype=np.uint32)
        # Of a symbol without a band: any price that there is.
        self._lowest = np.ones(self._symbols.size, dtype=np.int64)
        self._highest = _HIGHEST_PRICE // np.array([symbol.tick for symbol in market.symbols], dtype=np.int64)
        opening = np.array([round(symbol.opening_ticks) for symbol in market.symbols], dtype=np.int64)
        self._last = _Point(opening, self._lowest, self._highest, np.ones(self._symbols.size, dtype=bool))
        self._published = trades.price_at(self._symbols, opening, self._lowest, self._highest)

    def is_opening(self, step: int) -> bool:
        """Whether a session opens at a grid step; an opening between two grid points is at the later one."""
        return self._hours is not None and self._opening_step_from(step) == step

    def steps_to_opening(self, step: int) -> int:
        """Grid steps to the next opening after `step`."""
        return self._opening_step_from(step + 1) - step

    def _opening_step_from(self, step: int) -> int:
        opening = None if self._hours is None else self._hours.next_opening(max(0, (step - 1) * self._step + 1))
        return _WITHOUT_END if opening is None else -(-opening // self._step)

    def join(self, events: Events, begin: int, block: PriceBlock, *, last: bool) -> Events:
        """A block's trades with its statuses and auctions; of the last block: all up to the run's end.

        Args:
            events: the trades, in order.
            begin: trading time at which the block begins.
            block: prices on the grid.
            last: whether it is the run's last block.
        """
        rows = [self._of_phase(phase, begin, block) for phase in self._phases(begin, block, last=last)]
        if block.timeline is not None:
            rows.append(self._of_halts(begin, block))
        self._last = self._point(block, -1)
        time, symbol, condition, ticks, lower, upper = np.concatenate([np.zeros((6, 0), dtype=np.int64), *rows], axis=1)
        events = merge(events, self._priced(events, time, symbol.astype(np.uint32), condition, (ticks, lower, upper)))
        self._remember(events)
        return events

    def _remember(self, events: Events) -> None:
        """The last price of each symbol; assigning them all would leave it open which one stays."""
        place = np.full(self._symbols.size, -1, dtype=np.int64)
        np.maximum.at(place, events.symbol, np.arange(len(events), dtype=np.int64))
        self._published = np.where(place >= 0, np.append(events.price, 0)[place], self._published)

    def _priced(
        self, events: Events, time: Integers, symbol: NDArray[np.uint32], condition: Integers, levels: tuple[Integers, ...]
    ) -> Events:
        """Statuses and auctions from their instants, prices and bands; prices of a closed market from what was told before."""
        ticks, lower, upper = levels
        is_closed = (condition == Condition.CLOSED) | (condition == Condition.PRE_OPEN)
        # Off the grid, a session opens before the bands of the last one are gone.
        is_free = is_closed | (ticks < lower) | (ticks > upper)
        bands = np.where(is_free, self._lowest[symbol], lower), np.where(is_free, self._highest[symbol], upper)
        price = self._trades.price_at(symbol, ticks, *bands)
        if is_closed.any():
            price = np.where(is_closed, self._last_prices(events, time, symbol, price, is_closed), price)
        volume, quotes = self._trades.print_at(symbol, price, bands, self._multiples[condition])
        return Events(symbol, np.zeros_like(time), time, price, volume, quotes, condition.astype(np.uint8))

    def _last_prices(
        self, events: Events, time: Integers, symbol: NDArray[np.uint32], price: Integers, is_closed: NDArray[np.bool_]
    ) -> Integers:
        """The price of each symbol that was told last before each status, of a trade or of a status with a price of its own."""
        symbols = np.concatenate((symbol, events.symbol))
        order = np.lexsort((np.concatenate((time, events.time)), symbols))
        symbols, prices = symbols[order], np.concatenate((price, events.price))[order]
        known = np.concatenate((~is_closed, np.ones(len(events), dtype=bool)))[order]
        latest = np.maximum.accumulate(np.where(known, np.arange(order.size, dtype=np.int64), -1))
        found: Integers = np.empty_like(prices)
        found[order] = np.where(latest >= np.searchsorted(symbols, symbols), prices[latest], self._published[symbols])
        return found[: price.size]

    def _phases(self, begin: int, block: PriceBlock, *, last: bool) -> list[Phase]:
        if self._hours is None:
            return []
        after = begin + block.ticks.shape[1] * self._step
        if last:
            end = self._duration if self._duration is not None else _WITHOUT_END
        else:
            end = int(self._hours.to_market(np.array([after], dtype=np.int64))[0])
        told, self._told = self._told, end
        return self._hours.phases(told, end)

    def _of_phase(self, phase: Phase, begin: int, block: PriceBlock) -> Integers:
        ahead = phase.condition in {Condition.OPEN, Condition.OPENING_AUCTION}
        place = (phase.trading_time if ahead else phase.trading_time - 1) // self._step - begin // self._step
        # A close may be the end of the block before.
        point = self._last if place < 0 else self._point(block, min(place, block.ticks.shape[1] - 1))
        same = np.ones(self._symbols.size, dtype=np.int64)
        rows: Integers = np.stack(
            (same * phase.time, self._symbols, same * int(phase.condition), point.ticks, point.lower, point.upper)
        )
        # Who is halted at the close has no closing auction.
        return rows[:, point.trading] if phase.condition == Condition.CLOSING_AUCTION else rows

    def _point(self, block: PriceBlock, place: int) -> _Point:
        ticks, halts = np.rint(block.ticks[:, place]).astype(np.int64), block.halts
        if halts is None:
            return self._last._replace(ticks=ticks)
        return _Point(ticks, halts.lower[:, place], halts.upper[:, place], halts.trading[:, place])

    def _of_halts(self, begin: int, block: PriceBlock) -> Integers:
        timeline, halts = block.timeline, block.halts
        assert timeline is not None  # noqa: S101  # asked by the caller
        assert halts is not None  # noqa: S101  # goes with it
        time = timeline.step * self._step
        market_time = time if self._hours is None else self._hours.to_market(time)
        at = timeline.symbol, timeline.step - begin // self._step
        return np.stack((market_time, timeline.symbol, timeline.condition, timeline.price, halts.lower[at], halts.upper[at]))
