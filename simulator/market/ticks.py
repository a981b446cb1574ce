"""Tick sizes by price band, as exchanges and regulators set them: the higher the price, the coarser the tick."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@final
class TickBands:
    """Rounds prices to the tick of the band that they lie in.

    Source of the idea: SEC Rule 612 (no finer than 0.01 from 1.00 on); MiFID II RTS 11, annex.

    Args:
        bands: (lowest price, tick) of each band, in units of 10^-price_decimals, by price; below the first band prices stay as
            they are.
    """

    def __init__(self, bands: list[tuple[int, int]]) -> None:
        self._from: Integers = np.array([low for low, _ in bands], dtype=np.int64)
        self._tick: Integers = np.array([1, *(tick for _, tick in bands)], dtype=np.int64)

    def nearest(self, prices: Integers) -> Integers:
        """The nearest price that is allowed in the band that a price lies in; halves go up."""
        if not self._from.size:
            return prices
        tick = self._of(prices)
        rounded: Integers = (prices + tick // 2) // tick * tick
        return np.where(rounded < prices, self.floor(rounded), self.ceiling(rounded))

    def floor(self, prices: Integers) -> Integers:
        """The highest allowed price that is not above, for bids; across a band, perhaps one tick lower."""
        for _ in range(self._from.size):  # rounding may lead to the band below, with another tick
            prices = self._floor(prices)
        return prices

    def ceiling(self, prices: Integers) -> Integers:
        """The lowest allowed price that is not below, for asks; across a band, perhaps one tick higher."""
        for _ in range(self._from.size):  # or above
            prices = self._ceiling(prices)
        return prices

    def _floor(self, prices: Integers) -> Integers:
        tick = self._of(prices)
        return prices // tick * tick

    def _ceiling(self, prices: Integers) -> Integers:
        tick = self._of(prices)
        return -(-prices // tick) * tick

    def _of(self, prices: Integers) -> Integers:
        tick: Integers = self._tick[np.searchsorted(self._from, prices, side="right")]
        return tick
