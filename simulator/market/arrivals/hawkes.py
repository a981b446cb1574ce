"""Hawkes arrivals: every event makes further ones more likely for a while; trades come in clusters."""

from __future__ import annotations

from typing import Annotated, Literal, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from simulator.errors import BadConfigError
from simulator.market.arrivals.base import ArrivalParameters, BufferedArrivals, Integers
from simulator.parameters import NANOSECONDS
from simulator.seeding import streams

# Expected events of a symbol's first portion and of its largest: short runs draw little, long ones pay few calls.
_FIRST_PORTION = 64
_LARGEST_PORTION = 1024
# A portion is not longer than this, so that the next one's times stay in int64.
_LONGEST_PORTION = 1 << 60
_MOST_WAITING = 20_000_000  # children of past events, 8 bytes each


class Hawkes(ArrivalParameters):
    """`conf/arrivals/hawkes.yaml`."""

    kind: Literal["hawkes"]
    branching: Annotated[float, Field(ge=0, lt=1)]
    decay: Annotated[float, Field(ge=0.001, le=1_000_000)]


@final
class HawkesArrivals(BufferedArrivals):
    """Independent Hawkes processes, one a symbol, with an exponential kernel.

    Intensity l(t) = mu + (rate - mu) e^(-b t) + sum over past events of n b e^(-b (t - t_i)), with n the branching ratio, b the
    decay and mu = rate (1 - n): the mean intensity is `rate` at every moment, from the first on. What happened before the
    start is there by its mean alone, so that counts have their stationary variance after a few 1 / (b (1 - n)) seconds.

    Exact but for rounding to a nanosecond, by the cluster representation: immigrants are Poisson, and m events of one
    generation have Poisson(n m) children, each of a parent drawn at random, an exponential time after it. Each symbol's clusters
    are drawn portion by portion; children beyond the portion wait for theirs. Portions depend on the symbol's rate alone.

    Raises:
        BadConfigError: if so many children would wait for their portion that memory could not hold them.

    Source: Hawkes & Oakes 1974; kernel and moments as in Da Fonseca & Zaatour 2014.
    """

    def __init__(self, parameters: Hawkes, symbols: list[str], rates: NDArray[np.float64], seed: int) -> None:
        least = float(rates.sum()) * parameters.branching / _MOST_WAITING
        if parameters.decay < least:
            raise BadConfigError(
                f"arrivals.decay={parameters.decay:g}: must be {least:g} or more with "
                f"arrivals.branching={parameters.branching:g} at this rate, or more "
                f"than {_MOST_WAITING} events that are still to come would wait in memory"
            )
        super().__init__(len(symbols))
        self._branching = parameters.branching
        self._mean_delay = NANOSECONDS / parameters.decay
        self._gaps = (NANOSECONDS / rates).tolist()
        self._streams = streams(seed, symbols, "arrivals")
        # As many children wait on average; portions not smaller than that keep the waiting from being most of the work.
        self._largest = [max(_LARGEST_PORTION, parameters.branching * self._mean_delay / gap) for gap in self._gaps]
        self._expected = [float(_FIRST_PORTION)] * len(symbols)
        self._waiting = [
            self._delays(stream, stream.poisson(parameters.branching * self._mean_delay / gap))
            for stream, gap in zip(self._streams, self._gaps, strict=True)
        ]

    def _draw(self, short: Integers, end: int) -> tuple[Integers, Integers]:  # noqa: ARG002  # portions do not depend on the caller
        portions = [self._portion(index) for index in short.tolist()]
        return np.concatenate(portions), np.array([portion.size for portion in portions], dtype=np.int64)

    def _portion(self, index: int) -> Integers:
        stream, gap, begin = self._streams[index], self._gaps[index], int(self._known[index])
        expected = self._expected[index]
        self._expected[index] = min(2.0 * expected, self._largest[index])
        length = min(max(1, int(expected * gap)), _LONGEST_PORTION)
        end = begin + length
        immigrants = stream.poisson(length / gap * (1.0 - self._branching))
        waiting = self._waiting[index]
        due = waiting < end
        later = [waiting[~due]]
        parents = np.concatenate((waiting[due], (stream.random(immigrants) * length).astype(np.int64) + begin))
        generations = [parents]
        while parents.size and (number := stream.poisson(self._branching * parents.size)):
            children = parents[(stream.random(number) * parents.size).astype(np.int64)]
            children += self._delays(stream, number)
            soon = children < end
            parents = children[soon]
            later.append(children[~soon])
            generations.append(parents)
        self._waiting[index] = np.concatenate(later)
        self._known[index] = end
        times: Integers = np.concatenate(generations)
        times.sort()
        return times

    def _delays(self, stream: Generator, number: int) -> Integers:
        delays: Integers = np.rint(stream.standard_exponential(number) * self._mean_delay).astype(np.int64)
        return delays
