"""Limit states and trading pauses, symbol by symbol: a state machine that goes from one change of state to the next.

A symbol is normal, in a limit state, or halted. A price at or over its band begins a limit state: trades are held at the band,
and the band stands still. A price back inside, up to the end of the limit state, ends it; else trading pauses, and begins again
with an auction at the price of that instant, which is the new reference.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.bands import Bands
from simulator.market.conditions import Condition
from simulator.market.rules import Rules
from simulator.market.timeline import Recorder

Integers = NDArray[np.int64]

_NORMAL, _LIMIT, _HALTED = range(3)


class Stretch(NamedTuple):
    """Steps of the grid, for some symbols or one; all arrays have the same shape, (symbols, steps) or (steps,).

    Attributes:
        prices: inside the bands or at one, wherever there is trading.
        trading: False while trading stops.
        lower: the lower band.
        upper: the upper band.
    """

    prices: Integers
    trading: NDArray[np.bool_]
    lower: Integers
    upper: Integers

    def part(self, place: int | Integers | tuple[slice, slice]) -> Stretch:
        """A symbol's row, some symbols' rows, or a stretch of steps."""
        return Stretch(self.prices[place], self.trading[place], self.lower[place], self.upper[place])


@final
class Pauses:
    """The state of every symbol; arrays of shape (symbols,)."""

    def __init__(self, rules: Rules, bands: Bands, recorder: Recorder) -> None:
        count = bands.reference.size
        self._rules, self._bands, self._recorder = rules, bands, recorder
        self._state = np.full(count, _NORMAL, dtype=np.int8)
        self._until = np.zeros(count, dtype=np.int64)

    def clear(self) -> None:
        """Every symbol is normal."""
        self._state[:] = _NORMAL

    def frozen(self) -> NDArray[np.bool_]:
        """Whose reference stands still."""
        limited: NDArray[np.bool_] = self._state == _LIMIT
        return limited

    def busy(self) -> NDArray[np.bool_]:
        """Who must be followed, whatever the prices."""
        other: NDArray[np.bool_] = self._state != _NORMAL
        return other

    def follow(self, symbol: int, now: int, stretch: Stretch) -> None:
        """One symbol's steps from grid step `now`, in place. Its band does not change but at a reopening."""
        at = 0
        while at < stretch.prices.size:
            state = self._state[symbol]
            if state == _NORMAL:
                at = self._trade(symbol, now, stretch.prices, at)
            elif state == _LIMIT:
                at = self._hold(symbol, now, stretch.prices, at)
            else:
                at = self._wait(symbol, now, stretch, at)

    def _trade(self, symbol: int, now: int, prices: Integers, at: int) -> int:
        """Normal trading up to the first price at or over the band."""
        outside = np.flatnonzero(~self._bands.inside(symbol, prices[at:]))
        stop = at + int(outside[0]) if outside.size else prices.size
        self._bands.add(symbol, int(prices[at:stop].sum()), stop - at)
        if stop < prices.size:
            self._enter(symbol, _LIMIT, now + stop + self._rules.limit_state)
            self._recorder.tell(now + stop, symbol, Condition.LIMIT_STATE, self._held(symbol, prices[stop]))
        return stop

    def _hold(self, symbol: int, now: int, prices: Integers, at: int) -> int:
        """Trades at the band, up to a price inside it or the end of the limit state."""
        last = int(self._until[symbol]) - now
        inside = np.flatnonzero(self._bands.inside(symbol, prices[at : last + 1]))
        stop = at + int(inside[0]) if inside.size else min(last, prices.size)
        prices[at:stop] = self._bands.held(symbol, prices[at:stop])
        self._bands.add(symbol, int(prices[at:stop].sum()), stop - at)
        if inside.size:
            self._enter(symbol, _NORMAL, 0)
            self._recorder.tell(now + stop, symbol, Condition.LIMIT_STATE_ENDED, int(prices[stop]))
        elif last < prices.size:
            self._enter(symbol, _HALTED, now + stop + self._rules.pause)
            self._recorder.tell(now + stop, symbol, Condition.HALTED, self._held(symbol, prices[stop]))
        return stop

    def _wait(self, symbol: int, now: int, stretch: Stretch, at: int) -> int:
        """No trades up to the end of the pause, then an auction."""
        last = int(self._until[symbol]) - now
        stop = min(last, stretch.prices.size)
        stretch.trading[at:stop] = False
        if last < stretch.prices.size:
            price = int(stretch.prices[stop])
            self._bands.restart(symbol, price)
            stretch.lower[stop:] = self._bands.lower[symbol]
            stretch.upper[stop:] = self._bands.upper[symbol]
            self._enter(symbol, _NORMAL, 0)
            self._recorder.tell(now + stop, symbol, Condition.REOPENING_AUCTION, price)
            self._recorder.tell(now + stop, symbol, Condition.RESUMED, price)
        return stop

    def _enter(self, symbol: int, state: int, until: int) -> None:
        self._state[symbol] = state
        self._until[symbol] = until

    def _held(self, symbol: int, price: Integers) -> int:
        return int(self._bands.held(symbol, price))
