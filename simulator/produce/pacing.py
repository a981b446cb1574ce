"""Pacing: when each event is to be sent. The time follows from the event's own place in the market, never from the last sleep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from simulator.plan import ClockPlan
from simulator.produce.ahead import Ahead
from simulator.produce.clock import Clock

Integers = NDArray[np.int64]
Item = TypeVar("Item")

_LONGEST_SLEEP = 20_000_000
"""Nanoseconds between two looks at the stop signal and at delivery reports."""
_SHORTEST_SLEEP = 500_000
"""Nanoseconds: events that are due sooner are sent together, or waiting would cost more than sending."""
_ALLOWANCE = 250_000_000
"""Nanoseconds that the producer may be behind before it counts as fallen behind, and not as a hiccup of the machine."""


class Pace(ABC):
    """Maps event times (nanoseconds from the start of the market) to the moment of sending."""

    @abstractmethod
    def due(self, times: Integers, position: int) -> int:
        """Index after the last event that may be sent now; `position` when none is due yet, after a short wait."""

    @abstractmethod
    def lags(self, times: Integers) -> Integers:
        """How long after their moments events of those times are sent now, in nanoseconds; none when there is no pace."""


@final
class Paced(Pace):
    """Event at market time t is to be sent at origin + t / speed.

    A producer that has fallen behind by more than a hiccup does not make up for it: the schedule moves by what was lost, so that
    no burst is sent that nobody asked for. Its lag still counts from the schedule that was asked for.

    Args:
        speed: simulated seconds per second of wall time.
        clock: the wall clock.
        origin: the moment of market time 0, by that clock.
        catch_up: send what is overdue at once instead.
    """

    def __init__(self, speed: float, clock: Clock, origin: int, *, catch_up: bool) -> None:
        self._speed = speed
        self._clock = clock
        self._origin = origin
        self._allowance = None if catch_up else _ALLOWANCE
        self._lost = 0

    def due(self, times: Integers, position: int) -> int:  # noqa: D102  # inherited
        late = self._lag(int(times[position])) - self._lost
        if self._allowance is not None and late > self._allowance:
            self._lost += late
        elapsed = int((self._clock.now() - self._origin - self._lost) * self._speed)
        end = int(np.searchsorted(times, elapsed, side="right"))
        if end <= position:
            wait = int((int(times[position]) - elapsed) / self._speed) + 1
            self._clock.sleep(min(max(wait, _SHORTEST_SLEEP), _LONGEST_SLEEP))
            return position
        return end

    def _lag(self, time: int) -> int:
        return self._clock.now() - self._origin - int(time / self._speed)

    def lags(self, times: Integers) -> Integers:  # noqa: D102  # inherited
        return self._clock.now() - self._origin - (times / self._speed).astype(np.int64)


@final
class Unpaced(Pace):
    """Everything is due at once."""

    def due(self, times: Integers, position: int) -> int:  # noqa: ARG002, D102  # inherited
        return int(times.size)

    def lags(self, times: Integers) -> Integers:  # noqa: D102  # inherited
        return times[:0]


def pace(plan: ClockPlan, clock: Clock, origin: int) -> Pace:
    """The pace of a plan's clock; market time 0 is at `origin`."""
    return Unpaced() if plan.speed is None else Paced(plan.speed, clock, origin, catch_up=plan.catch_up)


def prepared(plan: ClockPlan, source: Callable[[], Iterator[Item]]) -> AbstractContextManager[Iterator[Item]]:
    """What `source` gives: made ahead where there is a pace, so that making events does not hold up those that are due.

    Without a pace it is made when it is asked for: a second thread would only fight with delivery reports for the interpreter.
    """
    return nullcontext(source()) if plan.speed is None else Ahead(source)
