"""Markov-modulated Poisson arrivals: each symbol changes between calm and bursts at random moments."""

from __future__ import annotations

from typing import Annotated, Literal, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from simulator.market.arrivals.base import ArrivalParameters, BufferedArrivals, Integers
from simulator.parameters import NANOSECONDS
from simulator.seeding import stream, streams

Floats = NDArray[np.float64]

_PAIRS = 32  # stays in calm and burst that are drawn at once, at least
_CYCLES = 500
_PORTION = 256  # events of a symbol drawn at once, at least
_LONGEST = 1e17


class MarkovModulated(ArrivalParameters):
    """`conf/arrivals/mmpp.yaml`."""

    kind: Literal["mmpp"]
    burst_factor: Annotated[float, Field(ge=1, le=1_000_000)]
    burst_duration: Annotated[float, Field(ge=0.001, le=10_000_000)]
    calm_duration: Annotated[float, Field(ge=0.001, le=10_000_000)]

    @property
    def levels(self) -> tuple[float, float]:
        """Relative intensity in calm and in a burst; their stationary mean is 1."""
        whole = self.calm_duration + self.burst_duration
        calm = whole / (self.calm_duration + self.burst_factor * self.burst_duration)
        return calm, calm * self.burst_factor


@final
class StatePath:
    """The states of one symbol, from a stream of their own: stationary from the start, with exponential stays."""

    def __init__(self, parameters: MarkovModulated, symbol: str, seed: int) -> None:
        self._stream: Generator = stream(seed, symbol, "arrivals.state")
        self._means = np.array([parameters.calm_duration, parameters.burst_duration]) * NANOSECONDS
        self._levels = np.array(parameters.levels)
        self._mean_mass = float(self._means[0] * self._levels[0] + self._means[1] * self._levels[1])
        in_burst = self._stream.random() * self._means.sum() < self._means[1]
        self._next = int(in_burst)
        # Where stretches of one state begin in time and operational time, the end of the last one included, and their levels.
        self._begins: Integers = np.zeros(1, dtype=np.int64)
        self._masses: Integers = np.zeros(1, dtype=np.int64)
        self._levels_from: Floats = np.zeros(0)

    def times(self, operational: Integers) -> Integers:
        """Times at which the integral of the relative intensity reaches these rising numbers, rounded down; only forward."""
        while (missing := int(operational[-1]) - int(self._masses[-1])) >= 0:
            self._extend(2 * (_PAIRS + int(missing / self._mean_mass)))
        index = np.searchsorted(self._masses, operational, side="right") - 1
        since = ((operational - self._masses[index]) / self._levels_from[index]).astype(np.int64)
        times: Integers = np.minimum(self._begins[index] + since, self._begins[index + 1] - 1)
        last = int(index[-1])
        self._begins, self._masses = self._begins[last:], self._masses[last:]
        self._levels_from = self._levels_from[last:]
        return times

    def _extend(self, number: int) -> None:
        """Further stretches; an even number, so that each portion begins in the same state."""
        states = (np.arange(number) + self._next) & 1
        stays = np.rint(self._stream.standard_exponential(number) * self._means[states]).astype(np.int64) + 1
        masses = np.rint(stays * self._levels[states]).astype(np.int64)
        self._begins = np.concatenate((self._begins, self._begins[-1] + np.cumsum(stays)))
        self._masses = np.concatenate((self._masses, self._masses[-1] + np.cumsum(masses)))
        self._levels_from = np.concatenate((self._levels_from, self._levels[states]))


@final
class MarkovModulatedArrivals(BufferedArrivals):
    """Independent two-state Markov-modulated Poisson processes, one a symbol.

    Given the path of the states, events are a Poisson process of intensity rate * level(state). Exact but for rounding to
    nanoseconds: a Poisson process of the symbol's rate, in the time of its states' integrated level.
    """

    def __init__(self, parameters: MarkovModulated, symbols: list[str], rates: Floats, seed: int) -> None:
        super().__init__(len(symbols))
        self._gaps = (NANOSECONDS / rates).tolist()
        self._streams = streams(seed, symbols, "arrivals")
        self._paths = [StatePath(parameters, symbol, seed) for symbol in symbols]
        self._operational = [0] * len(symbols)
        # Of a symbol that seldom trades: not so far ahead that its states would be most of the work.
        self._ahead = _CYCLES * (parameters.calm_duration + parameters.burst_duration) * NANOSECONDS

    def _draw(self, short: Integers, end: int) -> tuple[Integers, Integers]:
        portions = [self._portion(index, end) for index in short.tolist()]
        return np.concatenate(portions), np.array([portion.size for portion in portions], dtype=np.int64)

    def _portion(self, index: int, end: int) -> Integers:
        gap = self._gaps[index]
        # Not so many that their sum could leave int64, of a symbol that trades once in a lifetime.
        number = max(min(_PORTION, int(min(_LONGEST, self._ahead) / gap) + 1), int((end - int(self._known[index])) / gap))
        gaps = np.rint(self._streams[index].standard_exponential(number) * gap).astype(np.int64)
        operational = np.cumsum(gaps)
        operational += self._operational[index]
        self._operational[index] = int(operational[-1])
        times = self._paths[index].times(operational)
        self._known[index] = times[-1]
        return times
