"""The efficient prices on their grid: latent paths, factors, shocks by hand, and halts, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.correlation import CorrelatedPath, FactorModel, sector_of
from simulator.market.dynamics import latent_path
from simulator.market.dynamics.base import LatentPath
from simulator.market.exact import exponential_of_fixed_point
from simulator.market.halts import Halts, LimitUpLimitDown, Stretch, Timeline
from simulator.market.shocks import MARKET, Shock, ShockedPath
from simulator.seeding import Draws

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.plan import MarketPlan

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PriceBlock:
    """A stretch of the grid; arrays have shape (symbols, steps).

    Attributes:
        ticks: efficient prices in ticks, not rounded; held at a band in a limit state.
        volatility: over its long-run mean; None: 1.
        halts: trading and the price bands; None: no halts.
        timeline: statuses and reopening auctions; None: no halts.
    """

    ticks: Floats
    volatility: Floats | None = None
    halts: Stretch | None = None
    timeline: Timeline | None = None


@final
class Prices:
    """The state of all prices.

    Args:
        market: the plan's market.
        seed: of all streams.
        step: of the grid, nanoseconds.
        trading_time: trading time of a market time, nanoseconds: where shocks by hand lie.
    """

    def __init__(self, market: MarketPlan, seed: int, step: int, trading_time: Callable[[int], int]) -> None:
        self._path = _path(market, seed, step, trading_time)
        ticks = np.array([symbol.tick for symbol in market.symbols], dtype=np.int64)
        self._opening_ticks = np.array([symbol.opening_ticks for symbol in market.symbols])[:, None]
        self._most_ticks = np.floor(2.0**53 / ticks)[:, None]
        halting = isinstance(market.halts, LimitUpLimitDown)
        self._halts = Halts(len(market.symbols), market.halts, step) if halting else None  # type: ignore[arg-type]  # asked above

    def reopen(self) -> None:
        """The next step is a session's opening."""
        if self._halts is not None:
            self._halts.reopen()

    def advance(self, steps: int) -> PriceBlock:
        """The next steps. A price is at least one tick, and small enough to be exact as a double."""
        latent = self._path.advance(steps)
        ratio = exponential_of_fixed_point(latent.levels)
        ticks: Floats = np.clip(self._opening_ticks * ratio, 1.0, self._most_ticks)
        if self._halts is None:
            return PriceBlock(ticks, latent.volatility)
        rounded = np.rint(ticks).astype(np.int64)
        block = self._halts.advance(rounded, latent.levels)
        ticks = np.where(block.grid.prices == rounded, ticks, block.grid.prices)
        return PriceBlock(ticks, latent.volatility, block.grid, block.events)


def _path(market: MarketPlan, seed: int, step: int, trading_time: Callable[[int], int]) -> LatentPath:
    names = [symbol.name for symbol in market.symbols]
    if isinstance(market.correlation, FactorModel):
        path: LatentPath = CorrelatedPath(market.dynamics, market.correlation, names, seed)
    else:
        path = latent_path(market.dynamics, Draws(seed, names))
    moves = [(shock, trading_time(shock.begin), _moved(shock, market, names)) for shock in market.shocks if shock.move]
    return ShockedPath(path, moves, step) if moves else path


def _moved(shock: Shock, market: MarketPlan, names: list[str]) -> NDArray[np.bool_]:
    """Which symbols a shock moves."""
    sectors = market.correlation.sectors if isinstance(market.correlation, FactorModel) else None
    if shock.target == MARKET:
        return np.ones(len(names), dtype=bool)
    if sectors is not None and shock.target in sectors.names:
        number = sectors.names.index(shock.target)
        return np.array([sector_of(name, sectors) == number for name in names])
    return np.array([name == shock.target for name in names])
