"""Kou's jump diffusion: geometric Brownian motion and compensated jumps with double-exponential sizes."""

from __future__ import annotations

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
from simulator.market.dynamics.jump import compound_poisson
from simulator.market.exact import fixed_point
from simulator.parameters import PerSymbol
from simulator.seeding import Draws

Probability = Annotated[float, Field(ge=0, le=1)]
# exp of a jump up has the mean eta1 / (eta1 - 1).
UpwardRate = Annotated[float, Field(gt=1, le=1e9)]
DownwardRate = Annotated[float, Field(ge=0.1, le=1e9)]


class KouJumpDiffusion(DynamicsParameters):
    """`conf/dynamics/kou.yaml`: a jump of the log price is up by Exp(eta1) with probability p, else down by Exp(eta2)."""

    VARYING: ClassVar[tuple[str, ...]] = ("drift", "volatility", "jump_intensity", "up_probability", "up_rate", "down_rate")

    kind: Literal["kou"]
    drift: PerSymbol[Drift]
    volatility: PerSymbol[Volatility]
    jump_intensity: PerSymbol[PerYear]
    up_probability: PerSymbol[Probability]
    up_rate: PerSymbol[UpwardRate]
    down_rate: PerSymbol[DownwardRate]


@final
class KouProcess(PriceProcess):
    """Independent jump diffusions, one a symbol. Exact in distribution on the grid.

    Jumps up and down are independent Poisson processes of intensities lambda p and lambda (1 - p); n jumps of one kind sum to
    Gamma(n) / eta. The drift gives back lambda (p eta1/(eta1 - 1) + (1 - p) eta2/(eta2 + 1) - 1), so that
    E[S_t] = S_0 exp(mu t).
    Source: Kou, A jump-diffusion model for option pricing, Management Science 48 (2002).
    """

    def __init__(self, parameters: KouJumpDiffusion, draws: Draws) -> None:
        super().__init__(parameters, draws)
        self._dt = parameters.step_in_years
        self._normals = Normals(draws.of("price"))
        self._up = draws.of("jump up count"), draws.of("jump up size")
        self._down = draws.of("jump down count"), draws.of("jump down size")

    def coefficients(self, values: Values) -> dict[str, Floats]:  # noqa: D102  # inherited
        up, down, share = values["up_rate"], values["down_rate"], values["up_probability"]
        intensity = values["jump_intensity"]
        growth = share / (up - 1.0) - (1.0 - share) / (down + 1.0)
        return diffusion(values["drift"] - intensity * growth, values["volatility"], self._dt) | {
            "jumps_up": intensity * share * self._dt,
            "jumps_down": intensity * (1.0 - share) * self._dt,
            "up_rate": up,
            "down_rate": down,
        }

    def advance(self, steps: int, coefficients: Values) -> Latent:  # noqa: D102  # inherited
        returns = coefficients["mean"] + coefficients["scale"] * self._normals.take(steps)
        returns += _sums(self._up, steps, coefficients["jumps_up"], coefficients["up_rate"])
        returns -= _sums(self._down, steps, coefficients["jumps_down"], coefficients["down_rate"])
        return Latent(self._accumulate(fixed_point(returns)))


def _sums(streams: tuple[list[Generator], list[Generator]], steps: int, jumps: Floats, rates: Floats) -> Floats:
    """Sums of exponential jumps, shape (symbols, steps)."""
    counters, sizers = streams
    rates = np.broadcast_to(rates, (len(counters), steps))

    def sum_of(row: int, places: Integers, n: Floats) -> Floats:
        total: Floats = sizers[row].standard_gamma(n) / rates[row, places]
        return total

    return compound_poisson(counters, jumps, steps, sum_of)
