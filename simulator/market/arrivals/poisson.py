"""Poisson arrivals: gaps are independent and exponential."""

from __future__ import annotations

from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.arrivals.base import ArrivalParameters, BufferedArrivals, Integers
from simulator.market.draws import ahead_of
from simulator.market.grouping import running_sums
from simulator.parameters import NANOSECONDS
from simulator.seeding import streams

_LONG_GAP = 1e15
# Arrays of 32 MiB and more come fresh from the system each time, and their pages cost more than the draws.
_LARGEST_DRAW = 3_000_000


class Poisson(ArrivalParameters):
    """`conf/arrivals/poisson.yaml`."""

    kind: Literal["poisson"]


@final
class PoissonArrivals(BufferedArrivals):
    """Independent Poisson processes, one a symbol, with rates in events per second.

    Exact but for the rounding of each gap to a whole nanosecond, so that sums are integers.
    """

    def __init__(self, symbols: list[str], rates: NDArray[np.float64], seed: int) -> None:
        super().__init__(len(symbols))
        self._gaps = NANOSECONDS / rates
        self._least = min(ahead_of(len(symbols)), max(1, _LARGEST_DRAW // len(symbols)))
        self._draws = [stream.standard_exponential for stream in streams(seed, symbols, "arrivals")]

    def _draw(self, short: Integers, end: int) -> tuple[Integers, Integers]:
        """Gaps that reach `end` in most cases, and some more: how many are drawn at once does not matter, calls cost."""
        gaps = self._gaps[short]
        expected = (end - self._known[short]) / gaps
        # Fewer of a symbol that trades once in a fortnight or less: times must stay in int64.
        counts: Integers = (expected + 3.0 * np.sqrt(expected)).astype(np.int64) + 4
        counts = np.where(gaps < _LONG_GAP, np.maximum(counts + 12, self._least), counts)
        wanted = zip(short.tolist(), counts.tolist(), strict=True)
        draws = np.concatenate([self._draws[index](count) for index, count in wanted])
        draws *= np.repeat(gaps, counts)
        times = running_sums(np.rint(draws, out=draws).astype(np.int64), counts, self._known[short])
        self._known[short] = times[np.cumsum(counts) - 1]
        return times, counts
