"""Ornstein-Uhlenbeck process of the log price: dX = kappa (theta - X) dt + sigma dW."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from simulator.market.dynamics.base import DynamicsParameters, Floats, Latent, Normals, PriceProcess, Values, Volatility
from simulator.market.exact import each, exponential, exponential_less_one, fixed_point
from simulator.parameters import PerSymbol
from simulator.seeding import Draws

Reversion = Annotated[float, Field(ge=1e-9)]
Level = Annotated[float, Field(ge=-20, le=20)]


class OrnsteinUhlenbeck(DynamicsParameters):
    """`conf/dynamics/ou.yaml`: kappa = reversion (per year), theta = mean, sigma = volatility."""

    VARYING: ClassVar[tuple[str, ...]] = ("reversion", "mean", "volatility")

    kind: Literal["ou"]
    reversion: PerSymbol[Reversion]
    mean: PerSymbol[Level]
    volatility: PerSymbol[Volatility]


def transition(reversion: Floats, volatility: Floats, dt: float) -> tuple[Floats, Floats]:
    """(phi, s) of the step X' = theta + (X - theta) phi + s Z over `dt` years. Exact in distribution.

    phi = exp(-kappa dt), s = sigma sqrt((1 - exp(-2 kappa dt)) / (2 kappa)).
    Source: Gillespie, Exact numerical simulation of the Ornstein-Uhlenbeck process, Phys. Rev. E 54 (1996).
    """
    phi = each(exponential, -reversion * dt)
    return phi, volatility * np.sqrt(-each(exponential_less_one, -2.0 * reversion * dt) / (2.0 * reversion))


@final
class OrnsteinUhlenbeckProcess(PriceProcess):
    """Independent Ornstein-Uhlenbeck processes, one a symbol, each beginning at the opening price."""

    def __init__(self, parameters: OrnsteinUhlenbeck, draws: Draws) -> None:
        super().__init__(parameters, draws)
        self._dt = parameters.step_in_years
        self._normals = Normals(draws.of("price"))

    def coefficients(self, values: Values) -> dict[str, Floats]:  # noqa: D102  # inherited
        phi, scale = transition(values["reversion"], values["volatility"], self._dt)
        return {"phi": phi, "scale": scale, "mean": values["mean"]}

    def advance(self, steps: int, coefficients: Values) -> Latent:  # noqa: D102  # inherited
        shocks = fixed_point(coefficients["scale"] * self._normals.take(steps)).T.copy()
        phi, mean = (np.broadcast_to(coefficients[name], shocks.T.shape).T for name in ("phi", "mean"))
        means = fixed_point(mean)
        levels = np.empty_like(shocks)
        level = self._level
        for step in range(steps):
            levels[step] = level
            # The state is rounded to the fixed point at every step, so that it is an integer at every cut.
            level = means[step] + np.rint((level - means[step]) * phi[step]).astype(np.int64) + shocks[step]
        self._level = level
        return Latent(levels.T)
