"""Market-wide circuit breakers: when the whole market stops, from the mean of all log levels."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.exact import FRACTION_BITS
from simulator.market.rules import INDEX_BITS, Level

NEVER = 1 << 62


class Stop(NamedTuple):
    """A halt of the whole market in grid steps [begin, end)."""

    begin: int
    end: int


def index_of(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The geometric index: floor of the mean over symbols of log levels (symbols, steps), multiples of 2**-20."""
    index: NDArray[np.int64] = (levels >> (FRACTION_BITS - INDEX_BITS)).sum(axis=0) // levels.shape[0]
    return index


@final
class CircuitBreaker:
    """Each level counts once a session; a deeper one counts again from the step after a halt's end."""

    def __init__(self, levels: tuple[Level, ...]) -> None:
        self._levels = levels
        self.reopen()

    def reopen(self) -> None:
        """The next step is a session's opening."""
        self._opening: int | None = None
        self._next = 0
        self._watch_from = 0

    def stops(self, begin: int, levels: NDArray[np.int64]) -> list[Stop]:
        """The halts that begin within these steps, the first of which is grid step `begin`."""
        if not self._levels:
            return []
        index = index_of(levels)
        if self._opening is None:
            self._opening = int(index[0])
        index -= self._opening
        found: list[Stop] = []
        while self._next < len(self._levels):
            skipped = max(0, self._watch_from - begin)
            fallen = np.flatnonzero(index[skipped:] <= self._levels[self._next].threshold)
            if not fallen.size:
                break
            at = skipped + int(fallen[0])
            found.append(self._stop(begin + at, int(index[at])))
        return found

    def _stop(self, begin: int, index: int) -> Stop:
        """The halt of the deepest level that the market has fallen to."""
        deepest = max(number for number, level in enumerate(self._levels) if index <= level.threshold)
        pause = self._levels[deepest].pause
        self._next = deepest + 1
        end = NEVER if pause is None else begin + pause
        self._watch_from = end + 1
        return Stop(begin, end)
