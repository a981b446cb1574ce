"""The market's relative intensity g(t) >= 0, and the change of time that gives it to any arrival process.

A process that runs at its mean rate in operational time, mapped by t = L^-1(op) with L(t) the integral of g from 0 to t, has
intensity rate * g(t). Time and operational time are nanoseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from simulator.market.piecewise import Segment
from simulator.market.shapes import FOR_EVER, Periodic, Shape

_MOST_SEGMENTS = 200_000
# Half the width of the first search; sums of rounded masses are not further off in most cases.
_GUESS = 32
MOST_OPERATIONAL = 2**62
"""Operational nanoseconds, 146 years, that a run may come to: with room to search in, it stays in int64."""
_END = 2**63 - 1
_U_KNOTS = 390  # the minutes of a day at the stock exchange


class Burst(NamedTuple):
    """A factor >= 0 on the intensity from `begin` to before `end`, in nanoseconds; where bursts overlap the factors multiply."""

    begin: int
    end: int
    factor: float


@final
class Intensity:
    """A shape times bursts. The shape has the mean 1; bursts are not scaled: they add or remove events.

    Args:
        shape: over time.
        bursts: factors on stretches of time.
    """

    def __init__(self, shape: Shape, bursts: Sequence[Burst] = ()) -> None:
        self.shape = shape
        self.bursts = tuple(bursts)
        self._cut_by_bursts()

    def _cut_by_bursts(self) -> None:
        """Stretches of one factor each: where they begin, in time, in the shape's mass and in operational time."""
        begins = sorted({0, *(edge for burst in self.bursts for edge in (burst.begin, burst.end))})
        factors = [_product([burst.factor for burst in self.bursts if burst.begin <= begin < burst.end]) for begin in begins]
        shape = [self.shape.cumulative(begin) for begin in begins]
        masses = [0]
        for factor, (before, after) in zip(factors, pairwise(shape), strict=False):
            masses.append(masses[-1] + _scaled(after - before, factor))
        self._ends: NDArray[np.int64] = _in_int64([*begins[1:], _END])
        self._begins: NDArray[np.int64] = _in_int64(begins)
        self._factors = np.array([factor or 1.0 for factor in factors])  # without mass: never looked up
        self._zero = [factor == 0.0 for factor in factors]
        self._before: NDArray[np.int64] = _in_int64(shape)
        self._masses: NDArray[np.int64] = _in_int64(masses)

    def cumulative(self, time: int) -> int:
        """L(time): operational nanoseconds before a time, to a nanosecond; beyond `MOST_OPERATIONAL` only that it is more."""
        index = int(np.searchsorted(self._begins, time, side="right")) - 1
        if self._zero[index]:
            return int(self._masses[index])
        return int(self._masses[index]) + _scaled(
            self.shape.cumulative(time) - int(self._before[index]), float(self._factors[index])
        )

    def inverse(self, operational: NDArray[np.int64]) -> NDArray[np.int64]:
        """L^-1, rounded down to a nanosecond; never falls as its argument rises, and skips where the intensity is 0."""
        if not self.bursts:
            return self.shape.inverse(operational)
        index = np.searchsorted(self._masses, operational, side="right") - 1
        since = ((operational - self._masses[index]) / self._factors[index]).astype(np.int64)
        times = self.shape.inverse(self._before[index] + since)
        return np.clip(times, self._begins[index], self._ends[index] - 1)

    def operational_end(self, end: int) -> int:
        """The number with: op < it exactly if inverse(op) < end."""
        near, reach = self.cumulative(end), _GUESS
        low = max(0, near - reach)
        # The first guess is right but for rounding: one call decides in most cases.
        before = int(np.searchsorted(self.inverse(np.arange(low, near + reach)), end))
        if before < near + reach - low and (before > 0 or low == 0):
            return low + before
        while low > 0 and not self._is_before(low, end):
            low, reach = max(0, low - reach), reach * 2
        high = near + reach
        while self._is_before(high, end):
            high, reach = high + reach, reach * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._is_before(middle, end) else (low, middle)
        return high

    def _is_before(self, operational: int, end: int) -> bool:
        return int(self.inverse(np.array([operational]))[0]) < end

    def with_bursts(self, bursts: Sequence[Burst]) -> Intensity:
        """The same shape with further bursts."""
        return Intensity(self.shape, [*self.bursts, *bursts])

    def __mul__(self, other: Intensity) -> Intensity:
        """The product, scaled to mean 1 again, with the bursts of both.

        Exact at the knots of both, linear between them. The period is the least that both fit in.

        Raises:
            ValueError: if that period is too long to be tabulated.
        """
        shapes = self.shape, other.shape
        start = max(shape.start for shape in shapes)
        lengths = [shape.length for shape in shapes if not shape.is_constant_at_last]
        end = start + math.lcm(*lengths) if lengths else FOR_EVER
        if sum(end // shape.length * len(shape.period) for shape in shapes) > _MOST_SEGMENTS:
            seconds = " and ".join(f"{length / 1e9:g}" for length in lengths)
            raise ValueError(f"shapes with periods of {seconds} seconds do not fit in a period short enough to be tabulated")
        mine, others = (shape.unrolled(end) for shape in shapes)
        inner = {segment.begin for segment in (*mine, *others) if segment.begin < end}
        knots = sorted({start, end} | inner)
        product, left, right = [], 0, 0
        for begin, stop in pairwise(knots):
            left += mine[left].end <= begin
            right += others[right].end <= begin
            pair = mine[left], others[right]
            product.append(Segment(begin, stop, pair[0].at(begin) * pair[1].at(begin), pair[0].at(stop) * pair[1].at(stop)))
        parts = [piece for piece in product if piece.end <= start], [piece for piece in product if piece.begin >= start]
        return Intensity(Periodic(*parts), [*self.bursts, *other.bursts])


def _product(factors: list[float]) -> float:
    """Of factors that may multiply to infinity, but not where one is 0."""
    return 0.0 if 0.0 in factors else math.prod(factors)


def _scaled(mass: int, factor: float) -> int:
    return round(min(mass * factor, float(_END)))


def _in_int64(values: list[int]) -> NDArray[np.int64]:
    """What lies beyond is never looked up."""
    return np.array([min(value, _END) for value in values], dtype=np.int64)


def ramp(growth: float, span: int) -> Intensity:
    """From 2 / (1 + growth) to `growth` times that in a straight line over `span`, of mean 1; then constant."""
    first, last = 2.0 / (1.0 + growth), 2.0 * growth / (1.0 + growth)
    return Intensity(Periodic([Segment(0, span, first, last)], [Segment(span, max(2 * span, FOR_EVER), last, last)]))


def u_shape(depth: float, period: int) -> Intensity:
    """The U of trading over a day, again and again."""
    return Intensity(Periodic([], u_segments(depth, period)))


def u_segments(depth: float, period: int, stretches: int = _U_KNOTS) -> list[Segment]:
    """g(u) = 1 + depth (12 (u - 1/2)^2 - 1), u the share of the period that has passed; 0 <= depth <= 1.

    The U of trading over a day: 1 + 2 depth at both ends, 1 - depth in the middle. Exact at the knots between the stretches,
    linear between them; the mean is 1, but for what the lines are off the curve.
    """
    shares = [number / stretches - 0.5 for number in range(stretches + 1)]
    knots = [1.0 + depth * (12.0 * share * share - 1.0) for share in shares]
    # From a nanosecond a stretch on, no segment is empty.
    edges = [number * period // stretches for number in range(stretches + 1)]
    return [Segment(*place, *values) for place, values in zip(pairwise(edges), pairwise(knots), strict=True)]


def levels(values: Sequence[float], period: int) -> Intensity:
    """Steps: equal stretches of the period, each with its level, scaled to mean 1."""
    edges = [number * period // len(values) for number in range(len(values) + 1)]
    return Intensity(Periodic([], [Segment(*place, value, value) for place, value in zip(pairwise(edges), values, strict=True)]))


def constant() -> Intensity:
    """The intensity 1: what bursts alone are put on."""
    return Intensity(Periodic([], [Segment(0, FOR_EVER, 1.0, 1.0)]))
