"""Events by hand: moves of a price at a given moment, and bursts of trading. The list `shocks` of a configuration."""

from __future__ import annotations

from typing import Annotated, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from simulator.diagnosis import show
from simulator.market.dynamics.base import Latent, LatentPath
from simulator.market.exact import fixed_point, logarithm
from simulator.market.intensity import Burst
from simulator.parameters import NANOSECONDS, Moment, Name, Parameters, nanoseconds

MARKET = "market"

Span = Annotated[float, Field(ge=0, le=3_155_760_000)]
Share = Annotated[float, Field(ge=0, le=1)]


class Shock(Parameters):
    """One event by hand; what is left out does not happen.

    Attributes:
        at: time from the start, seconds or "HH:MM:SS".
        target: a symbol, a sector, or `market` for all.
        move: change of the price as a fraction: -0.08 is a fall by 8 %.
        over: seconds that the move takes, in a straight line of the log price.
        recover: share of the move (of the log price) that is taken back.
        recover_over: seconds that the recovery takes, right after the move.
        rate: factor on the event rate of the whole market.
        rate_over: seconds that the rate stays so.
    """

    at: Moment
    target: Name = MARKET
    move: Annotated[float, Field(gt=-1, le=100)] = 0.0
    over: Span = 0.0
    recover: Share = 0.0
    recover_over: Span = 0.0
    rate: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    rate_over: Span = 0.0

    @model_validator(mode="after")
    def _has_an_effect(self) -> Shock:
        if self.rate is None and not self.move:
            raise ValueError("needs a move, or a rate with rate_over")
        if not self.move and (self.over or self.recover or self.recover_over):
            raise ValueError("has over or recover without a move")
        if (self.rate is None) != (self.rate_over == 0.0):
            raise ValueError("needs rate and rate_over together")
        if self.rate is not None and self.target != MARKET:
            target = show(self.target)
            raise ValueError(f"has a rate for {target}; a rate is for the whole market only, so give it an entry of its own")
        return self

    @property
    def begin(self) -> int:
        """Nanoseconds from the start."""
        return nanoseconds(self.at)


def burst(shock: Shock, begin: int) -> Burst | None:
    """The factor on the rate, for a shock that begins at this trading time; None where the rate stays as it is."""
    return None if shock.rate is None else Burst(begin, begin + round(shock.rate_over * NANOSECONDS), shock.rate)


@final
class ShockedPath(LatentPath):
    """A path with moves on top: piecewise linear in the log price.

    Args:
        path: what is moved.
        moves: each shock with the trading time of its begin in nanoseconds and a mask of the symbols that it moves.
        step: of the grid, nanoseconds.
    """

    def __init__(self, path: LatentPath, moves: list[tuple[Shock, int, NDArray[np.bool_]]], step: int) -> None:
        self._path = path
        self._moves = moves
        self._step = step
        self._now = 0

    def advance(self, steps: int) -> Latent:  # noqa: D102  # inherited
        latent = self._path.advance(steps)
        times = np.arange(self._now, self._now + steps, dtype=np.int64) * self._step
        self._now += steps
        levels = latent.levels
        for shock, begin, moved in self._moves:
            if times[-1] >= begin:
                levels = levels + moved[:, None] * displacement(shock, begin, times)
        return Latent(levels, latent.volatility)


def displacement(shock: Shock, begin: int, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a shock adds to the log price at some times, in fixed point."""
    full = logarithm(1.0 + shock.move)
    share = _progress(times, begin, shock.over)
    end = begin + round(shock.over * NANOSECONDS)
    back = shock.recover * _progress(times, end, shock.recover_over)
    return fixed_point(full * (share - back))


def _progress(times: NDArray[np.int64], begin: int, over: float) -> NDArray[np.float64]:
    """0 before `begin`, 1 after `over` seconds, a straight line between; a step when it takes no time."""
    span = round(over * NANOSECONDS)
    if span == 0:
        return (times >= begin).astype(np.float64)
    return np.clip((times - begin) / span, 0.0, 1.0)
