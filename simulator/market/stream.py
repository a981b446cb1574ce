"""The market as a stream: blocks of events, in order, from a plan and its seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.market.activity import market_intensity
from simulator.market.arrivals import arrival_process
from simulator.market.arrivals.base import ArrivalProcess, Arrivals
from simulator.market.conditions import Condition, has_conditions
from simulator.market.events import Events
from simulator.market.hours import TradingHours
from simulator.market.prices import PriceBlock, Prices
from simulator.market.shards import SelectedArrivals, has_joint_arrivals, has_joint_prices, owned, select, with_symbols
from simulator.market.statuses import Statuses
from simulator.market.trades import Trades
from simulator.plan import MarketPlan, Plan

Integers = NDArray[np.int64]

# Large enough that the work per block does not count, small enough to stay in the processor's cache.
BLOCK_EVENTS = 16_384
# The work per symbol and block should not count either.
_BLOCK_EVENTS_PER_SYMBOL = 32
# Prices on the grid in a block, however few events it has: memory stays flat.
_MOST_PRICES = 2_000_000
# A block's times must leave room for the symbol's number in one 64-bit sort key.
_LONGEST_BLOCK = 1 << 44
_TIME_BITS = 45


def events_of(plan: Plan, block_events: int | None = None, worker: int = 0, workers: int = 1) -> Iterator[Events]:
    """The events of a plan in blocks of about `block_events`; how they are cut does not change them.

    Of several workers each gives its own symbols' events, the same that a single one would.
    """
    return EventBlocks(plan, block_events, worker, workers)


@final
class EventBlocks(Iterator[Events]):
    """What `events_of` gives; between two blocks it can be pickled, and goes on from there in another process."""

    def __init__(self, plan: Plan, block_events: int | None, worker: int, workers: int) -> None:
        mine = owned(plan, worker, workers)
        self._mine = None if workers == 1 else mine.astype(np.uint32)
        self._wanted = block_events or max(BLOCK_EVENTS, _BLOCK_EVENTS_PER_SYMBOL * mine.size)
        duration = None if plan.duration is None else plan.duration * 1000
        self._market = Market(plan.market, plan.seed, duration, mine) if mine.size else None

    def __next__(self) -> Events:
        if self._market is None or self._market.finished:
            raise StopIteration
        events = self._market.advance(self._wanted)
        return events if self._mine is None else replace(events, symbol=self._mine[events.symbol])


@final
class Market:
    """The state of a market: prices on their grid, arrivals, sizes and counters.

    All runs in trading time, in which closed hours do not exist; events get the market's time.

    Args:
        plan: of the market.
        seed: of all streams.
        duration: nanoseconds of market time; None: without end.
        mine: places of the symbols whose events are wanted, in order.
    """

    def __init__(self, plan: MarketPlan, seed: int, duration: int | None, mine: Integers) -> None:
        self._mine = mine
        self._selects_prices = has_joint_prices(plan) and mine.size < len(plan.symbols)
        own = with_symbols(plan, mine)
        self._step = plan.dynamics.step_in_nanoseconds
        self._rate = sum(symbol.rate for symbol in own.symbols)
        self._hours = None if plan.session is None else TradingHours(plan.session)
        self._end = self._trading_time(duration) if duration is not None else self._hours and self._hours.total
        self._prices = Prices(plan if self._selects_prices else own, seed, self._step, self._trading_time)
        self._arrivals = self._arrival_process(plan, own, seed)
        self._trades = Trades(own, seed)
        told = has_conditions(plan.session, plan.halts.kind)
        self._statuses = Statuses(own, self._hours, duration, self._step, self._trades) if told else None
        self._next_seq: NDArray[np.int64] = np.zeros(mine.size, dtype=np.int64)
        self._now = 0

    def _arrival_process(self, plan: MarketPlan, own: MarketPlan, seed: int) -> ArrivalProcess:
        drawn = plan if has_joint_arrivals(plan) else own
        process = arrival_process(
            drawn.arrivals,
            [symbol.name for symbol in drawn.symbols],
            np.array([symbol.rate for symbol in drawn.symbols]),
            rotating=drawn.rotating,
            duration_ns=self._end,
            seed=seed,
            intensity=market_intensity(plan.shocks, plan.session),
        )
        return SelectedArrivals(process, self._mine) if len(drawn.symbols) > self._mine.size else process

    @property
    def finished(self) -> bool:
        """Whether there are no more events."""
        return self._end is not None and self._now >= self._end

    def _trading_time(self, market_time: int) -> int:
        return market_time if self._hours is None else self._hours.trading_time_before(market_time)

    def advance(self, block_events: int) -> Events:
        """The next stretch of whole grid steps with about `block_events` events."""
        if self._statuses is not None and self._statuses.is_opening(self._now // self._step):
            self._prices.reopen()
        steps = self._steps(block_events)
        begin, self._now = self._now, self._now + steps * self._step
        block = self._prices.advance(steps)
        if self._selects_prices:
            block = select(block, self._mine)
        arrivals = self._arrivals.until(self._now if self._end is None else min(self._now, self._end))
        events = self._trade(begin, block, arrivals)
        if self._statuses is not None:
            events = self._statuses.join(events, begin, block, last=self.finished)
        return self._numbered(events)

    def _steps(self, block_events: int) -> int:
        wanted = int(block_events / (self._rate * self._step * 1e-9))
        longest = min(_LONGEST_BLOCK // self._step, _MOST_PRICES // self._mine.size)
        left = longest if self._end is None else -(-(self._end - self._now) // self._step)
        if self._statuses is not None:
            # The session's opening begins a block: halts and references begin afresh there.
            left = min(left, self._statuses.steps_to_opening(self._now // self._step))
        return max(1, min(wanted, longest, left))

    def _trade(self, begin: int, block: PriceBlock, arrivals: Arrivals) -> Events:
        """Events grouped by symbol, merged in time order; without those that a halt forbids."""
        symbol_of = np.repeat(np.arange(arrivals.counts.size, dtype=np.uint64), arrivals.counts)
        # One key for time and symbol: plain sorting of integers is many times faster than sorting rows.
        keys = (arrivals.times - begin).astype(np.uint64) << np.uint64(64 - _TIME_BITS) | symbol_of
        keys.sort()
        time: NDArray[np.int64] = (keys >> np.uint64(64 - _TIME_BITS)).astype(np.int64)
        symbol = (keys & np.uint64((1 << (64 - _TIME_BITS)) - 1)).astype(np.uint32)
        order = _places(symbol, arrivals.counts.size)
        step = time // self._step
        price, volume, quotes = self._trades.at(symbol, step, block, arrivals.counts, order)
        time += begin
        market_time = time if self._hours is None else self._hours.to_market(time)
        condition = None if self._statuses is None else np.full(symbol.size, Condition.REGULAR, dtype=np.uint8)
        events = Events(symbol, order, market_time, price, volume, quotes, condition)
        return events if block.halts is None else events.take(np.flatnonzero(block.halts.trading[symbol, step]))

    def _numbered(self, events: Events) -> Events:
        """With the next `seq` of each symbol."""
        counts = np.bincount(events.symbol, minlength=self._next_seq.size)
        first = self._next_seq - (np.cumsum(counts) - counts)
        self._next_seq = self._next_seq + counts
        numbers = np.arange(len(events), dtype=np.int64) + np.repeat(first, counts)
        # The places by symbol are known, unless a halt took events away or statuses came in.
        order = events.seq if self._statuses is None else _places(events.symbol, counts.size)
        return replace(events, seq=numbers[order])


def _places(symbol: NDArray[np.uint32], count: int) -> Integers:
    """The place of each event when they are grouped by symbol, each symbol's in their order."""
    places = np.empty(symbol.size, dtype=np.int64)
    grouping = np.argsort(symbol.astype(np.uint16) if count <= 1 << 16 else symbol, kind="stable")
    places[grouping] = np.arange(symbol.size, dtype=np.int64)
    return places
