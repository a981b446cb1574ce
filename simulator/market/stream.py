"""The market as a stream: blocks of events, in order, from a plan and its seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simulator.market.arrivals import arrival_process
from simulator.market.arrivals.base import Arrivals
from simulator.market.dynamics import latent_path
from simulator.market.events import Events
from simulator.market.exact import exponential_of_fixed_point
from simulator.plan import MarketPlan, Plan
from simulator.seeding import Draws, streams

# Large enough that the work per block does not count, small enough to stay in the processor's cache.
BLOCK_EVENTS = 16_384
# A block's times must leave room for the symbol's number in one 64-bit sort key.
_LONGEST_BLOCK = 1 << 44
_TIME_BITS = 45


def events_of(plan: Plan, block_events: int = BLOCK_EVENTS) -> Iterator[Events]:
    """The events of a plan in blocks of about `block_events`; how they are cut does not change them."""
    market = Market(plan.market, plan.seed)
    end = None if plan.duration is None else plan.duration * 1000
    while end is None or market.now < end:
        yield market.advance(block_events, end)


@final
class Market:
    """The state of a market: prices on their grid, arrivals, sizes and counters."""

    def __init__(self, plan: MarketPlan, seed: int) -> None:
        names = [symbol.name for symbol in plan.symbols]
        self._step = max(1, round(plan.dynamics.step * 1_000_000_000))
        self._rate = plan.rate
        self._path = latent_path(plan.dynamics, Draws(seed, names))
        self._arrivals = arrival_process(plan, seed)
        self._volumes = streams(seed, names, "volume")
        self._opening_ticks = np.array([symbol.opening_ticks for symbol in plan.symbols])[:, None]
        self._ticks = np.array([symbol.tick for symbol in plan.symbols], dtype=np.int64)
        self._most_ticks = np.floor(2.0**53 / self._ticks)[:, None]
        self._volume_scales = [symbol.volume_scale for symbol in plan.symbols]
        self._next_seq: NDArray[np.int64] = np.zeros(len(names), dtype=np.int64)
        self.now = 0
        """Nanoseconds from the start up to which events were given; a whole number of grid steps."""

    def advance(self, block_events: int, end: int | None) -> Events:
        """The next stretch of whole grid steps with about `block_events` events, none at or after `end`."""
        steps = self._steps(block_events, end)
        begin, self.now = self.now, self.now + steps * self._step
        prices = self._grid_prices(steps)
        arrivals = self._arrivals.until(self.now if end is None else min(self.now, end))
        volumes = _draw_volumes(self._volumes, self._volume_scales, arrivals.counts)
        return self._in_order(begin, prices, arrivals, volumes)

    def _steps(self, block_events: int, end: int | None) -> int:
        wanted = int(block_events / (self._rate * self._step * 1e-9))
        longest = _LONGEST_BLOCK // self._step
        left = longest if end is None else -(-(end - self.now) // self._step)
        return max(1, min(wanted, longest, left))

    def _grid_prices(self, steps: int) -> NDArray[np.int64]:
        """Prices in ticks, shape (symbols, steps); at least one tick, and small enough to be exact as a double."""
        ratio = exponential_of_fixed_point(self._path.advance(steps).levels)
        ticks: NDArray[np.float64] = np.clip(np.rint(self._opening_ticks * ratio), 1.0, self._most_ticks)
        return ticks.astype(np.int64)

    def _in_order(self, begin: int, prices: NDArray[np.int64], arrivals: Arrivals, volumes: NDArray[np.int64]) -> Events:
        """Events grouped by symbol, merged in time order."""
        symbol_of = np.repeat(np.arange(arrivals.counts.size, dtype=np.uint64), arrivals.counts)
        # One key for time and symbol: plain sorting of integers is many times faster than sorting rows.
        keys = (arrivals.times - begin).astype(np.uint64) << np.uint64(64 - _TIME_BITS) | symbol_of
        keys.sort()
        time: NDArray[np.int64] = (keys >> np.uint64(64 - _TIME_BITS)).astype(np.int64)
        symbol = (keys & np.uint64((1 << (64 - _TIME_BITS)) - 1)).astype(np.uint32)
        # Within a symbol the merged order is the grouped order: the stable sort by symbol leads from one to the other.
        grouped = np.argsort(symbol.astype(np.uint16) if arrivals.counts.size <= 1 << 16 else symbol, kind="stable")
        price: NDArray[np.int64] = prices[symbol, time // self._step] * self._ticks[symbol]
        volume: NDArray[np.int64] = np.empty_like(volumes)
        volume[grouped] = volumes
        seq: NDArray[np.int64] = np.empty_like(volumes)
        seq[grouped] = self._numbers(arrivals.counts)
        return Events(symbol, seq, time + begin, price, volume)

    def _numbers(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The next `seq` of each symbol's events, grouped by symbol."""
        first = self._next_seq - (np.cumsum(counts) - counts)
        self._next_seq = self._next_seq + counts
        numbers: NDArray[np.int64] = np.arange(int(counts.sum()), dtype=np.int64) + np.repeat(first, counts)
        return numbers


def _draw_volumes(generators: list[Generator], scales: list[float], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Trade sizes grouped by symbol: 1 + floor(c Exp(1)), geometric, exact."""
    draws = [
        generator.standard_exponential(count) * scale
        for generator, scale, count in zip(generators, scales, counts.tolist(), strict=True)
    ]
    volumes: NDArray[np.int64] = np.concatenate(draws).astype(np.int64) + 1
    return volumes
