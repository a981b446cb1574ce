"""What every price process is: a latent log price of each symbol on a common time grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from simulator.parameters import Parameters

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PerYear = Annotated[float, Field(ge=0)]
# Beyond it a log price would leave the fixed point within a few steps of the longest grid.
Drift = Annotated[float, Field(ge=-1e9, le=1e9)]


class DynamicsParameters(Parameters):
    """Keys that every option of `conf/dynamics` has."""

    step: Annotated[float, Field(ge=0.000_001, le=3600)]
    seconds_per_year: Annotated[float, Field(gt=0)]

    @property
    def step_in_years(self) -> float:
        """The grid's step, in years."""
        return self.step / self.seconds_per_year


class LatentPath(ABC):
    """Latent log prices, relative to the opening price, in fixed point (multiples of 2**-40).

    A path is a state that only moves forward; cutting a stretch of steps in pieces does not change it.
    """

    def __init__(self, symbol_count: int) -> None:
        self._level: Integers = np.zeros(symbol_count, dtype=np.int64)

    @abstractmethod
    def advance(self, steps: int) -> Integers:
        """Levels at the next `steps` grid points, shape (symbols, steps), beginning with the present one."""

    def _accumulate(self, increments: Integers) -> Integers:
        """Levels before each increment, shape (symbols, steps); the state moves past the last."""
        after = np.cumsum(increments, axis=1, dtype=np.int64)
        after += self._level[:, None]
        before = np.empty_like(after)
        before[:, 0] = self._level
        before[:, 1:] = after[:, :-1]
        self._level = after[:, -1].copy()
        return before


def draw_normals(streams: list[Generator], steps: int) -> Floats:
    """Standard normal draws, shape (symbols, steps); each row comes from its own symbol's stream."""
    draws = np.empty((len(streams), steps))
    for row, generator in zip(draws, streams, strict=True):
        generator.standard_normal(out=row)
    return draws
