"""A piecewise linear density and its integral, inverted exactly segment by segment, with the same bits everywhere.

Products, sums, quotients, square roots and rounding only. The inverse is monotone in floating point, not just on paper: within
a segment each operation is monotone in its argument and IEEE rounding keeps that; between segments results are clipped.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Segment(NamedTuple):
    """A stretch of time [begin, end) in nanoseconds, with the density's value at its begin and just before its end."""

    begin: int
    end: int
    first: float
    last: float

    @property
    def mass(self) -> Fraction:
        """The integral over the segment, exactly."""
        return (self.end - self.begin) * (Fraction(self.first) + Fraction(self.last)) / 2

    def at(self, time: int) -> float:
        """The value at a time of the segment, its end included."""
        if self.first == self.last:
            return self.first
        share = (time - self.begin) / (self.end - self.begin)
        return self.first * (1.0 - share) + self.last * share


@final
class Table:
    """The integral of adjoining segments and its inverse; masses are rounded to whole nanoseconds at the knots.

    With l < h the values at a segment's two ends, b = (h - l) / length, y the mass from one of the ends and x the time from it:
        l > h / 2: from the high end, x = 2 y / (h + sqrt(h^2 - 2 b y)), so also where b = 0;
        else:      from the low end,  x = (sqrt(l^2 + 2 b y) - l) / b.
    Both rise with y in floating point, too, and the choice keeps the error within a few units in the last place of the length.
    """

    def __init__(self, segments: list[Segment]) -> None:
        masses, total = [], Fraction(0)
        for segment in segments:
            masses.append(round(total))
            total += segment.mass
        self.mass = round(total)
        self._segments = segments
        self._masses: Integers = np.array([*masses, self.mass], dtype=np.int64)
        self._begins: Integers = np.array([*(segment.begin for segment in segments), segments[-1].end], dtype=np.int64)
        value, slope, by_root, backward = np.array([_row(segment) for segment in segments]).T.copy()
        self._value, self._slope, self._by_root, self._backward = value, slope, by_root > 0, backward > 0

    def cumulative(self, time: int) -> int:
        """The mass before a time, to a nanosecond; it never falls."""
        index = min(int(np.searchsorted(self._begins, time, side="right")), len(self._segments)) - 1
        segment = self._segments[index]
        part = (time - segment.begin) * (segment.first + segment.at(time)) * 0.5
        return min(int(self._masses[index]) + round(part), int(self._masses[index + 1]))

    def inverse(self, mass: Integers) -> Integers:
        """The time before which there is this mass, rounded down; segments without mass are skipped."""
        index = np.searchsorted(self._masses[:-1], mass, side="right") - 1
        value, slope, by_root, backward = self._value[index], self._slope[index], self._by_root[index], self._backward[index]
        begin, end = self._begins[index], self._begins[index + 1]
        y = np.where(backward, self._masses[index + 1] - mass, mass - self._masses[index]).astype(np.float64)
        root = np.sqrt(np.maximum(value * value + 2.0 * slope * y, 0.0))
        x = np.where(by_root, root - value, 2.0 * y) / np.where(by_root, slope, value + root)
        length = (end - begin).astype(np.float64)
        x = np.clip(np.where(backward, length - x, x), 0.0, length)
        times: Integers = np.minimum(begin + x.astype(np.int64), end - 1)
        return times


def _row(segment: Segment) -> tuple[float, float, bool, bool]:
    """Value where the formula starts, slope from there, whether it is the second formula, whether it starts from the end."""
    low, high = sorted((segment.first, segment.last))
    slope = (high - low) / (segment.end - segment.begin)
    if high == 0.0:  # never looked up: no mass falls here
        return 1.0, 0.0, False, False
    if low > 0.5 * high:
        return high, -slope, False, segment.first < segment.last
    return low, slope, True, segment.first > segment.last
