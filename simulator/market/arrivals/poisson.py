"""Poisson arrivals: gaps are independent and exponential."""

from __future__ import annotations

from typing import Literal, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simulator.market.arrivals.base import NANOSECONDS, ArrivalParameters, ArrivalProcess, Arrivals
from simulator.seeding import streams


class Poisson(ArrivalParameters):
    """`conf/arrivals/poisson.yaml`."""

    kind: Literal["poisson"]


@final
class PoissonArrivals(ArrivalProcess):
    """Independent Poisson processes, one a symbol, with rates in events per second.

    Exact but for the rounding of each gap to a whole nanosecond, so that sums are integers.
    """

    def __init__(self, symbols: list[str], rates: NDArray[np.float64], seed: int) -> None:
        self._gaps = [NANOSECONDS / rate for rate in rates.tolist()]
        self._streams = streams(seed, symbols, "arrivals")
        # Drawn already, but not yet due; never empty once the first draw is made.
        self._ahead: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64) for _ in symbols]

    def until(self, end: int) -> Arrivals:  # noqa: D102  # inherited
        due = [self._take(index, end) for index in range(len(self._streams))]
        counts = np.array([times.size for times in due], dtype=np.int64)
        return Arrivals(np.concatenate(due), counts)

    def _take(self, index: int, end: int) -> NDArray[np.int64]:
        ahead = self._ahead[index]
        last = int(ahead[-1]) if ahead.size else 0
        while last < end or not ahead.size:
            more = last + _next_times(self._streams[index], self._gaps[index], end - last)
            ahead = np.concatenate((ahead, more))
            last = int(ahead[-1])
        cut = int(np.searchsorted(ahead, end))
        self._ahead[index] = ahead[cut:]
        return ahead[:cut]


def _next_times(stream: Generator, gap: float, span: int) -> NDArray[np.int64]:
    """Times after the last known one, enough to cover `span` nanoseconds in most cases."""
    expected = max(span, 0) / gap
    draws = stream.standard_exponential(int(expected + 4.0 * expected**0.5) + 4)
    return np.cumsum(np.rint(draws * gap).astype(np.int64))
