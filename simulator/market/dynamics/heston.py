"""Heston's stochastic volatility, with Merton's jumps where they are wanted (Bates)."""

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
    draw_normals,
)
from simulator.market.dynamics.jump import JumpDeviation, JumpMean, NormalJumps
from simulator.market.exact import fixed_point
from simulator.market.quadratic_exponential import LONGEST_REACH, Shocks, log_moment, transition, variances
from simulator.parameters import PerSymbol
from simulator.seeding import Draws

# Below it a step's part of it vanishes in floating point.
Reversion = Annotated[float, Field(ge=1e-9, le=1e9)]
Variance = Annotated[float, Field(ge=1e-8, le=1e4)]
VolatilityOfVariance = Annotated[float, Field(ge=1e-4, le=1e5)]
Correlation = Annotated[float, Field(ge=-1, le=1)]

# Symbols, and symbols times steps, that are moved at once: what is kept for them stays in the processor's cache.
_SYMBOLS = 1024
_ELEMENTS = 1 << 17


class Heston(DynamicsParameters):
    """`conf/dynamics/heston.yaml`: dS = mu S dt + sqrt(v) S dW + S dJ, dv = kappa (theta - v) dt + eps sqrt(v) dB.

    kappa = reversion, theta = mean_variance, eps = vol_of_variance, dW dB = rho dt with rho = correlation; J: see `NormalJumps`.
    """

    VARYING: ClassVar[tuple[str, ...]] = (
        "drift",
        "reversion",
        "mean_variance",
        "vol_of_variance",
        "correlation",
        "jump_intensity",
        "jump_mean",
        "jump_deviation",
    )

    kind: Literal["heston"]
    drift: PerSymbol[Drift]
    reversion: PerSymbol[Reversion]
    mean_variance: PerSymbol[Variance]
    vol_of_variance: PerSymbol[VolatilityOfVariance]
    correlation: PerSymbol[Correlation]
    initial_variance: Annotated[float, Field(ge=0, le=1e4)] | None
    jump_intensity: PerSymbol[PerYear]
    jump_mean: PerSymbol[JumpMean]
    jump_deviation: PerSymbol[JumpDeviation]


def exponent(values: Values, dt: float) -> Floats:
    """A = K2 + K4/2: the martingale correction of a step needs E[exp(A v')]."""
    kappa, eps, rho = values["reversion"], values["vol_of_variance"], values["correlation"]
    return rho / eps * (1.0 + kappa * dt / 2.0) - rho * rho * dt / 4.0


def _transition(values: Values, dt: float) -> dict[str, Floats]:
    return transition(values["reversion"], values["mean_variance"], values["vol_of_variance"], dt)


