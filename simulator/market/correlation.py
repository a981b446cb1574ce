"""How prices move together: `conf/correlation/<option>.yaml`. A factor model over any price processes.

log S_i = own_i + beta_i M + gamma_i F_s(i): each symbol's own process, the market's factor, and the factor of its sector. The
factors are processes like any other, jumps and crashes included. With independent parts, the correlation of two returns is
beta_i beta_j s_M^2 / (s_i s_j), and gamma_i gamma_j s_F^2 more within a sector.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from simulator.market.dynamics import Dynamics, latent_path
from simulator.market.dynamics.base import Latent, LatentPath
from simulator.parameters import Parameters, PerSymbol
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

    names: list[Annotated[str, Field(min_length=1)]]
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
            raise ValueError(f"names {', '.join(unknown)}, which is not in correlation.sectors.names")
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
    """The symbols' own paths with the factors on top."""

    def __init__(self, own: LatentPath, model: FactorModel, symbols: list[str], seed: int) -> None:
        self._own = own
        self._market = latent_path(model.market.dynamics, Draws(seed, ["market"], "factor "))
        self._market_beta = loadings(model.market.beta, symbols, seed, "market beta")
        sectors = model.sectors
        self._sectors = latent_path(sectors.dynamics, Draws(seed, sectors.names, "sector ")) if sectors.names else None
        self._mix = cholesky(sectors.correlation) if sectors.correlation else None
        self._sector_beta = loadings(sectors.beta, symbols, seed, "sector beta")
        self._sector = np.array([sector_of(symbol, sectors) or 0 for symbol in symbols], dtype=np.int64)

    def advance(self, steps: int) -> Latent:  # noqa: D102  # inherited
        own, market = self._own.advance(steps), self._market.advance(steps)
        levels = own.levels + np.rint(self._market_beta * market.levels).astype(np.int64)
        if self._sectors is not None:
            factors = self._mixed(self._sectors.advance(steps).levels)
            levels += np.rint(self._sector_beta * factors[self._sector]).astype(np.int64)
        volatility = _product(own.volatility, market.volatility)
        # The market's alone has one row for all symbols.
        return Latent(levels, None if volatility is None else np.broadcast_to(volatility, levels.shape))

    def _mixed(self, levels: NDArray[np.int64]) -> NDArray[np.int64] | Floats:
        """The sectors' factors with their correlation: rows of L times independent factors."""
        if self._mix is None:
            return levels
        rows = []
        for weights in self._mix:
            row = np.zeros(levels.shape[1])
            for weight, level in zip(weights, levels, strict=True):
                row += weight * level
            rows.append(row)
        return np.stack(rows)


def loadings(beta: PerSymbol[float], symbols: list[str], seed: int, purpose: str) -> Floats:
    """Each symbol's loading on a factor, shape (symbols, 1): the common number, or its own draw."""
    if not isinstance(beta, dict):
        return np.full((len(symbols), 1), float(beta))
    low, high = beta["uniform"]
    return np.array([[low + (high - low) * stream(seed, symbol, purpose).random()] for symbol in symbols])


def _product(first: Floats | None, second: Floats | None) -> Floats | None:
    if first is None or second is None:
        return first if second is None else second
    return first * second
