"""The digest of a stream: ordered within a symbol, independent of the order between symbols, of batches and of the start."""

from __future__ import annotations

import hashlib
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.market.events import Events


@final
class StreamDigest:
    """A SHA-256 chain per symbol over (seq, time, price, volume) as little-endian int64, combined by name.

    Where events have them, (bid, ask, bid_size, ask_size) and the condition follow in each row.

    Times are nanoseconds from the start, so that the digest depends on seed and configuration alone.
    """

    def __init__(self, symbols: list[str]) -> None:
        self._symbols = symbols
        self._chains = [hashlib.sha256() for _ in symbols]

    def update(self, events: Events, *further: NDArray[np.int64]) -> None:
        """Add a block of events, with further columns at the end of each row."""
        by_symbol = np.argsort(events.symbol, kind="stable")
        columns = [*columns_of(events), *further]
        rows = np.stack([column[by_symbol] for column in columns], axis=1).astype("<i8", copy=False)
        ends = np.cumsum(np.bincount(events.symbol, minlength=len(self._chains))).tolist()
        start = 0
        for chain, end in zip(self._chains, ends, strict=True):
            if end > start:
                chain.update(rows[start:end].data)
            start = end

    def chains(self) -> dict[str, str]:
        """The chain of each symbol; those of workers with different symbols are one market's."""
        return {name: chain.hexdigest() for name, chain in zip(self._symbols, self._chains, strict=True)}

    def hexdigest(self) -> str:
        """The digest of all symbols; those without events count too."""
        return combined(self.chains())


def columns_of(events: Events) -> list[NDArray[np.int64]]:
    """What a digest takes of each event, one column a number."""
    columns = [events.seq, events.time, events.price, events.volume]
    if events.quotes is not None:
        columns += [events.quotes.bid, events.quotes.ask, events.quotes.bid_size, events.quotes.ask_size]
    if events.condition is not None:
        columns.append(events.condition.astype(np.int64))
    return columns


def combined(chains: dict[str, str]) -> str:
    """SHA-256 over the lines `name<TAB>chain`, sorted by name."""
    lines = sorted(f"{name}\t{chain}\n" for name, chain in chains.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
