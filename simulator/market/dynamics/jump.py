"""Merton's jump diffusion: geometric Brownian motion with a compensated compound Poisson process in the log price."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from simulator.market.dynamics.base import (
    Drift,
    DynamicsParameters,
    Floats,
    Latent,
    PerYear,
    PriceProcess,
    Values,
    Volatility,
    draw_normals,
)
from simulator.market.dynamics.gbm import diffusion
from simulator.market.exact import each, exponential, fixed_point
from simulator.parameters import PerSymbol
from simulator.seeding import Draws

JumpMean = Annotated[float, Field(ge=-5, le=5)]
JumpDeviation = Annotated[float, Field(ge=0, le=5)]


class MertonJumpDiffusion(DynamicsParameters):
    """`conf/dynamics/jump.yaml`: lambda = jump_intensity (per year), jumps of the log price N(m, delta^2)."""

    VARYING: ClassVar[tuple[str, ...]] = ("drift", "volatility", "jump_intensity", "jump_mean", "jump_deviation")

    kind: Literal["jump"]
    drift: PerSymbol[Drift]
    volatility: PerSymbol[Volatility]
    jump_intensity: PerSymbol[PerYear]
    jump_mean: PerSymbol[JumpMean]
    jump_deviation: PerSymbol[JumpDeviation]


def compensator(intensity: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Lambda (exp(m + delta^2/2) - 1), per year: what the drift gives back so that E[S_t] = S_0 exp(mu t).

    Source: Merton, Option pricing when underlying stock returns are discontinuous, J. Financial Economics 3 (1976).
    """
    return intensity * (each(exponential, mean + deviation * deviation / 2.0) - 1.0)


@final
class MertonProcess(PriceProcess):
    """Independent jump diffusions, one a symbol. Exact in distribution on the grid.

    Over a step of dt years the number of jumps is Poisson(lambda dt), and n jumps sum to N(n m, n delta^2).
    """

    def __init__(self, parameters: MertonJumpDiffusion, draws: Draws) -> None:
        super().__init__(parameters, draws)
        self._dt = parameters.step_in_years
        self._normals = draws.of("price")
        self._counts = draws.of("jump count")
        self._sizes = draws.of("jump size")

    def coefficients(self, values: Values) -> dict[str, Floats]:  # noqa: D102  # inherited
        intensity, mean, deviation = values["jump_intensity"], values["jump_mean"], values["jump_deviation"]
        drift = values["drift"] - compensator(intensity, mean, deviation)
        jumps = {"jumps": intensity * self._dt, "jump_mean": mean, "jump_deviation": deviation}
        return diffusion(drift, values["volatility"], self._dt) | jumps

    def advance(self, steps: int, coefficients: Values) -> Latent:  # noqa: D102  # inherited
        diffused = coefficients["mean"] + coefficients["scale"] * draw_normals(self._normals, steps)
        return Latent(self._accumulate(fixed_point(diffused + self._jumps(steps, coefficients))))

    def _jumps(self, steps: int, coefficients: Values) -> Floats:
        total = np.zeros((len(self._counts), steps))
        shape = total.shape
        rates, means, deviations = (
            np.broadcast_to(coefficients[name], shape) for name in ("jumps", "jump_mean", "jump_deviation")
        )
        for row, (counter, sizer) in enumerate(zip(self._counts, self._sizes, strict=True)):
            counts = counter.poisson(rates[row])
            jumped = np.flatnonzero(counts)
            n = counts[jumped].astype(np.float64)
            normals = sizer.standard_normal(jumped.size)
            total[row, jumped] = n * means[row, jumped] + np.sqrt(n) * (deviations[row, jumped] * normals)
        return total
