"""Events that no arrival process makes: the session's phases and auctions, halts and reopenings."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.conditions import Condition
from simulator.market.events import Events, Quotes

if TYPE_CHECKING:
    from simulator.market.hours import Phase, TradingHours
    from simulator.market.prices import PriceBlock
    from simulator.market.trades import Trades
    from simulator.plan import MarketPlan

Integers = NDArray[np.int64]

# Of markets without auctions of their own: a reopening is one trade of mean size.
_PLAIN_REOPENING = 1.0
_WITHOUT_END = 2**62


@final
class Statuses:
    """Emits each status and auction once, however blocks are cut.

    Args:
        market: the plan's market.
        hours: of trading; None: always.
        duration: nanoseconds of market time; None: without end.
        step: of the grid, nanoseconds.
    """

    def __init__(self, market: MarketPlan, hours: TradingHours | None, duration: int | None, step: int) -> None:
        self._count = len(market.symbols)
        self._hours, self._duration, self._step = hours, duration, step
        self._multiples = np.zeros(256)
        self._multiples[Condition.REOPENING_AUCTION] = _PLAIN_REOPENING
        if market.session is not None:
            self._multiples[Condition.OPENING_AUCTION] = market.session.opening_auction
            self._multiples[Condition.REOPENING_AUCTION] = market.session.opening_auction or _PLAIN_REOPENING
            self._multiples[Condition.CLOSING_AUCTION] = market.session.closing_auction
        self._told = 0
        self._last: Integers = np.array([round(symbol.opening_ticks) for symbol in market.symbols], dtype=np.int64)
        self._last_trading: NDArray[np.bool_] = np.ones(self._count, dtype=bool)

    def is_opening(self, step: int) -> bool:
        """Whether a session opens at a grid step; an opening between two grid points is at the later one."""
        return self._hours is not None and self._opening_step_from(step) == step

    def steps_to_opening(self, step: int) -> int:
        """Grid steps to the next opening after `step`."""
        return self._opening_step_from(step + 1) - step

    def _opening_step_from(self, step: int) -> int:
        opening = None if self._hours is None else self._hours.next_opening(max(0, (step - 1) * self._step + 1))
        return _WITHOUT_END if opening is None else -(-opening // self._step)

    def take(self, begin: int, block: PriceBlock, trades: Trades, *, last: bool) -> Events:
        """The statuses and auctions of a block that begins at trading time `begin`; of the last: all up to the run's end."""
        rows = [self._of_phase(phase, begin, block) for phase in self._phases(begin, block, last=last)]
        if block.timeline is not None:
            rows.append(self._of_halts(block))
        self._last = np.rint(block.ticks[:, -1]).astype(np.int64)
        if block.halts is not None:
            self._last_trading = block.halts.trading[:, -1]
        time, symbol, condition, ticks = np.concatenate([np.zeros((4, 0), dtype=np.int64), *rows], axis=1)
        price, volume, quotes = trades.print_at(symbol.astype(np.uint32), ticks, self._multiples[condition])
        return Events(symbol.astype(np.uint32), symbol, time, price, volume, quotes, condition.astype(np.uint8))

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
        ticks = self._last if place < 0 else np.rint(block.ticks[:, min(place, block.ticks.shape[1] - 1)]).astype(np.int64)
        same = np.ones(self._count, dtype=np.int64)
        rows = np.stack((same * phase.time, np.arange(self._count), same * int(phase.condition), ticks))
        if phase.condition != Condition.CLOSING_AUCTION or block.halts is None:
            return rows
        # Who is halted at the close has no closing auction. A close may be the end of the block before.
        return rows[:, self._last_trading if place < 0 else block.halts.trading[:, place]]

    def _of_halts(self, block: PriceBlock) -> Integers:
        timeline = block.timeline
        assert timeline is not None  # noqa: S101  # asked by the caller
        time = timeline.step * self._step
        market_time = time if self._hours is None else self._hours.to_market(time)
        return np.stack((market_time, timeline.symbol, timeline.condition, timeline.price))


def merge(events: Events, extra: Events) -> Events:
    """Both in one order: by time, then symbol, extras first."""
    if not len(extra):
        return events
    both = Events(
        np.concatenate((extra.symbol, events.symbol)),
        np.concatenate((extra.seq, events.seq)),
        np.concatenate((extra.time, events.time)),
        np.concatenate((extra.price, events.price)),
        np.concatenate((extra.volume, events.volume)),
        _joined(extra.quotes, events.quotes),
        None if events.condition is None or extra.condition is None else np.concatenate((extra.condition, events.condition)),
    )
    # lexsort is stable: what came first stays first where time and symbol are equal.
    return both.take(np.lexsort((both.symbol, both.time)))


def _joined(first: Quotes | None, second: Quotes | None) -> Quotes | None:
    if first is None or second is None:
        return None
    columns = ("bid", "ask", "bid_size", "ask_size")
    return Quotes(*(np.concatenate((getattr(first, name), getattr(second, name))) for name in columns))
