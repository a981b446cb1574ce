"""GARCH(1,1), with the asymmetry of Glosten, Jagannathan and Runkle: volatility that clusters."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from simulator.market.dynamics.base import (
    Drift,
    DynamicsParameters,
    Floats,
    Integers,
    Latent,
    Normals,
    PriceProcess,
    Values,
    Volatility,
)
from simulator.market.exact import FRACTION_BITS, fixed_point
from simulator.parameters import PerSymbol
from simulator.seeding import Draws

Share = Annotated[float, Field(ge=0, le=1)]
Asymmetry = Annotated[float, Field(ge=0, le=2)]

_LARGEST = 1024.0
"""Of a period's variance: far beyond any price, so that a log price stays in fixed point."""


class Garch(DynamicsParameters):
    """`conf/dynamics/garch.yaml`: h' = omega + (alpha + gamma 1[e < 0]) e^2 + beta h, a step of the recursion a period."""

    VARYING: ClassVar[tuple[str, ...]] = ("drift", "volatility", "alpha", "beta", "gamma")

    kind: Literal["garch"]
    drift: PerSymbol[Drift]
    volatility: PerSymbol[Volatility]
    alpha: PerSymbol[Share]
    beta: PerSymbol[Share]
    gamma: PerSymbol[Asymmetry]
    degrees_of_freedom: Annotated[float, Field(gt=2, le=1000)] | None
    period: Annotated[float, Field(ge=0.000_001, le=31_557_600)]


def next_variance(variance: Floats, innovation: Floats, coefficients: Values) -> Floats:
    """The next period's h' = omega + (alpha + gamma 1[e < 0]) e^2 + beta h.

    Source: Glosten, Jagannathan & Runkle, J. Finance 48 (1993); with gamma = 0 Bollerslev, J. Econometrics 31 (1986).
    """
    weight = coefficients["alpha"] + coefficients["gamma"] * (innovation < 0.0)
    return coefficients["omega"] + weight * innovation * innovation + coefficients["beta"] * variance


def persistence(values: Values) -> Floats:
    """Alpha + beta + gamma/2: below 1 the variance has a mean."""
    return values["alpha"] + values["beta"] + values["gamma"] / 2.0


@final
class GarchProcess(PriceProcess):
    """Independent GARCH processes, one a symbol, each beginning at its long-run variance.

    A period's innovation is e = sqrt(h W) Z with W = 1 or, for Student's t with nu degrees of freedom, W = (nu - 2)/chi2(nu).
    Inside the period the log price is a Brownian motion of that variance, so that steps sum to the innovation exactly. The drift
    gives back h W/2, so that E[S_t] = S_0 exp(mu t) although a t variable has no exponential moment: W is known when the
    period begins. Exact. The variance of a period's log return is volatility^2 period in the long run.
    """

    def __init__(self, parameters: Garch, draws: Draws) -> None:
        super().__init__(parameters, draws)
        self._dt = parameters.step_in_years
        self._length = max(1, round(parameters.period / parameters.step))
        self._nu = parameters.degrees_of_freedom
        self._normals = Normals(draws.of("price"))
        self._mixers = draws.of("mixing")
        self._done = self._length
        """Steps of the present period that are past; all, before the first."""
        self._variance: Floats = np.zeros(0)
        self._mixing: Floats = np.zeros(0)
        self._sum: Integers = np.zeros(len(draws.names), dtype=np.int64)
        """Sum of the present period's normals, in fixed point, so that cuts do not change it."""

    @staticmethod
    def faults(parameters: Garch, values: Values) -> list[str]:  # noqa: D102  # inherited
        found = []
        largest = float(persistence(values).max())
        if largest >= 1.0:
            found.append(
                f"dynamics.alpha + beta + gamma/2 = {largest:g}: must be less than 1, or the variance would have no mean"
            )
        period, step = parameters.period, parameters.step
        if Decimal(repr(period)) % Decimal(repr(step)) != 0:
            found.append(f"dynamics.period={period:g}: must be a multiple of dynamics.step={step:g}")
        return found

    def coefficients(self, values: Values) -> dict[str, Floats]:  # noqa: D102  # inherited
        long_run = values["volatility"] * values["volatility"] * (self._dt * self._length)
        return {
            "mean": values["drift"] * self._dt,
            "omega": long_run * (1.0 - persistence(values)),
            "alpha": values["alpha"],
            "beta": values["beta"],
            "gamma": values["gamma"],
            "long_run": long_run,
        }

    def advance(self, steps: int, coefficients: Values) -> Latent:  # noqa: D102  # inherited
        normals = self._normals.take(steps)
        first = self._length - self._done  # the step at which the next period begins
        begins = np.arange(first, steps, self._length)
        mixing = self._draw_mixing(begins.size)
        edges = np.concatenate((begins[:0] if first == 0 else [0], begins)).astype(np.int64)
        sums = np.add.reduceat(fixed_point(normals), edges, axis=1)
        lengths = np.diff(edges, append=steps)
        variances, spreads = (np.empty((len(normals), edges.size)) for _ in range(2))
        for number, edge in enumerate(edges.tolist()):
            now = {name: column[:, min(edge, column.shape[1] - 1)] for name, column in coefficients.items()}
            if edge >= first:
                self._begin_period(now, mixing[(edge - first) // self._length])
            self._sum = self._sum + sums[:, number]
            self._done += int(lengths[number])
            variances[:, number], spreads[:, number] = self._variance, self._spread()
        relative = np.repeat(variances, lengths, axis=1)
        of_step = np.repeat(spreads, lengths, axis=1)
        returns = coefficients["mean"] - of_step / 2.0 + np.sqrt(of_step) * normals
        long_run = coefficients["long_run"]
        volatility = np.sqrt(np.divide(relative, long_run, out=np.ones_like(relative), where=long_run > 0.0))
        return Latent(self._accumulate(fixed_point(returns)), volatility)

    def _begin_period(self, coefficients: Values, mixing: Floats) -> None:
        """The period before ends; its innovation gives the next one's variance."""
        if not self._variance.size:
            self._variance = coefficients["long_run"].copy()
        else:
            innovation = np.sqrt(self._spread()) * (self._sum.astype(np.float64) * 2.0**-FRACTION_BITS)
            self._variance = next_variance(self._variance, innovation, coefficients)
        self._mixing, self._sum, self._done = mixing, np.zeros_like(self._sum), 0

    def _spread(self) -> Floats:
        """Variance of each step of the present period."""
        return np.minimum(self._variance * self._mixing, _LARGEST) / self._length

    def _draw_mixing(self, periods: int) -> Floats:
        """W of each period and symbol, shape (periods, symbols). With nu > 2 the gamma's shape is above 1."""
        if self._nu is None:
            return np.ones((periods, len(self._mixers)))
        gammas = [generator.standard_gamma(self._nu / 2.0, periods) for generator in self._mixers]
        mixing: Floats = (self._nu / 2.0 - 1.0) / np.array(gammas).T
        return mixing
