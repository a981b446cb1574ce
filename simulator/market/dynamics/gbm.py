"""Geometric Brownian motion: dS = mu S dt + sigma S dW."""

from __future__ import annotations

import math
from typing import Annotated, Literal, final

from pydantic import Field

from simulator.market.dynamics.base import Drift, DynamicsParameters, Floats, Integers, LatentPath, PerYear, draw_normals
from simulator.market.exact import fixed_point
from simulator.seeding import streams


class GeometricBrownianMotion(DynamicsParameters):
    """`conf/dynamics/gbm.yaml`: mu = drift (per year), sigma = volatility (per square root of a year)."""

    kind: Literal["gbm"]
    drift: Drift
    volatility: Annotated[PerYear, Field(le=100)]


def increments(drift: float, volatility: float, dt: float, normals: Floats) -> Floats:
    """Log returns over steps of `dt` years: (mu - sigma^2/2) dt + sigma sqrt(dt) Z. Exact in distribution.

    Source: Glasserman, Monte Carlo Methods in Financial Engineering (2003), section 3.2.1.
    """
    return (drift - volatility * volatility / 2.0) * dt + (volatility * math.sqrt(dt)) * normals


@final
class GeometricBrownianPath(LatentPath):
    """Independent geometric Brownian motions, one a symbol."""

    def __init__(self, parameters: GeometricBrownianMotion, symbols: list[str], seed: int) -> None:
        super().__init__(len(symbols))
        self._parameters = parameters
        self._normals = streams(seed, symbols, "price")

    def advance(self, steps: int) -> Integers:  # noqa: D102  # inherited
        p = self._parameters
        draws = draw_normals(self._normals, steps)
        return self._accumulate(fixed_point(increments(p.drift, p.volatility, p.step_in_years, draws)))
