"""Ornstein-Uhlenbeck process of the log price: dX = kappa (theta - X) dt + sigma dW."""

from __future__ import annotations

import math
from typing import Annotated, Literal, final

import numpy as np
from pydantic import Field

from simulator.market.dynamics.base import DynamicsParameters, Integers, LatentPath, PerYear, draw_normals
from simulator.market.exact import exponential, fixed_point
from simulator.seeding import streams


class OrnsteinUhlenbeck(DynamicsParameters):
    """`conf/dynamics/ou.yaml`: kappa = reversion (per year), theta = mean, sigma = volatility."""

    kind: Literal["ou"]
    reversion: Annotated[float, Field(gt=0)]
    mean: Annotated[float, Field(ge=-20, le=20)]
    volatility: Annotated[PerYear, Field(le=100)]


def transition(reversion: float, volatility: float, dt: float) -> tuple[float, float]:
    """(phi, s) of the step X' = theta + (X - theta) phi + s Z over `dt` years. Exact in distribution.

    phi = exp(-kappa dt), s = sigma sqrt((1 - phi^2) / (2 kappa)).
    Source: Gillespie, Exact numerical simulation of the Ornstein-Uhlenbeck process, Phys. Rev. E 54 (1996).
    """
    phi = exponential(-reversion * dt)
    return phi, volatility * math.sqrt((1.0 - phi * phi) / (2.0 * reversion))


@final
class OrnsteinUhlenbeckPath(LatentPath):
    """Independent Ornstein-Uhlenbeck processes, one a symbol, each beginning at the opening price."""

    def __init__(self, parameters: OrnsteinUhlenbeck, symbols: list[str], seed: int) -> None:
        super().__init__(len(symbols))
        self._phi, self._scale = transition(parameters.reversion, parameters.volatility, parameters.step_in_years)
        self._mean = int(fixed_point(np.array([parameters.mean]))[0])
        self._normals = streams(seed, symbols, "price")

    def advance(self, steps: int) -> Integers:  # noqa: D102  # inherited
        shocks = fixed_point(self._scale * draw_normals(self._normals, steps)).T.copy()
        levels = np.empty_like(shocks)
        level = self._level
        for step in range(steps):
            levels[step] = level
            # The state is rounded to the fixed point at every step, so that it is an integer at every cut.
            level = self._mean + np.rint((level - self._mean) * self._phi).astype(np.int64) + shocks[step]
        self._level = level
        return levels.T
