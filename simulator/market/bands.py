"""Price bands around a reference: the mean of the preceding window, from sums by bucket of time, in integers."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.market.rules import MILLION

Integers = NDArray[np.int64]


@final
class Bands:
    """References and bands of all symbols; every array has shape (symbols,), the buckets (buckets, symbols).

    A band is reference +- max(1, floor(reference * band)), in the unit of the prices. Sums are exact while the sum of a window's
    prices is below 2**63.
    """

    def __init__(self, symbol_count: int, band: int, buckets: int) -> None:
        self._band = band
        self._sums = np.zeros((buckets, symbol_count), dtype=np.int64)
        self._counts = np.zeros((buckets, symbol_count), dtype=np.int64)
        self._slot = 0
        self.reference: Integers = np.ones(symbol_count, dtype=np.int64)
        self.lower: Integers = np.zeros(symbol_count, dtype=np.int64)
        self.upper: Integers = np.full(symbol_count, 2, dtype=np.int64)

    def inside(self, symbols: slice | int, prices: Integers) -> NDArray[np.bool_]:
        """Whether prices lie between the bands, not at one."""
        between: NDArray[np.bool_] = (prices > self.lower[symbols]) & (prices < self.upper[symbols])
        return between

    def held(self, symbols: slice | int, prices: Integers) -> Integers:
        """Prices between the bands or at one."""
        clipped: Integers = np.clip(prices, self.lower[symbols], self.upper[symbols])
        return clipped

    def restart(self, symbols: slice | int, prices: Integers | int) -> None:
        """A new reference for some symbols, with nothing before it."""
        self._sums[:, symbols] = 0
        self._counts[:, symbols] = 0
        self._set(symbols, prices)

    def add(self, symbols: slice | int, sums: Integers | int, counts: Integers | int) -> None:
        """Sums and numbers of prices that count for the reference."""
        self._sums[self._slot, symbols] += sums
        self._counts[self._slot, symbols] += counts

    def renew(self, frozen: NDArray[np.bool_]) -> None:
        """The reference becomes the rounded mean of the window, but for frozen symbols and those without a price in it."""
        sums, counts = self._sums.sum(axis=0), self._counts.sum(axis=0)
        known = (counts > 0) & ~frozen
        counts = np.maximum(counts, 1)
        self._set(slice(None), np.where(known, (2 * sums + counts) // (2 * counts), self.reference))
        self._slot = (self._slot + 1) % len(self._sums)
        self._sums[self._slot] = 0
        self._counts[self._slot] = 0

    def _set(self, symbols: slice | int, prices: Integers | int) -> None:
        # floor(price * band / 10**6) in two parts, so that no product leaves int64.
        whole, rest = prices // MILLION, prices % MILLION
        width = np.maximum(whole * self._band + rest * self._band // MILLION, 1)
        self.reference[symbols] = prices
        self.lower[symbols] = prices - width
        self.upper[symbols] = prices + width
