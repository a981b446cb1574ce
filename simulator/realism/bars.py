"""One-minute bars of a stream, in one pass; memory grows with minutes and symbols, never with events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from simulator.market.events import Events
from simulator.realism.statistics import Floats, Integers

MINUTE = 60_000_000_000
# A silence of the whole market longer than this is a closed market: the next minute opens a new session.
CLOSED_MINUTES = 30
# Gaps between trades are kept for a few symbols only, and so many of each at most.
GAP_SYMBOLS = 5
GAPS_OF_A_SYMBOL = 20_000


@dataclass(frozen=True)
class Bars:
    """Bars of whole minutes, one row a symbol, one column a minute in which the market was open.

    Attributes:
        session: number of each minute's session, from 0; shape (minutes,).
        price: last mid price (or trade price) before each minute's end, NaN before a symbol's first event.
        volume: shares traded in each minute.
        trades: trades in each minute.
        gaps: seconds between successive trades of one symbol in one session, an array for each of a few symbols.
    """

    session: Integers
    price: Floats
    volume: Floats
    trades: Integers
    gaps: Sequence[Floats]

    @property
    def returns(self) -> Floats:
        """Log returns ln(p_t / p_(t-1)), shape of `price`; NaN over a session's first minute: no return spans a closed market."""
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.diff(np.log(self.price), axis=1, prepend=np.nan)
        change[:, np.diff(self.session, prepend=-1) != 0] = np.nan
        return change


@final
class BarBuilder:
    """Takes blocks of events in time order and gives their bars.

    The price is the mid (bid + ask) / 2 where events carry quotes, so that no bid-ask bounce is measured; else the trade price.
    Events of volume 0 tell of a status and are no trades.
    """

    def __init__(self, symbols: int) -> None:
        self._last_price = np.full(symbols, np.nan)
        self._volume = np.zeros(symbols)
        self._trades = np.zeros(symbols, dtype=np.int64)
        self._minute: int | None = None
        self._columns: list[tuple[int, Floats, Floats, Integers]] = []
        watched = np.unique(np.linspace(0, symbols - 1, min(symbols, GAP_SYMBOLS)).astype(np.int64)).tolist()
        self._last_time: dict[int, int | None] = dict.fromkeys(watched)
        self._gaps: dict[int, list[Integers]] = {symbol: [] for symbol in watched}

    def update(self, events: Events) -> None:
        """Add a block; blocks come in time order."""
        traded = events.volume > 0
        symbol, time, volume = events.symbol[traded].astype(np.int64), events.time[traded], events.volume[traded]
        price = _reference_price(events)[traded]
        minutes = time // MINUTE
        starts = np.flatnonzero(np.diff(minutes, prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), time.size], strict=True):
            self._move_to(int(minutes[start]))
            cut = slice(start, stop)
            self._last_price[symbol[cut]] = price[cut]  # of repeated symbols, the last one stays
            self._volume += np.bincount(symbol[cut], weights=volume[cut], minlength=self._volume.size)
            self._trades += np.bincount(symbol[cut], minlength=self._trades.size)
        for watched in self._gaps:
            self._watch(watched, time[symbol == watched])

    def bars(self, end: int) -> Bars:
        """The bars of all whole minutes before `end` (nanoseconds of market time)."""
        self._move_to(end // MINUTE)
        minutes = np.array([column[0] for column in self._columns], dtype=np.int64)
        shape = (self._volume.size, 0)
        return Bars(
            session=np.cumsum(np.diff(minutes, prepend=minutes[:1]) > CLOSED_MINUTES),
            price=np.stack([column[1] for column in self._columns], axis=1) if self._columns else np.zeros(shape),
            volume=np.stack([column[2] for column in self._columns], axis=1) if self._columns else np.zeros(shape),
            trades=np.stack([column[3] for column in self._columns], axis=1) if self._columns else np.zeros(shape, np.int64),
            gaps=[np.concatenate(gaps).astype(np.float64) * 1e-9 for gaps in self._gaps.values() if gaps],
        )

    def _move_to(self, minute: int) -> None:
        """Close the bars before `minute`; quiet minutes repeat the price, a closed market has none."""
        if self._minute is None:
            self._minute = minute
        if minute <= self._minute:
            return
        self._columns.append((self._minute, self._last_price.copy(), self._volume, self._trades))
        if minute - self._minute <= CLOSED_MINUTES:
            for quiet in range(self._minute + 1, minute):
                nothing = np.zeros_like(self._volume)
                self._columns.append((quiet, self._last_price.copy(), nothing, nothing.astype(np.int64)))
        self._minute, self._volume, self._trades = minute, np.zeros_like(self._volume), np.zeros_like(self._trades)

    def _watch(self, symbol: int, times: Integers) -> None:
        kept = self._gaps[symbol]
        if not times.size or sum(gaps.size for gaps in kept) >= GAPS_OF_A_SYMBOL:
            return
        last = self._last_time[symbol]
        gaps = np.diff(times) if last is None else np.diff(times, prepend=last)
        kept.append(gaps[gaps <= CLOSED_MINUTES * MINUTE][: GAPS_OF_A_SYMBOL - sum(gaps.size for gaps in kept)])
        self._last_time[symbol] = int(times[-1])


def _reference_price(events: Events) -> Floats:
    quotes = events.quotes
    return events.price.astype(np.float64) if quotes is None else (quotes.bid + quotes.ask) / 2.0
