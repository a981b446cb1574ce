"""Replay: prices from a file of the user's, bars or ticks."""

from __future__ import annotations

import math
from typing import Annotated, Literal, final

import numpy as np
from pydantic import Field

from simulator.market.dynamics.base import DynamicsParameters, Floats, Integers, Latent, LatentPath
from simulator.market.exact import FRACTION_BITS, fixed_point, logarithm_of
from simulator.market.recorded import Recorded, Sha256, TimeUnit
from simulator.parameters import FilePath, Text
from simulator.seeding import Draws

_LONGEST = 2.0**62  # nanoseconds


class Replay(DynamicsParameters):
    """`conf/dynamics/replay.yaml`."""

    kind: Literal["replay"]
    path: FilePath
    sha256: Sha256 | None
    time: Text
    time_unit: TimeUnit
    price: Text
    symbol: Text | None
    speed: Annotated[float, Field(ge=0.000_001, le=1_000_000_000)]
    loop: bool


@final
class ReplayPath(LatentPath):
    """Log prices relative to a symbol's first: ln(last price at or before a grid point / first price).

    The run begins at the file's earliest time; a symbol whose first price comes later stays at it until then. After the last
    time prices stay where they are or, with `loop`, the file begins again at once: relative moves are repeated from the level
    reached, so that no price jumps where laps meet, and a file that rises goes on rising. Without a column of symbols all take
    the one path.

    Raises:
        BadConfigError: if the file, a column or its values are not what they must be, or the file is not the plan's.
    """

    def __init__(self, parameters: Replay, draws: Draws) -> None:
        columns = [parameters.time, parameters.price, *([] if parameters.symbol is None else [parameters.symbol])]
        file = Recorded("dynamics.path", parameters.path, columns)
        file.check(parameters.sha256)
        rows = self._rows(parameters, file, draws.names)
        times = file.nanoseconds(parameters.time, parameters.time_unit)
        prices = file.numbers(parameters.price)
        wrong = ~((prices > 0.0) & np.isfinite(prices))
        if wrong.any():
            row = int(wrong.argmax())
            raise file.fault(f"column {parameters.price} must hold prices > 0, and has {prices[row]:g} in row {row + 1}")
        for of_symbol in rows:
            steps = np.diff(times[of_symbol])
            if steps.size and steps.min() <= 0:
                row = int(of_symbol[int((steps <= 0).argmax()) + 1])
                raise file.fault(f"column {parameters.time} must rise from row to row of a symbol, and does not in row {row + 1}")
        span = int(times.max()) - int(times.min())
        if span == 0 and parameters.loop:
            raise file.fault(f"column {parameters.time} needs two different times for dynamics.loop=true")
        passed = np.ceil((times - times.min()) / parameters.speed) if parameters.speed != 1.0 else times - times.min()
        self._times: list[Integers] = [np.minimum(passed, _LONGEST).astype(np.int64)[row] for row in rows]
        self._levels: list[Integers] = [_relative(prices[row]) for row in rows]
        self._span = span / parameters.speed
        self._lap = max(1, int(min(_LONGEST, np.ceil(span / parameters.speed)))) if parameters.loop else None
        self._step = parameters.step_in_nanoseconds
        self._next = 0
        self._count = len(draws.names)

    def advance(self, steps: int) -> Latent:  # noqa: D102  # inherited
        now = np.arange(self._next, self._next + steps, dtype=np.int64) * self._step
        self._next += steps
        laps = np.zeros_like(now) if self._lap is None else now // self._lap
        within = now if self._lap is None else now - laps * self._lap
        rows = []
        for times, levels in zip(self._times, self._levels, strict=True):
            places = np.maximum(np.searchsorted(times, within, side="right") - 1, 0)
            rows.append(levels[places] + laps * levels[-1])
        return Latent(np.repeat(rows, self._count, axis=0) if len(rows) < self._count else np.array(rows))

    def realised_volatility(self) -> Floats:
        """Square root of the sum of the squared returns from row to row, over the grid steps of the file; shape (symbols, 1).

        What a path of constant volatility would have, per square root of a step; 0 for a file of one instant.
        """
        steps = max(1.0, self._span / self._step)
        # fsum rounds once: the same bits whatever adds up.
        squares = [math.fsum(np.square(np.diff(levels) * 2.0**-FRACTION_BITS).tolist()) for levels in self._levels]
        column = np.array([[math.sqrt(square / steps)] for square in squares])
        return np.repeat(column, self._count, axis=0) if len(column) < self._count else column

    @staticmethod
    def _rows(parameters: Replay, file: Recorded, names: list[str]) -> list[Integers]:
        """The rows of each symbol; of all, once, where there is no column of symbols."""
        if parameters.symbol is None:
            return [np.arange(file.frame.height)]
        texts = np.array(file.texts(parameters.symbol))
        rows = [np.flatnonzero(texts == name) for name in names]
        missing = [name for name, row in zip(names, rows, strict=True) if not row.size]
        if missing:
            raise file.fault(f"column {parameters.symbol} has no {missing[0]}, which is a symbol of the market")
        return rows


def _relative(prices: Floats) -> Integers:
    return fixed_point(logarithm_of(prices / prices[0]))
