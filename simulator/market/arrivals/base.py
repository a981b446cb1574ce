"""What every arrival process is: the times of each symbol's events, in integer nanoseconds from the start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulator.market.grouping import ranges
from simulator.market.intensity import Intensity
from simulator.parameters import Parameters

Integers = NDArray[np.int64]


class ArrivalParameters(Parameters):
    """Keys that every option of `conf/arrivals` has."""

    rate: Annotated[float, Field(gt=0, le=100_000_000)] | None

    def intensity(self, duration: int | None) -> Intensity | None:  # noqa: ARG002  # for those that have a shape
        """The option's own relative intensity over a run of so many nanoseconds; None: constant."""
        return None


@dataclass(frozen=True)
class Arrivals:
    """Event times grouped by symbol.

    Attributes:
        times: nanoseconds from the start; the first symbol's in order, then the second's, and so on.
        counts: number of events of each symbol, shape (symbols,).
    """

    times: Integers
    counts: Integers


class ArrivalProcess(ABC):
    """A point process for each symbol; it only moves forward, and pieces do not change it."""

    @abstractmethod
    def until(self, end: int) -> Arrivals:
        """The events from where the last call stopped to before `end` (nanoseconds from the start)."""


@final
class TimeChangedArrivals(ArrivalProcess):
    """A process that runs in operational time: with rate r and intensity g it has r g(t) events a second at time t."""

    def __init__(self, process: ArrivalProcess, intensity: Intensity) -> None:
        self._process = process
        self._intensity = intensity

    def until(self, end: int) -> Arrivals:  # noqa: D102  # inherited
        arrivals = self._process.until(self._intensity.operational_end(end))
        return Arrivals(self._intensity.inverse(arrivals.times), arrivals.counts)


class BufferedArrivals(ArrivalProcess):
    """Draws each symbol's times ahead, in portions as large as the process likes, and gives out what is due.

    Portions lie one after the other in one array, each symbol's unread times as one slice of it: the work per symbol and call
    is the process's own draw, if one is needed, and elements of a few vectorised operations.
    """

    def __init__(self, symbol_count: int) -> None:
        self._known: Integers = np.zeros(symbol_count, dtype=np.int64)
        """Each symbol's events before this time are drawn."""
        self._buffer: Integers = np.zeros(1, dtype=np.int64)
        self._used = 0
        self._head: Integers = np.zeros(symbol_count, dtype=np.int64)
        self._stop: Integers = np.zeros(symbol_count, dtype=np.int64)

    @abstractmethod
    def _draw(self, short: Integers, end: int) -> tuple[Integers, Integers]:
        """The next times of the symbols with these numbers, grouped by symbol, and their counts; raises each one's `_known`."""

    def until(self, end: int) -> Arrivals:  # noqa: D102  # inherited
        while (short := np.flatnonzero(self._known < end)).size:
            self._store(short, *self._draw(short, end))
        cut = self._first_due_later(end)
        counts = cut - self._head
        due = self._buffer[ranges(self._head, counts)]
        self._head = cut
        return Arrivals(due, counts)

    def _store(self, short: Integers, times: Integers, counts: Integers) -> None:
        """Appends these symbols' unread times, each followed by its new ones."""
        unread = self._stop[short] - self._head[short]
        old = self._buffer[ranges(self._head[short], unread)]
        both = unread + counts
        if self._used + int(both.sum()) > self._buffer.size:
            self._tidy(short, int(both.sum()))
        place = self._buffer[self._used : self._used + int(both.sum())]
        is_new = np.repeat(np.tile([False, True], short.size), np.column_stack((unread, counts)).ravel())
        place[is_new] = times
        place[~is_new] = old
        self._stop[short] = self._used + np.cumsum(both)
        self._head[short] = self._stop[short] - both
        self._used += place.size

    def _tidy(self, moving: Integers, more: int) -> None:
        """A buffer with the unread times of the symbols that are not about to move, and as much room again."""
        counts = self._stop - self._head
        counts[moving] = 0
        kept = self._buffer[ranges(self._head, counts)]
        self._buffer = np.empty(2 * (kept.size + more), dtype=np.int64)
        self._buffer[: kept.size] = kept
        self._stop = np.cumsum(counts)
        self._head = self._stop - counts
        self._used = kept.size

    def _first_due_later(self, end: int) -> Integers:
        """Where each symbol's times reach `end`: binary search in all slices at once."""
        low, high = self._head.copy(), self._stop.copy()
        for _ in range(int((high - low).max()).bit_length()):
            middle = (low + high) >> 1
            # An empty slice may lie behind the last element.
            before = (self._buffer.take(middle, mode="clip") < end) & (low < high)
            low = np.where(before, middle + 1, low)
            high = np.where(before, high, middle)
        return low
