"""How prices move together: `conf/correlation/<option>.yaml`. A factor model over any price processes.

log S_i = own_i + beta_i M + gamma_i F_s(i): each symbol's own process, the market's factor, and the factor of its sector. The
factors are processes like any other, jumps and crashes included. With independent parts, the correlation of two returns is
beta_i beta_j s_M^2 / (s_i s_j), and gamma_i gamma_j s_F^2 more within a sector.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from simulator.diagnosis import show
from simulator.market.dynamics import Dynamics, latent_path, mean_volatility
from simulator.market.dynamics.base import Latent, LatentPath
from simulator.parameters import Name, Parameters, PerSymbol
from simulator.seeding import Draws, stream, words

Floats = NDArray[np.float64]
Beta = Annotated[float, Field(ge=-100, le=100)]


class NoCorrelation(Parameters):
    """`conf/correlation/none.yaml`: every symbol goes its own way."""

    kind: Literal["none"]


class MarketFactor(Parameters):
    """The factor of all symbols."""

    beta: PerSymbol[Beta]
    dynamics: Annotated[Dynamics, Field(discriminator="kind")]


class SectorFactors(Parameters):
    """One factor a sector."""

    names: Annotated[list[Name], Field(max_length=1000)]
    members: dict[str, str]
    beta: PerSymbol[Beta]
    correlation: list[list[float]] | None
    dynamics: Annotated[Dynamics, Field(discriminator="kind")]

    @field_validator("names")
    @classmethod
    def _are_distinct(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names) or "market" in names:
            raise ValueError("must be distinct, and none of them `market`")
        return names

    @field_validator("members")
    @classmethod
    def _are_in_sectors(cls, members: dict[str, str], info: object) -> dict[str, str]:
        known = getattr(info, "data", {}).get("names", [])
        unknown = sorted({sector for sector in members.values() if sector not in known})
        if unknown:
            raise ValueError(f"names {', '.join(map(show, unknown[:3]))}, which is not in correlation.sectors.names")
        return members

    @field_validator("correlation")
    @classmethod
    def _is_a_correlation(cls, matrix: list[list[float]] | None, info: object) -> list[list[float]] | None:
        count = len(getattr(info, "data", {}).get("names", []))
        if matrix is None:
            return None
        if len(matrix) != count or any(len(row) != count for row in matrix):
            raise ValueError(f"must have a row and a column for each of the {count} sectors")
        if any(matrix[i][i] != 1 or matrix[i][j] != matrix[j][i] for i in range(count) for j in range(count)):
            raise ValueError("must be symmetric, with 1 on its diagonal")
        cholesky(matrix)
        return matrix


class FactorModel(Parameters):
    """`conf/correlation/factor.yaml`."""

    kind: Literal["factor"]
    market: MarketFactor
    sectors: SectorFactors


Correlation = NoCorrelation | FactorModel


def cholesky(matrix: list[list[float]]) -> list[list[float]]:
    """The lower triangle L with L L' = matrix, in plain IEEE arithmetic: no BLAS, the same bits everywhere.

    Raises:
        ValueError: the matrix is not positive semidefinite.
    """
    size = len(matrix)
    lower = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i][j] - math.fsum(lower[i][k] * lower[j][k] for k in range(j))
            if i == j:
                if rest < -1e-12:  # noqa: PLR2004  # rounding of a semidefinite matrix
                    raise ValueError(f"is not positive semidefinite (pivot {i + 1} is {rest:.6g}; it must be 0 or more)")
                lower[i][i] = math.sqrt(max(rest, 0.0))
            elif lower[j][j] > 0:
                lower[i][j] = rest / lower[j][j]
            elif abs(rest) > 1e-12:  # noqa: PLR2004  # the same
                raise ValueError(f"is not positive semidefinite (row {i + 1} cannot depend on row {j + 1})")
    return lower


def sector_of(symbol: str, sectors: SectorFactors) -> int | None:
    """Number of a symbol's sector: as declared, else by its name, so that other symbols do not matter."""
    if not sectors.names:
        return None
    named = sectors.members.get(symbol)
    return sectors.names.index(named) if named is not None else words(symbol)[1] % len(sectors.names)


