"""Trace: times, and symbols, from a file of the user's."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulator.market.arrivals.base import ArrivalParameters, ArrivalProcess, Arrivals, Integers
from simulator.market.recorded import Recorded, Sha256
from simulator.parameters import NANOSECONDS, FilePath, Text
from simulator.seeding import stream

_LONGEST = 3_155_760_000 * NANOSECONDS


class Trace(ArrivalParameters):
    """`conf/arrivals/trace.yaml`."""

    kind: Literal["trace"]
    path: FilePath
    sha256: Sha256 | None
    time: Text
    symbol: Text | None
    speed: Annotated[float, Field(gt=0, le=1_000_000_000)] | None
    loop: bool


@final
class TraceArrivals(ArrivalProcess):
    """The file's events, `speed` times as fast, once or again and again.

    Numbers are seconds from the run's start; date-times count from the first of them. A lap of a loop ends one mean gap after
    the last event. With speed null the mean rate over a lap is the market's. Without a column of symbols each lap draws them
    by their shares of the rate, from one stream: then a further symbol does move the others.

    Raises:
        BadConfigError: if the file, a column or its values are not what they must be.
    """

    def __init__(self, parameters: Trace, symbols: list[str], rates: NDArray[np.float64], seed: int) -> None:
        file = Recorded("arrivals.path", parameters.path, [column for column in (parameters.time, parameters.symbol) if column])
        file.check(parameters.sha256)
        recorded = _from_start(parameters.time, file)
        self._symbols = None if parameters.symbol is None else _numbers(parameters.symbol, file, symbols)
        span = int(recorded[-1] - recorded[0])
        if span == 0 and (parameters.speed is None or parameters.loop):
            raise file.fault(f"column {parameters.time} needs two different times for arrivals.speed=null or a loop")
        length = int(recorded[-1]) + max(1, span // max(1, recorded.size - 1))
        shares = np.cumsum(rates)
        self._shares: NDArray[np.float64] = shares / shares[-1]
        speed = parameters.speed
        if speed is None:
            speed = float(shares[-1]) * length / (recorded.size * NANOSECONDS)
        self._times: Integers = np.minimum(recorded / speed, float(_LONGEST)).astype(np.int64)
        # Exact, so that many laps do not drift.
        self._lap_length = length / Fraction(speed)
        self._loop = parameters.loop
        self._stream = stream(seed, "", "arrivals")  # no symbol has an empty name
        self._count = len(symbols)
        self._lap, self._next = 0, 0
        self._of_lap = self._draw_symbols()

    def until(self, end: int) -> Arrivals:  # noqa: D102  # inherited
        times, symbols = [], []
        while True:
            begin = int(self._lap * self._lap_length)
            cut = max(self._next, int(np.searchsorted(self._times, end - begin)))
            times.append(self._times[self._next : cut] + begin)
            symbols.append(self._of_lap[self._next : cut])
            self._next = cut
            if cut < self._times.size or not self._loop or int((self._lap + 1) * self._lap_length) >= end:
                break
            self._lap, self._next = self._lap + 1, 0
            self._of_lap = self._draw_symbols()
        of = np.concatenate(symbols)
        counts = np.bincount(of, minlength=self._count).astype(np.int64)
        return Arrivals(np.concatenate(times)[np.argsort(of, kind="stable")], counts)

    def _draw_symbols(self) -> Integers:
        if self._symbols is not None:
            return self._symbols
        return np.searchsorted(self._shares, self._stream.random(self._times.size), side="right").astype(np.int64)


def _from_start(column: str, file: Recorded) -> Integers:
    """Nanoseconds from the run's start: numbers are seconds from it, date-times count from the first."""
    times = file.nanoseconds(column, "s")
    if not file.frame[column].dtype.is_numeric():
        times = times - times[0]
    wrong = (times < 0) | (times > _LONGEST)
    if wrong.any():
        row = int(wrong.argmax())
        raise file.fault(
            f"column {column} must hold seconds >= 0 from the start, and has {times[row] / NANOSECONDS:g} in row {row + 1}"
        )
    steps = np.diff(times)
    if steps.size and steps.min() < 0:
        raise file.fault(f"column {column} must not fall, and does in row {int((steps < 0).argmax()) + 2}")
    return times


def _numbers(column: str, file: Recorded, symbols: list[str]) -> Integers:
    """Each event's symbol as its place in the market's list."""
    place = {symbol: number for number, symbol in enumerate(symbols)}
    names = file.texts(column)
    unknown = next((name for name in names if name not in place), None)
    if unknown is not None:
        raise file.fault(f"column {column} has {unknown}, which is no symbol of the market")
    return np.array([place[name] for name in names], dtype=np.int64)
