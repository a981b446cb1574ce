"""Random numbers of many streams at once, drawn ahead: a call to a stream costs as much as some hundred of its numbers."""

from __future__ import annotations

from typing import Literal, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simulator.market.grouping import ranges

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Law = Literal["exponential", "normal", "uniform"]
_METHODS = {"exponential": "standard_exponential", "normal": "standard_normal", "uniform": "random"}
# Numbers that a stream draws ahead: fewer where there are so many streams that memory counts.
_AHEAD = 512
_ALL_AHEAD = 8_000_000
# From so many numbers a stream on, the calls do not count.
_MANY = 128


def ahead_of(streams: int) -> int:
    """How many numbers each of so many streams draws ahead."""
    return max(1, min(_AHEAD, _ALL_AHEAD // max(1, streams)))


@final
class GroupedDraws:
    """Numbers of one law from several streams; each stream's come in its own order, however they are asked for.

    Args:
        streams: one a symbol.
        law: Exp(1), N(0, 1), or uniform on [0, 1).
    """

    def __init__(self, streams: list[Generator], law: Law) -> None:
        self._draw = [getattr(stream, _METHODS[law]) for stream in streams]
        width = ahead_of(len(streams))
        self._ahead = np.empty((len(streams), width))
        self._used = np.full(len(streams), width, dtype=np.int64)
        self._rows = np.arange(len(streams), dtype=np.int64)

    def take(self, counts: Integers) -> Floats:
        """The next numbers of each stream, as many as its count, one stream after the other."""
        width = self._ahead.shape[1]
        total = int(counts.sum())
        if total >= _MANY * counts.size and int(self._used.min()) == width:
            return self._directly(counts, total)
        if int(counts.max()) > width:
            return self._in_parts(counts, width)
        for row in np.flatnonzero(width - self._used < counts).tolist():
            self._fill(row)
        values: Floats = self._ahead.ravel()[ranges(self._rows * width + self._used, counts)]
        self._used += counts
        return values

    def _in_parts(self, counts: Integers, width: int) -> Floats:
        """For a few busy streams among many: what is over a row's width is drawn apart, after all of the row."""
        first = np.minimum(counts, width)
        values = np.empty(int(counts.sum()))
        starts = np.cumsum(counts) - counts
        values[ranges(starts, first)] = self.take(first)
        for row in np.flatnonzero(counts > width).tolist():
            self._draw[row](out=values[starts[row] + width : starts[row] + counts[row]])
        return values

    def _directly(self, counts: Integers, total: int) -> Floats:
        values = np.empty(total)
        start = 0
        for draw, end in zip(self._draw, np.cumsum(counts).tolist(), strict=True):
            if end > start:
                draw(out=values[start:end])
            start = end
        return values

    def _fill(self, row: int) -> None:
        """Moves a stream's unused numbers to the front, and draws the rest of its row."""
        ahead, used = self._ahead[row], int(self._used[row])
        left = ahead.size - used
        ahead[:left] = ahead[used:].copy()
        self._draw[row](out=ahead[left:])
        self._used[row] = 0