@final
class CorrelatedPath(LatentPath):
    """The symbols' own paths with the factors on top.

    The volatility over its long-run mean weighs the parts by the variance that each adds:
        v_i^2 = (s_i^2 v_own^2 + beta_i^2 s_M^2 v_M^2 + gamma_i^2 s_F^2 v_F^2) / (s_i^2 + beta_i^2 s_M^2 + gamma_i^2 s_F^2)
    with the mean volatilities s (see `mean_volatility`: without jumps) and the relative ones v, 1 where a part's is constant. A
    sector's factor that is mixed of independent ones k by the row l of L has s_F^2 v_F^2 = sum_k l_k^2 s_k^2 v_k^2. Exact.

    Args:
        own: the symbols' own process.
        model: the factors.
        symbols: their names.
        seed: of all streams.
    """

    def __init__(self, own: Dynamics, model: FactorModel, symbols: list[str], seed: int) -> None:
        draws, market_draws, sectors = Draws(seed, symbols), Draws(seed, ["market"], "factor "), model.sectors
        sector_draws = Draws(seed, sectors.names, "sector ")
        self._own = latent_path(own, draws)
        self._market = latent_path(model.market.dynamics, market_draws)
        self._market_beta = loadings(model.market.beta, symbols, seed, "market beta")
        self._sectors = latent_path(sectors.dynamics, sector_draws) if sectors.names else None
        self._mix = cholesky(sectors.correlation) if sectors.correlation else None
        self._sector_beta = loadings(sectors.beta, symbols, seed, "sector beta")
        self._sector = np.array([sector_of(symbol, sectors) or 0 for symbol in symbols], dtype=np.int64)
        self._own_variance = np.square(mean_volatility(own, draws))
        self._market_variance = np.square(self._market_beta * mean_volatility(model.market.dynamics, market_draws))
        if self._sectors is not None:
            self._sector_variance = np.square(mean_volatility(sectors.dynamics, sector_draws))
        self._squared_mix = None if self._mix is None else [[weight * weight for weight in row] for row in self._mix]
        self._mean_variance = self._variance(1.0, 1.0, 1.0)
        # A price that never moves has the volatility 1, and not 0/0.
        self._still = (self._mean_variance == 0.0).astype(np.float64)

    def advance(self, steps: int) -> Latent:  # noqa: D102  # inherited
        own, market = self._own.advance(steps), self._market.advance(steps)
        levels = own.levels + np.rint(self._market_beta * market.levels).astype(np.int64)
        relative = [own.volatility, market.volatility, None]
        if self._sectors is not None:
            sectors = self._sectors.advance(steps)
            levels += np.rint(self._sector_beta * mixed(sectors.levels, self._mix)[self._sector]).astype(np.int64)
            relative[2] = sectors.volatility
        if all(volatility is None for volatility in relative):
            return Latent(levels)
        variance = self._variance(*(1.0 if volatility is None else np.square(volatility) for volatility in relative))
        return Latent(levels, np.sqrt((variance + self._still) / (self._mean_variance + self._still)))

    def _variance(self, own: Floats | float, market: Floats | float, sectors: Floats | float) -> Floats:
        """Variance of a step of each symbol, from the squares of the parts' relative volatilities."""
        variance = self._own_variance * own + self._market_variance * market
        if self._sectors is not None:
            of_sectors = mixed(self._sector_variance * sectors, self._squared_mix)
            variance = variance + np.square(self._sector_beta) * of_sectors[self._sector]
        return variance


def mixed(rows: NDArray[Any], weights: list[list[float]] | None) -> NDArray[Any]:
    """Each row of the weights times all rows; None: the rows as they are."""
    if weights is None:
        return rows
    results = []
    for row_weights in weights:
        result = np.zeros(rows.shape[1])
        for weight, row in zip(row_weights, rows, strict=True):
            result += weight * row
        results.append(result)
    return np.stack(results)


def loadings(beta: PerSymbol[float], symbols: list[str], seed: int, purpose: str) -> Floats:
    """Each symbol's loading on a factor, shape (symbols, 1): the common number, or its own draw."""
    if not isinstance(beta, dict):
        return np.full((len(symbols), 1), float(beta))
    low, high = beta["uniform"]
    return np.array([[low + (high - low) * stream(seed, symbol, purpose).random()] for symbol in symbols])
