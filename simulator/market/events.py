"""Columns of events: what the market gives, and what encoding, answers and digest read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Events:
    """Events in time order (equal times in symbol order), one row each; all columns have shape (events,).

    Attributes:
        symbol: index in the plan's list of symbols.
        seq: number of the event within its symbol, from 0.
        time: nanoseconds from the start of the market.
        price: units of 10^-price_decimals.
        volume: shares.
    """

    symbol: NDArray[np.uint32]
    seq: NDArray[np.int64]
    time: NDArray[np.int64]
    price: NDArray[np.int64]
    volume: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of events."""
        return int(self.time.size)

    def rows(self, start: int, stop: int) -> Events:
        """The events from `start` to before `stop`, as views."""
        cut = slice(start, stop)
        return Events(self.symbol[cut], self.seq[cut], self.time[cut], self.price[cut], self.volume[cut])


def event_times(events: Events, start: int) -> NDArray[np.int64]:
    """Event times in microseconds since 1970, rounded down, for a market that started at `start` (the same unit)."""
    return start + events.time // 1000
