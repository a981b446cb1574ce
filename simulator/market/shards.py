"""One worker's share of the market: its symbols, by name, with the very events that a single worker would give them.

Streams are keyed by symbol, so that most markets fall apart by symbol. What does not (turns that all symbols take, a recording,
a market-wide circuit breaker) every worker computes whole, and keeps its own part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.arrivals.base import ArrivalProcess, Arrivals
from simulator.market.grouping import ranges
from simulator.market.halts import LimitUpLimitDown, Timeline
from simulator.partitioning import partition_of
from simulator.seeding import words

if TYPE_CHECKING:
    from simulator.market.prices import PriceBlock
    from simulator.plan import MarketPlan, Plan

Integers = NDArray[np.int64]


def owned(plan: Plan, worker: int, workers: int) -> Integers:
    """Places of a worker's symbols in the market's list.

    Those of the topic's partitions whose number leaves the worker's: a partition has one writer, so that what it holds, and in
    which order, is the same for any number of workers. Where there are no partitions: those whose name's hash leaves it.
    """
    names = [symbol.name for symbol in plan.market.symbols]
    partitions = plan.sink.partitions
    numbers = [words(name)[2] if partitions is None else partition_of(name, partitions) for name in names]
    return np.flatnonzero(np.array(numbers, dtype=np.int64) % workers == worker)


def with_symbols(market: MarketPlan, mine: Integers) -> MarketPlan:
    """The market of some of the symbols only."""
    return market.model_copy(update={"symbols": [market.symbols[place] for place in mine.tolist()]})


def has_joint_arrivals(market: MarketPlan) -> bool:
    """Whether a symbol's arrivals depend on which others there are."""
    return (market.arrivals.kind == "fixed" and market.rotating) or market.arrivals.kind == "trace"


def has_joint_prices(market: MarketPlan) -> bool:
    """Whether a symbol's prices depend on which others there are."""
    return isinstance(market.halts, LimitUpLimitDown) and bool(market.halts.market_wide)


@final
class SelectedArrivals(ArrivalProcess):
    """Some symbols' events of a process of all."""

    def __init__(self, process: ArrivalProcess, mine: Integers) -> None:
        self._process = process
        self._mine = mine

    def until(self, end: int) -> Arrivals:  # noqa: D102  # inherited
        arrivals = self._process.until(end)
        starts = np.cumsum(arrivals.counts) - arrivals.counts
        counts = arrivals.counts[self._mine]
        return Arrivals(arrivals.times[ranges(starts[self._mine], counts)], counts)


def select(block: PriceBlock, mine: Integers) -> PriceBlock:
    """Some symbols' rows of a block of prices, and what happened to them."""
    return replace(
        block,
        ticks=block.ticks[mine],
        volatility=None if block.volatility is None else block.volatility[mine],
        halts=None if block.halts is None else block.halts.part(mine),
        timeline=None if block.timeline is None else _of(block.timeline, mine),
    )


def _of(timeline: Timeline, mine: Integers) -> Timeline:
    place = np.searchsorted(mine, timeline.symbol)
    is_mine = np.append(mine, -1)[place] == timeline.symbol
    return Timeline(timeline.step[is_mine], place[is_mine], timeline.condition[is_mine], timeline.price[is_mine])
