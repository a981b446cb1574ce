"""The events that halts give: statuses and reopening auctions on the grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.market.conditions import Condition

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """Events by grid step, then by symbol, then as they happened; all columns have shape (events,).

    Attributes:
        step: grid step, counted from the start of the market.
        symbol: index of the symbol.
        condition: its `Condition`.
        price: the auction's price, or the one that counts at the change of status; the unit of the prices.
    """

    step: Integers
    symbol: Integers
    condition: Integers
    price: Integers


@final
class Recorder:
    """Collects events in any order of symbols."""

    def __init__(self, symbol_count: int) -> None:
        self._symbols = np.arange(symbol_count, dtype=np.int64)
        self._rows: list[tuple[int, int, int, int]] = []
        self._blocks: list[Integers] = []

    def tell(self, step: int, symbol: int, condition: Condition, price: int) -> None:
        """An event of one symbol."""
        self._rows.append((step, symbol, int(condition), price))

    def tell_all(self, step: int, condition: Condition, prices: Integers) -> None:
        """An event of every symbol; prices have shape (symbols,)."""
        same = np.ones_like(self._symbols)
        self._flush()
        self._blocks.append(np.stack((same * step, self._symbols, same * int(condition), prices)))

    def take(self) -> Timeline:
        """All events since the last call."""
        self._flush()
        rows = np.concatenate([np.zeros((4, 0), dtype=np.int64), *self._blocks], axis=1)
        self._blocks = []
        return Timeline(*rows[:, np.lexsort((rows[1], rows[0]))])

    def _flush(self) -> None:
        if self._rows:
            self._blocks.append(np.array(self._rows, dtype=np.int64).T)
            self._rows = []
