"""Geometric Brownian motion: dS = mu S dt + sigma S dW."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, final

from simulator.market.dynamics.base import (
    Drift,
    DynamicsParameters,
    Floats,
    Latent,
    Normals,
    PriceProcess,
    Values,
    Volatility,
)
from simulator.market.exact import fixed_point
from simulator.parameters import PerSymbol
from simulator.seeding import Draws


class GeometricBrownianMotion(DynamicsParameters):
    """`conf/dynamics/gbm.yaml`: mu = drift (per year), sigma = volatility (per square root of a year)."""

    VARYING: ClassVar[tuple[str, ...]] = ("drift", "volatility")

    kind: Literal["gbm"]
    drift: PerSymbol[Drift]
    volatility: PerSymbol[Volatility]


def diffusion(drift: Floats, volatility: Floats, dt: float) -> dict[str, Floats]:
    """Mean and scale of the log return over `dt` years: (mu - sigma^2/2) dt + sigma sqrt(dt) Z. Exact in distribution.

    Source: Glasserman, Monte Carlo Methods in Financial Engineering (2003), section 3.2.1.
    """
    return {"mean": (drift - volatility * volatility / 2.0) * dt, "scale": volatility * math.sqrt(dt)}


@final
class GeometricBrownianProcess(PriceProcess):
    """Independent geometric Brownian motions, one a symbol."""

    def __init__(self, parameters: GeometricBrownianMotion, draws: Draws) -> None:
        super().__init__(parameters, draws)
        self._dt = parameters.step_in_years
        self._normals = Normals(draws.of("price"))

    def coefficients(self, values: Values) -> dict[str, Floats]:  # noqa: D102  # inherited
        return diffusion(values["drift"], values["volatility"], self._dt)

    def advance(self, steps: int, coefficients: Values) -> Latent:  # noqa: D102  # inherited
        returns = coefficients["mean"] + coefficients["scale"] * self._normals.take(steps)
        return Latent(self._accumulate(fixed_point(returns)))
