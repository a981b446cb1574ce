"""Merton's jump diffusion: geometric Brownian motion with a compensated compound Poisson process in the log price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from numpy.random import Generator
from pydantic import Field

from simulator.market.dynamics.base import (
    Drift,
    DynamicsParameters,
    Floats,
    Integers,
    Latent,
    Normals,
    PerYear,
    PriceProcess,
    Values,
    Volatility,
)
from simulator.market.dynamics.gbm import diffusion
from simulator.market.exact import each, exponential, fixed_point
from simulator.parameters import PerSymbol
from simulator.seeding import Draws

JumpMean = Annotated[float, Field(ge=-5, le=5)]
JumpDeviation = Annotated[float, Field(ge=0, le=5)]
SumOfJumps = Callable[[int, Integers, Floats], Floats]


class MertonJumpDiffusion(DynamicsParameters):
    """`conf/dynamics/jump.yaml`: lambda = jump_intensity (per year), jumps of the log price N(m, delta^2)."""

    VARYING: ClassVar[tuple[str, ...]] = ("drift", "volatility", "jump_intensity", "jump_mean", "jump_deviation")

    kind: Literal["jump"]
    drift: PerSymbol[Drift]
    volatility: PerSymbol[Volatility]
    jump_intensity: PerSymbol[PerYear]
    jump_mean: PerSymbol[JumpMean]
    jump_deviation: PerSymbol[JumpDeviation]


def compound_poisson(counters: list[Generator], rates: Floats, steps: int, sum_of: SumOfJumps) -> Floats:
    """Sums of Poisson numbers of jumps, shape (symbols, steps).

    Args:
        counters: a stream a symbol for the numbers of jumps.
        rates: mean number of jumps of a step, shape (symbols, 1) or (symbols, steps).
        steps: how many.
        sum_of: the sums of n jumps of a symbol's row at some steps, from (row, steps' places, n > 0 of each).
    """
    total = np.zeros((len(counters), steps))
    rates = np.broadcast_to(rates, total.shape)
    for row in np.flatnonzero((rates > 0.0).any(axis=1)).tolist():
        counts = counters[row].poisson(rates[row])  # a rate of 0 draws nothing
        jumped = np.flatnonzero(counts)
        total[row, jumped] = sum_of(row, jumped, counts[jumped].astype(np.float64))
    return total


@final
class NormalJumps:
    """A compensated compound Poisson process with jumps N(m, delta^2) of the log price. Exact on the grid.

    Over a step of dt years the number of jumps is Poisson(lambda dt), and n jumps sum to N(n m, n delta^2).
    """

    def __init__(self, draws: Draws, dt: float) -> None:
        self._dt = dt
        self._counts = draws.of("jump count")
        self._sizes = draws.of("jump size")

    def coefficients(self, values: Values) -> tuple[Floats, dict[str, Floats]]:
        """Lambda (exp(m + delta^2/2) - 1) per year, which the drift gives back so that E[S_t] = S_0 exp(mu t); and a step's.

        Source: Merton, Option pricing when underlying stock returns are discontinuous, J. Financial Economics 3 (1976).
        """
        intensity, mean, deviation = values["jump_intensity"], values["jump_mean"], values["jump_deviation"]
        compensator = intensity * (each(exponential, mean + deviation * deviation / 2.0) - 1.0)
        return compensator, {"jumps": intensity * self._dt, "jump_mean": mean, "jump_deviation": deviation}

    def sums(self, steps: int, coefficients: Values) -> Floats:
        """The jumps of each of the next steps, shape (symbols, steps)."""
        shape = (len(self._counts), steps)
        means, deviations = (np.broadcast_to(coefficients[name], shape) for name in ("jump_mean", "jump_deviation"))

        def sum_of(row: int, places: Integers, n: Floats) -> Floats:
            normals = self._sizes[row].standard_normal(places.size)
            total: Floats = n * means[row, places] + np.sqrt(n) * (deviations[row, places] * normals)
            return total

        return compound_poisson(self._counts, coefficients["jumps"], steps, sum_of)


@final
class MertonProcess(PriceProcess):
    """Independent jump diffusions, one a symbol. Exact in distribution on the grid."""

    def __init__(self, parameters: MertonJumpDiffusion, draws: Draws) -> None:
        super().__init__(parameters, draws)
        self._dt = parameters.step_in_years
        self._normals = Normals(draws.of("price"))
        self._jumps = NormalJumps(draws, self._dt)

    def coefficients(self, values: Values) -> dict[str, Floats]:  # noqa: D102  # inherited
        compensator, jumps = self._jumps.coefficients(values)
        return diffusion(values["drift"] - compensator, values["volatility"], self._dt) | jumps

    def advance(self, steps: int, coefficients: Values) -> Latent:  # noqa: D102  # inherited
        diffused = coefficients["mean"] + coefficients["scale"] * self._normals.take(steps)
        return Latent(self._accumulate(fixed_point(diffused + self._jumps.sums(steps, coefficients))))
