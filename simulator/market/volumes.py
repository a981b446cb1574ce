"""Sizes of trades: `conf/volumes/<distribution>.yaml`. Whole round lots, of the symbol's mean, larger when prices are wild."""

from __future__ import annotations

from typing import Annotated, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulator.market.draws import GroupedDraws, Law
from simulator.market.exact import exponential_of_fixed_point, fixed_point, logarithm
from simulator.parameters import Parameters
from simulator.seeding import Draws

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class VolumeParameters(Parameters):
    """Keys that every option of `conf/volumes` has."""

    volatility_power: Annotated[int, Field(ge=0, le=3)]


class Geometric(VolumeParameters):
    """`conf/volumes/geometric.yaml`: lots are geometric on 1, 2, …."""

    kind: Literal["geometric"]


class LogNormal(VolumeParameters):
    """`conf/volumes/lognormal.yaml`: lots are log-normal, rounded up; deviation is that of the logarithm."""

    kind: Literal["lognormal"]
    deviation: Annotated[float, Field(ge=0, le=4)]


Volumes = Geometric | LogNormal


def geometric_scale(mean: float) -> float:
    """C such that 1 + floor(c Exp(1)) is geometric on 1, 2, … with the given mean: c = -1 / ln(1 - 1/mean). Exact."""
    return 0.0 if mean <= 1 else -1.0 / logarithm(1.0 - 1.0 / mean)


@final
class TradeSizes:
    """Draws sizes in lots; a symbol's sizes come from its own stream and move nothing else.

    Args:
        parameters: the distribution.
        means: mean size of each symbol in lots, shape (symbols,).
        draws: of the symbols.
    """

    def __init__(self, parameters: Volumes, means: Floats, draws: Draws) -> None:
        self._parameters = parameters
        kind: Law = "exponential" if isinstance(parameters, Geometric) else "normal"
        self._draws = GroupedDraws(draws.of("volume"), kind)
        scales = [geometric_scale(mean) for mean in means.tolist()] if isinstance(parameters, Geometric) else means
        self._scales = np.array(scales, dtype=np.float64)

    def draw(self, counts: Integers) -> Floats:
        """Relative sizes grouped by symbol: Exp(1), or exp(s Z - s^2/2), both of mean 1."""
        if isinstance(self._parameters, Geometric):
            return self._draws.take(counts)
        deviation = self._parameters.deviation
        logs = deviation * self._draws.take(counts) - deviation * deviation / 2.0
        return exponential_of_fixed_point(fixed_point(logs))

    def lots(self, relative: Floats, symbol: NDArray[np.uint32], volatility: Floats | None) -> Integers:
        """Whole lots, at least one: 1 + floor(x scale), or the next whole number of x scale.

        Args:
            relative: as drawn, in the events' order.
            symbol: index of each event's symbol.
            volatility: of each event's symbol at its time over its long-run mean; its power multiplies the size.
        """
        sizes = times_power(relative * self._scales[symbol], volatility, self._parameters.volatility_power)
        if isinstance(self._parameters, Geometric):
            return sizes.astype(np.int64) + 1
        lots: Integers = np.maximum(np.ceil(sizes), 1.0).astype(np.int64)
        return lots


def times_power(values: Floats, volatility: Floats | None, power: int) -> Floats:
    """Values * volatility^power by plain products, which are the same everywhere; a volatility of None is 1."""
    if volatility is not None:
        for _ in range(power):
            values = values * volatility
    return values
