"""Merton's jump diffusion: geometric Brownian motion with a compensated compound Poisson process in the log price."""

from __future__ import annotations

from typing import Annotated, Literal, final

import numpy as np
from pydantic import Field

from simulator.market.dynamics.base import Drift, DynamicsParameters, Floats, Integers, LatentPath, PerYear, draw_normals
from simulator.market.dynamics.gbm import increments
from simulator.market.exact import exponential, fixed_point
from simulator.seeding import streams


class MertonJumpDiffusion(DynamicsParameters):
    """`conf/dynamics/jump.yaml`: lambda = jump_intensity (per year), jumps of the log price N(m, delta^2)."""

    kind: Literal["jump"]
    drift: Drift
    volatility: Annotated[PerYear, Field(le=100)]
    jump_intensity: PerYear
    jump_mean: Annotated[float, Field(ge=-5, le=5)]
    jump_deviation: Annotated[float, Field(ge=0, le=5)]


def compensator(intensity: float, mean: float, deviation: float) -> float:
    """Lambda (exp(m + delta^2/2) - 1), per year: what the drift gives back so that E[S_t] = S_0 exp(mu t).

    Source: Merton, Option pricing when underlying stock returns are discontinuous, J. Financial Economics 3 (1976).
    """
    return intensity * (exponential(mean + deviation * deviation / 2.0) - 1.0)


@final
class MertonPath(LatentPath):
    """Independent jump diffusions, one a symbol. Exact in distribution on the grid.

    Over a step of dt years the number of jumps is Poisson(lambda dt), and n jumps sum to N(n m, n delta^2).
    """

    def __init__(self, parameters: MertonJumpDiffusion, symbols: list[str], seed: int) -> None:
        super().__init__(len(symbols))
        self._parameters = parameters
        self._normals = streams(seed, symbols, "price")
        self._counts = streams(seed, symbols, "jump count")
        self._sizes = streams(seed, symbols, "jump size")

    def advance(self, steps: int) -> Integers:  # noqa: D102  # inherited
        p = self._parameters
        drift = p.drift - compensator(p.jump_intensity, p.jump_mean, p.jump_deviation)
        diffusion = increments(drift, p.volatility, p.step_in_years, draw_normals(self._normals, steps))
        return self._accumulate(fixed_point(diffusion + self._jumps(steps)))

    def _jumps(self, steps: int) -> Floats:
        p = self._parameters
        mean_count = p.jump_intensity * p.step_in_years
        total = np.zeros((len(self._counts), steps))
        for row, counter, sizer in zip(total, self._counts, self._sizes, strict=True):
            counts = counter.poisson(mean_count, steps)
            jumped = np.flatnonzero(counts)
            n = counts[jumped].astype(np.float64)
            row[jumped] = n * p.jump_mean + np.sqrt(n) * (p.jump_deviation * sizer.standard_normal(jumped.size))
        return total
