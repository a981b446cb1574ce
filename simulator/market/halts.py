"""Which prices trade: limit states, trading pauses and market-wide halts, block by block on the grid of prices.

The rules, their sources and what is simplified are in `rules`; a symbol's states in `pauses`. A market-wide halt takes the place
of them all: every symbol is halted, and reopens with an auction at its end. Steps are handled in stretches between two renewals
of the references; in each, only symbols that are halted or near a band are looked at one by one.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.bands import Bands
from simulator.market.circuit import CircuitBreaker
from simulator.market.conditions import Condition
from simulator.market.pauses import Pauses, Stretch
from simulator.market.rules import Halting, LimitUpLimitDown, NoHalts, rules_on_grid
from simulator.market.timeline import Recorder, Timeline

__all__ = ["HaltBlock", "Halting", "Halts", "LimitUpLimitDown", "NoHalts", "Stretch", "Timeline"]

Integers = NDArray[np.int64]

_ALL = slice(None)


class HaltBlock(NamedTuple):
    """What a block of prices became, and the statuses and reopening auctions in it."""

    grid: Stretch
    events: Timeline


@final
class Halts:
    """The trading status of every symbol; it only moves forward, and pieces do not change it."""

    def __init__(self, symbol_count: int, parameters: LimitUpLimitDown, step_ns: int) -> None:
        rules = rules_on_grid(parameters, step_ns)
        self._update = rules.update
        self._recorder = Recorder(symbol_count)
        self._bands = Bands(symbol_count, rules.band, rules.buckets)
        self._pauses = Pauses(rules, self._bands, self._recorder)
        self._circuit = CircuitBreaker(rules.levels)
        self._now = 0
        self._opening: int | None = None
        self._market_until: int | None = None

    def reopen(self) -> None:
        """The next step is a session's opening: nobody is halted, and the prices at it are the references."""
        self._opening = None
        self._market_until = None
        self._pauses.clear()
        self._circuit.reopen()

    def advance(self, prices: Integers, levels: Integers) -> HaltBlock:
        """The next steps of one session, at least one.

        Args:
            prices: latent prices in ticks, at least 1, shape (symbols, steps).
            levels: latent log prices in fixed point, shape (symbols, steps).
        """
        begin, end = self._now, self._now + prices.shape[1]
        grid = Stretch(prices.copy(), np.ones(prices.shape, dtype=bool), np.empty_like(prices), np.empty_like(prices))
        if self._opening is None:
            self._opening = begin
            self._bands.restart(_ALL, prices[:, 0])
        stops = {stop.begin: stop.end for stop in self._circuit.stops(begin, levels)}
        while self._now < end:
            self._turn(grid.prices[:, self._now - begin], self._now - self._opening, stops)
            until = min(end, self._next_turn(self._now - self._opening, stops))
            self._pass(grid.part((_ALL, slice(self._now - begin, until - begin))))
            self._now = until
        return HaltBlock(grid, self._recorder.take())

    def _next_turn(self, age: int, stops: dict[int, int]) -> int:
        """The next step, after the present one, at which something happens to all symbols at once."""
        turns = [self._now + self._update - age % self._update]
        turns += [step for step in stops if step > self._now]
        turns += [] if self._market_until is None else [self._market_until]
        return min(turns)

    def _turn(self, prices: Integers, age: int, stops: dict[int, int]) -> None:
        """What happens to all symbols at the present step: new references, or the market halts or opens again."""
        if age and age % self._update == 0:
            self._bands.renew(self._pauses.frozen())
        if self._market_until == self._now:
            self._market_until = None
            self._bands.restart(_ALL, prices)
            self._recorder.tell_all(self._now, Condition.REOPENING_AUCTION, prices)
            self._recorder.tell_all(self._now, Condition.RESUMED, prices)
        if self._now in stops:
            self._market_until = stops[self._now]
            self._pauses.clear()
            self._recorder.tell_all(self._now, Condition.MARKET_HALTED, self._bands.held(_ALL, prices))

    def _pass(self, stretch: Stretch) -> None:
        """Steps between two turns, in place."""
        stretch.lower[:] = self._bands.lower[:, None]
        stretch.upper[:] = self._bands.upper[:, None]
        if self._market_until is not None:
            stretch.trading[:] = False
            return
        prices = stretch.prices
        near = self._pauses.busy()
        near |= prices.min(axis=1) <= self._bands.lower
        near |= prices.max(axis=1) >= self._bands.upper
        self._bands.add(_ALL, np.where(near, 0, prices.sum(axis=1)), np.where(near, 0, prices.shape[1]))
        for symbol in np.flatnonzero(near).tolist():
            self._pauses.follow(symbol, self._now, stretch.part(symbol))
