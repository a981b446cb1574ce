"""Arrival processes: `conf/arrivals/<name>.yaml` is the module of the same name here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.market.arrivals.base import ArrivalProcess, TimeChangedArrivals
from simulator.market.arrivals.diurnal import Diurnal
from simulator.market.arrivals.fixed import Fixed, RotatingArrivals, SeparateArrivals
from simulator.market.arrivals.hawkes import Hawkes, HawkesArrivals
from simulator.market.arrivals.mmpp import MarkovModulated, MarkovModulatedArrivals
from simulator.market.arrivals.poisson import Poisson, PoissonArrivals
from simulator.market.arrivals.ramp import Ramp
from simulator.market.arrivals.trace import Trace, TraceArrivals
from simulator.market.intensity import Intensity

Arrivals = Fixed | Poisson | Ramp | Diurnal | Hawkes | MarkovModulated | Trace


@dataclass(frozen=True)
class Market:
    """What a process needs to know of the market: rates are events per second; rotating: symbols of one rate take turns."""

    symbols: list[str]
    rates: NDArray[np.float64]
    rotating: bool
    seed: int


def _fixed(parameters: Fixed, market: Market) -> ArrivalProcess:
    if market.rotating and parameters.rate is not None:
        # The sum of equal shares of a rate is not the rate to the last bit.
        return RotatingArrivals(len(market.symbols), parameters.rate)
    return SeparateArrivals(market.symbols, market.rates)


def _poisson(_: Poisson | Ramp | Diurnal, market: Market) -> ArrivalProcess:
    return PoissonArrivals(market.symbols, market.rates, market.seed)


def _hawkes(parameters: Hawkes, market: Market) -> ArrivalProcess:
    return HawkesArrivals(parameters, market.symbols, market.rates, market.seed)


def _mmpp(parameters: MarkovModulated, market: Market) -> ArrivalProcess:
    return MarkovModulatedArrivals(parameters, market.symbols, market.rates, market.seed)


def _trace(parameters: Trace, market: Market) -> ArrivalProcess:
    return TraceArrivals(parameters, market.symbols, market.rates, market.seed)


ARRIVALS: dict[str, Callable[[Any, Market], ArrivalProcess]] = {
    "fixed": _fixed,
    "poisson": _poisson,
    "ramp": _poisson,
    "diurnal": _poisson,
    "hawkes": _hawkes,
    "mmpp": _mmpp,
    "trace": _trace,
}


def arrival_process(  # noqa: PLR0913  # all that a process depends on
    parameters: Arrivals,
    symbols: list[str],
    rates: NDArray[np.float64],
    *,
    rotating: bool,
    duration_ns: int | None,
    seed: int,
    intensity: Intensity | None = None,
) -> ArrivalProcess:
    """The process that the parameters name, at its start.

    Args:
        parameters: the option of `conf/arrivals`.
        symbols: their names, which key their streams.
        rates: mean events per second of each, where the intensity is 1.
        rotating: whether all symbols have the same share of the rate, so that they can take turns.
        duration_ns: of the run, for shapes that span it; None: without end.
        seed: of all streams.
        intensity: of the market; multiplies the option's own (see `Intensity.__mul__`).

    Raises:
        BadConfigError: if a file that the parameters name cannot be used, or a shape needs an end of the run and there is none.
        ValueError: if the two shapes have no common period that is short enough.
    """
    process = ARRIVALS[parameters.kind](parameters, Market(symbols, rates, rotating, seed))
    shape = parameters.intensity(duration_ns)
    if shape is not None and intensity is not None:
        shape = shape * intensity
    shape = shape or intensity
    return process if shape is None else TimeChangedArrivals(process, shape)
