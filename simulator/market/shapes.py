"""Shapes of the market's relative intensity over time, before any bursts: their integral and its inverse.

Time and mass are whole nanoseconds. A shape is scaled, so that its mean is 1 where the class says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np

from simulator.market.piecewise import Integers, Segment, Table

FOR_EVER = 4_000_000_000_000_000_000
"""Of a shape that becomes constant: as good as for ever (126 years)."""


class Shape(ABC):
    """An opening stretch from 0, which may be empty, and a period that repeats after it.

    Attributes:
        start: where the first period begins.
        length: of a period.
    """

    start: int
    length: int

    @property
    @abstractmethod
    def opening(self) -> Sequence[Segment]:
        """The opening's segments, which adjoin."""

    @property
    @abstractmethod
    def period(self) -> Sequence[Segment]:
        """The segments of the first period."""

    @abstractmethod
    def cumulative(self, time: int) -> int:
        """The mass before a time, to a nanosecond; it never falls."""

    @abstractmethod
    def inverse(self, mass: Integers) -> Integers:
        """The time before which there is this mass, rounded down; it never falls."""

    @property
    def is_constant_at_last(self) -> bool:
        """Whether the period is no period."""
        return len(self.period) == 1 and self.period[0].first == self.period[0].last

    def unrolled(self, end: int) -> list[Segment]:
        """Segments from 0 to at least `end`."""
        segments, shift = list(self.opening), 0
        while not segments or segments[-1].end < end:
            segments += [Segment(s.begin + shift, s.end + shift, s.first, s.last) for s in self.period]
            shift += self.length
        return segments


@final
class Periodic(Shape):
    """Segments one by one, scaled to mean 1 over the opening, or over a period where there is none.

    Args:
        opening: segments that adjoin, the first from 0; may be empty.
        period: segments that adjoin, the first from where the opening ends.

    Raises:
        ValueError: if nothing ever happens, or nothing from some time on.
    """

    def __init__(self, opening: Sequence[Segment], period: Sequence[Segment]) -> None:
        unit = opening or period
        level = sum(segment.mass for segment in unit) / (unit[-1].end - unit[0].begin)
        if level <= 0:
            raise ValueError("an intensity needs a moment at which it is more than 0")
        scale = 1.0 / float(level)
        self._opening = [Segment(s.begin, s.end, s.first * scale, s.last * scale) for s in opening]
        self._period = [Segment(s.begin, s.end, s.first * scale, s.last * scale) for s in period]
        self._table = Table([*self._opening, *self._period])
        self.start = self._period[0].begin
        self.length = self._period[-1].end - self.start
        self._start_mass = Table(self._opening).mass if opening else 0
        self._period_mass = self._table.mass - self._start_mass
        if self._period_mass <= 0:
            raise ValueError("an intensity must not stay 0 for ever")

    @property
    def opening(self) -> Sequence[Segment]:  # noqa: D102  # inherited
        return self._opening

    @property
    def period(self) -> Sequence[Segment]:  # noqa: D102  # inherited
        return self._period

    def cumulative(self, time: int) -> int:  # noqa: D102  # inherited
        if time < self.start:
            return self._table.cumulative(time)
        periods, rest = divmod(time - self.start, self.length)
        return periods * self._period_mass + self._table.cumulative(self.start + rest)

    def inverse(self, mass: Integers) -> Integers:  # noqa: D102  # inherited
        periods = np.maximum(mass - self._start_mass, 0) // self._period_mass
        times: Integers = self._table.inverse(mass - periods * self._period_mass) + periods * self.length
        return times


@final
class Sequel(Shape):
    """Shapes one after another, a period of each, of mean 1 each; then constant.

    Each has as much mass as time, so that a day's place does not depend on the days before it, and days that are alike are the
    same object: ten years cost no more than a day. Where rounding leaves a period's mass off its time, as it can for periods
    above months, the instants at its end take up the difference.
    """

    def __init__(self, parts: Sequence[Periodic]) -> None:
        self._parts = parts
        distinct = list({id(part): part for part in parts}.values())
        numbers = {id(part): number for number, part in enumerate(distinct)}
        self._distinct = distinct
        self._number: Integers = np.array([numbers[id(part)] for part in parts], dtype=np.int64)
        edges: Integers = np.cumsum([0, *(part.length for part in parts)], dtype=np.int64)
        self._begins = edges[:-1]
        self.start = int(edges[-1])
        self._constant = Segment(self.start, max(2 * self.start, FOR_EVER), 1.0, 1.0)
        self.length = self._constant.end - self.start

    @cached_property
    def opening(self) -> Sequence[Segment]:  # noqa: D102  # inherited; only products need it
        return [
            Segment(s.begin + begin, s.end + begin, s.first, s.last)
            for begin, part in zip(self._begins.tolist(), self._parts, strict=True)
            for s in part.period
        ]

    @property
    def period(self) -> Sequence[Segment]:  # noqa: D102  # inherited
        # As long as any constant, so that a product with another shape needs no repetitions of it.
        return [self._constant]

    def cumulative(self, time: int) -> int:  # noqa: D102  # inherited
        if time >= self.start:
            return time
        place = int(np.searchsorted(self._begins, time, side="right")) - 1
        part, begin = self._parts[place], int(self._begins[place])
        return begin + min(part.cumulative(time - begin), part.length)

    def inverse(self, mass: Integers) -> Integers:  # noqa: D102  # inherited
        place = np.searchsorted(self._begins, mass, side="right") - 1
        since = mass - self._begins[place]
        number = np.where(mass < self.start, self._number[place], -1)
        times = mass.copy()
        for each in np.unique(number[number >= 0]).tolist():
            rows = np.flatnonzero(number == each)
            part = self._distinct[each]
            times[rows] = self._begins[place[rows]] + np.minimum(part.inverse(since[rows]), part.length - 1)
        return times