@final
class HestonProcess(PriceProcess):
    """Independent Heston processes, one a symbol: Andersen's quadratic-exponential scheme with martingale correction.

    ln S' = ln S + mu dt - ln E[exp(A v')] - K3 v/2 + K2 v' + sqrt(K3 (v + v')) Z with K2 = (kappa rho/eps - 1/2) dt/2 + rho/eps,
    K3 = (1 - rho^2) dt/2, A = K2 + K3/2. Approximate: a step's mean and variance of the variance are exact and its law is close,
    so that errors fade with the step; E[S_t] = S_0 exp(mu t) is exact for any step.
    Source: Andersen, Simple and efficient simulation of the Heston stochastic volatility model, J. Computational Finance 11
    (2008), sections 3.2, 4.2 and 4.3, with psi_c = 1.5 and gamma1 = gamma2 = 1/2.
    """

    def __init__(self, parameters: Heston, draws: Draws) -> None:
        super().__init__(parameters, draws)
        self._dt = parameters.step_in_years
        given = parameters.initial_variance
        opening = parameters.values(draws)["mean_variance"][:, 0] if given is None else np.full(len(draws.names), given)
        self._variance: Floats = opening
        self._normals = draws.of("price")
        self._shocks = draws.of("variance normal"), draws.of("variance uniform"), draws.of("variance exponential")
        self._jumps = NormalJumps(draws, self._dt)

    @staticmethod
    def faults(parameters: Heston, values: Values) -> list[str]:
        """The martingale correction exists for all variances if A (5/6) eps^2 (1 - exp(-kappa dt))/kappa < 1."""
        dt = parameters.step_in_years
        reach = exponent(values, dt) * _transition(values, dt)["slope"] * LONGEST_REACH
        if reach.max() < 1.0:
            return []
        # Since (1 + x/2) (1 - exp(-x)) / x <= 1, this is short enough.
        longest = 1.2 / float((values["correlation"] * values["vol_of_variance"]).max()) * parameters.seconds_per_year
        rule = f"1.2 years over correlation * vol_of_variance = {longest:.3g} s at most"
        return [f"dynamics.step={parameters.step:g}: must be {rule}, or the scheme's mean price would be infinite"]

    @staticmethod
    def volatility(values: Values) -> Floats:  # noqa: D102  # inherited
        return np.sqrt(values["mean_variance"])

    def coefficients(self, values: Values) -> dict[str, Floats]:  # noqa: D102  # inherited
        dt = self._dt
        diffusion = (1.0 - values["correlation"] * values["correlation"]) * (dt / 2.0)
        ratio = values["correlation"] / values["vol_of_variance"]
        compensator, jumps = self._jumps.coefficients(values)
        return (
            _transition(values, dt)
            | jumps
            | {
                "mean": (values["drift"] - compensator) * dt,
                "exponent": exponent(values, dt),
                "after": (values["reversion"] * ratio - 0.5) * (dt / 2.0) + ratio,
                "before": diffusion / 2.0,
                "diffusion": diffusion,
                "relative": 1.0 / values["mean_variance"],
            }
        )

    def advance(self, steps: int, coefficients: Values) -> Latent:  # noqa: D102  # inherited
        self._variance = self._variance.copy()  # the opening one stays as it was
        returns = self._jumps.sums(steps, coefficients)
        volatility = np.empty_like(returns)
        symbols = len(returns)
        for top in range(0, symbols, _SYMBOLS):
            rows = slice(top, min(top + _SYMBOLS, symbols))
            longest = max(1, _ELEMENTS // (rows.stop - top))
            for begin in range(0, steps, longest):
                columns = slice(begin, min(begin + longest, steps))
                piece = {
                    name: column[rows, columns if column.shape[1] > 1 else slice(1)] for name, column in coefficients.items()
                }
                self._move(rows, piece, returns[rows, columns], volatility[rows, columns])
        return Latent(self._accumulate(fixed_point(returns)), volatility)

    def _move(self, rows: slice, coefficients: Values, returns: Floats, volatility: Floats) -> None:
        """Some symbols' next steps: adds to their returns, shape (symbols, steps), and writes their volatility."""
        steps = returns.shape[1]
        by_step = {
            name: np.broadcast_to(np.ascontiguousarray(column.T), returns.T.shape) for name, column in coefficients.items()
        }
        normals, uniforms, exponentials = (streams[rows] for streams in self._shocks)
        uniform, exponential = np.empty_like(returns), np.empty_like(returns)
        for row in range(len(returns)):
            uniforms[row].random(out=uniform[row])
            exponentials[row].standard_exponential(out=exponential[row])
        shocks = Shocks(np.ascontiguousarray(draw_normals(normals, steps).T), uniform, exponential)
        stretch = variances(self._variance[rows], shocks, by_step)
        moved = stretch.before + stretch.after
        moved *= by_step["diffusion"]
        np.sqrt(moved, out=moved)
        moved *= draw_normals(self._normals[rows], steps).T
        moved += by_step["mean"]
        moved -= log_moment(stretch, by_step["exponent"])
        moved += by_step["after"] * stretch.after
        moved -= by_step["before"] * stretch.before
        returns += moved.T
        np.sqrt((stretch.before * by_step["relative"]).T, out=volatility)
        self._variance[rows] = stretch.after[-1]
