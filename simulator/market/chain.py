"""Markov chains of few states on a time grid."""

from __future__ import annotations

from fractions import Fraction
from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def connected(matrix: list[list[float]]) -> bool:
    """Whether every state leads to every other."""
    count = len(matrix)
    for start in range(count):
        reached, new = {start}, {start}
        while new:
            new = {column for row in new for column in range(count) if matrix[row][column] > 0.0} - reached
            reached |= new
        if len(reached) < count:
            return False
    return True


def stationary(matrix: list[list[float]], durations: list[float]) -> Floats:
    """Share of the time in each state: pi_i in proportion to nu_i d_i, where nu = nu P. Exact but for the last rounding."""
    rows = [[Fraction(value) for value in row] for row in matrix]
    # Eliminate the last state again and again (Grassmann, Taksar & Heyman): sums and quotients of what is positive.
    for last in range(len(rows) - 1, 0, -1):
        leaving = sum(rows[last][:last], Fraction(0))
        for row in range(last):
            rows[row][last] /= leaving
            for column in range(last):
                rows[row][column] += rows[row][last] * rows[last][column]
    visits = [Fraction(1)]
    for state in range(1, len(rows)):
        visits.append(sum((visits[row] * rows[row][state] for row in range(state)), Fraction(0)))
    times = [visit * Fraction(duration) for visit, duration in zip(visits, durations, strict=True)]
    return np.array([float(time / sum(times)) for time in times])


@final
class Chain:
    """A chain of states on a grid, stationary from the start, with geometric sojourns; from one stream.

    Args:
        generator: the stream.
        matrix: probabilities of the next state on leaving one, 0 on the diagonal.
        sojourns: mean steps in each state, 1 or more.
    """

    def __init__(self, generator: Generator, matrix: list[list[float]], sojourns: list[float]) -> None:
        self._generator = generator
        self._leaving = [min(1.0, 1.0 / sojourn) for sojourn in sojourns]
        self._next = [np.cumsum(row) / sum(row) for row in matrix]
        self._state = self._choice(np.cumsum(stationary(matrix, sojourns)))
        self._left = int(generator.geometric(self._leaving[self._state]))

    def advance(self, steps: int) -> Integers:
        """The states at the next steps, beginning with the present one."""
        states = np.empty(steps, dtype=np.int64)
        begin = 0
        while begin < steps:
            if self._left == 0:
                self._state = self._choice(self._next[self._state])
                self._left = int(self._generator.geometric(self._leaving[self._state]))
            end = min(steps, begin + self._left)
            states[begin:end] = self._state
            self._left -= end - begin
            begin = end
        return states

    def _choice(self, cumulated: Floats) -> int:
        return min(int(np.searchsorted(cumulated, self._generator.random(), side="right")), cumulated.size - 1)
