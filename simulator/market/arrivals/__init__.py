"""Arrival processes: `conf/arrivals/<name>.yaml` is the module of the same name here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.market.arrivals.base import ArrivalProcess
from simulator.market.arrivals.fixed import Fixed, RotatingArrivals, SeparateArrivals
from simulator.market.arrivals.poisson import Poisson, PoissonArrivals

if TYPE_CHECKING:
    from simulator.plan import MarketPlan

Arrivals = Fixed | Poisson


def _fixed(market: MarketPlan, seed: int) -> ArrivalProcess:  # noqa: ARG001  # a metronome draws nothing
    if market.rotating:
        return RotatingArrivals(len(market.symbols), market.rate)
    return SeparateArrivals([symbol.name for symbol in market.symbols], _rates(market))


def _poisson(market: MarketPlan, seed: int) -> ArrivalProcess:
    return PoissonArrivals([symbol.name for symbol in market.symbols], _rates(market), seed)


def _rates(market: MarketPlan) -> NDArray[np.float64]:
    return np.array([symbol.rate for symbol in market.symbols])


ARRIVALS = {"fixed": _fixed, "poisson": _poisson}


def arrival_process(market: MarketPlan, seed: int) -> ArrivalProcess:
    """The process that the plan names, at its start."""
    return ARRIVALS[market.arrivals](market, seed)
