"""Fixed arrivals: event k at exactly k / rate seconds, rounded down to a nanosecond, without drift."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.arrivals.base import ArrivalParameters, ArrivalProcess, Arrivals
from simulator.market.grouping import ranges
from simulator.parameters import NANOSECONDS
from simulator.seeding import words

# Beyond it the products below would leave int64.
_LARGEST_NUMERATOR = 3_000_000_000


class Fixed(ArrivalParameters):
    """`conf/arrivals/fixed.yaml`."""

    kind: Literal["fixed"]


def exact_rate(rate: float) -> Fraction:
    """The rate as the fraction that its shortest decimal form names: 0.1 is 1/10."""
    fraction = Fraction(repr(rate))
    denominator = max(1, int(_LARGEST_NUMERATOR / rate))
    return fraction if fraction.numerator <= _LARGEST_NUMERATOR else fraction.limit_denominator(denominator)


def times(numbers: NDArray[np.int64], rate: Fraction) -> NDArray[np.int64]:
    """floor(k 10^9 / rate) for event numbers k, exactly, in int64.

    With 10^9 / rate = (whole + part / n) nanoseconds and k = q n + r, the time is q (whole n + part) + r whole + r part // n.
    """
    return _times(numbers, rate.numerator, *divmod(NANOSECONDS * rate.denominator, rate.numerator))


Whole = int | NDArray[np.int64]


def _times(numbers: NDArray[np.int64], n: Whole, whole: Whole, part: Whole) -> NDArray[np.int64]:
    q: NDArray[np.int64] = numbers // n
    r: NDArray[np.int64] = numbers - q * n
    exact: NDArray[np.int64] = q * (whole * n + part) + r * whole + (r * part) // n
    return exact


def count_before(end: int, rate: Fraction) -> int:
    """How many events of the schedule come before `end` nanoseconds."""
    return max(0, -(-end * rate.numerator // (NANOSECONDS * rate.denominator)))


@final
class RotatingArrivals(ArrivalProcess):
    """One schedule for the whole market; the symbols take turns."""

    def __init__(self, symbol_count: int, rate: float) -> None:
        self._symbol_count = symbol_count
        self._rate = exact_rate(rate)
        self._next = 0

    def until(self, end: int) -> Arrivals:  # noqa: D102  # inherited
        numbers = np.arange(self._next, max(self._next, count_before(end, self._rate)), dtype=np.int64)
        self._next += numbers.size
        symbols = numbers % self._symbol_count
        by_symbol = np.argsort(symbols, kind="stable")
        counts = np.bincount(symbols, minlength=self._symbol_count).astype(np.int64)
        return Arrivals(times(numbers, self._rate)[by_symbol], counts)


@final
class SeparateArrivals(ArrivalProcess):
    """A schedule for each symbol, shifted by a share of its period that its name gives, so that not all tick at once."""

    def __init__(self, symbols: list[str], rates: NDArray[np.float64]) -> None:
        self._rates = [exact_rate(rate) for rate in rates.tolist()]
        self._shifts = [
            int(Fraction(words(symbol)[0], 2**32) * NANOSECONDS / rate) for symbol, rate in zip(symbols, self._rates, strict=True)
        ]
        self._next = np.zeros(len(symbols), dtype=np.int64)
        periods = [divmod(NANOSECONDS * rate.denominator, rate.numerator) for rate in self._rates]
        self._wholes, self._parts = np.array(periods, dtype=np.int64).T
        self._numerators = np.array([rate.numerator for rate in self._rates], dtype=np.int64)
        self._offsets = np.array(self._shifts, dtype=np.int64)

    def until(self, end: int) -> Arrivals:  # noqa: D102  # inherited
        before = [count_before(end - shift, rate) for shift, rate in zip(self._shifts, self._rates, strict=True)]
        counts = np.maximum(np.array(before, dtype=np.int64) - self._next, 0)
        numbers = ranges(self._next, counts)
        self._next += counts
        n, whole, part, shift = (
            np.repeat(column, counts) for column in (self._numerators, self._wholes, self._parts, self._offsets)
        )
        return Arrivals(_times(numbers, n, whole, part) + shift, counts)
