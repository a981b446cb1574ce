"""Columns of events: what the market gives, and what encoding, answers and digest read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Quotes:
    """The best quotes around each event, both sides at least a tick apart; all columns have shape (events,).

    Attributes:
        bid: best bid, units of 10^-price_decimals.
        ask: best ask, the same unit.
        bid_size: shares bid for.
        ask_size: shares offered.
    """

    bid: Integers
    ask: Integers
    bid_size: Integers
    ask_size: Integers

    def take(self, rows: slice | Integers) -> Quotes:
        """The quotes of some events."""
        return Quotes(self.bid[rows], self.ask[rows], self.bid_size[rows], self.ask_size[rows])


@dataclass(frozen=True)
class Events:
    """Events in time order (equal times in symbol order), one row each; all columns have shape (events,).

    Attributes:
        symbol: index in the plan's list of symbols.
        seq: number of the event within its symbol, from 0.
        time: nanoseconds from the start of the market.
        price: units of 10^-price_decimals.
        volume: shares; 0 for a status event.
        quotes: of a market that publishes quotes.
        condition: codes of `conditions.Condition`, of a market that has sessions or halts.
    """

    symbol: NDArray[np.uint32]
    seq: Integers
    time: Integers
    price: Integers
    volume: Integers
    quotes: Quotes | None = None
    condition: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        """Number of events."""
        return int(self.time.size)

    def rows(self, start: int, stop: int) -> Events:
        """The events from `start` to before `stop`, as views."""
        return self.take(slice(start, stop))

    def take(self, rows: slice | Integers) -> Events:
        """Some of the events, in the order of `rows`."""
        return Events(
            self.symbol[rows],
            self.seq[rows],
            self.time[rows],
            self.price[rows],
            self.volume[rows],
            None if self.quotes is None else self.quotes.take(rows),
            None if self.condition is None else self.condition[rows],
        )


def event_times(events: Events, start: int) -> Integers:
    """Event times in microseconds since 1970, rounded down, for a market that started at `start` (the same unit)."""
    return start + events.time // 1000


def merge(events: Events, extra: Events) -> Events:
    """Both in one order: by time, then symbol, extras first."""
    if not len(extra):
        return events
    both = Events(
        np.concatenate((extra.symbol, events.symbol)),
        np.concatenate((extra.seq, events.seq)),
        np.concatenate((extra.time, events.time)),
        np.concatenate((extra.price, events.price)),
        np.concatenate((extra.volume, events.volume)),
        _joined(extra.quotes, events.quotes),
        None if events.condition is None or extra.condition is None else np.concatenate((extra.condition, events.condition)),
    )
    # lexsort is stable: what came first stays first where time and symbol are equal.
    return both.take(np.lexsort((both.symbol, both.time)))


def _joined(first: Quotes | None, second: Quotes | None) -> Quotes | None:
    if first is None or second is None:
        return None
    columns = ("bid", "ask", "bid_size", "ask_size")
    return Quotes(*(np.concatenate((getattr(first, name), getattr(second, name))) for name in columns))
