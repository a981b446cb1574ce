"""Pacing: when each event is to be sent. The time follows from the event's own place in the market, never from the last sleep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.produce.clock import Clock

_LONGEST_SLEEP = 20_000_000
"""Nanoseconds between two looks at the stop signal and at delivery reports."""


class Pace(ABC):
    """Maps event times (nanoseconds from the start of the market) to the moment of sending."""

    @abstractmethod
    def due(self, times: NDArray[np.int64], position: int) -> int:
        """Index after the last event that may be sent now; `position` when none is due yet, after a short wait."""

    @abstractmethod
    def lag(self, time: int) -> int:
        """How long after its moment an event of that time is sent now, in nanoseconds; 0 when there is no pace."""


@final
class Paced(Pace):
    """Event at market time t is sent at origin + t / speed; the origin is the moment of construction."""

    def __init__(self, speed: float, clock: Clock) -> None:
        self._speed = speed
        self._clock = clock
        self._origin = clock.now()

    def due(self, times: NDArray[np.int64], position: int) -> int:  # noqa: D102  # inherited
        elapsed = int((self._clock.now() - self._origin) * self._speed)
        end = int(np.searchsorted(times, elapsed, side="right"))
        if end <= position:
            wait = int((int(times[position]) - elapsed) / self._speed) + 1
            self._clock.sleep(min(wait, _LONGEST_SLEEP))
            return position
        return end

    def lag(self, time: int) -> int:  # noqa: D102  # inherited
        return self._clock.now() - self._origin - int(time / self._speed)


@final
class Unpaced(Pace):
    """Everything is due at once."""

    def due(self, times: NDArray[np.int64], position: int) -> int:  # noqa: ARG002, D102  # inherited
        return int(times.size)

    def lag(self, time: int) -> int:  # noqa: ARG002, D102  # inherited
        return 0


def pace(speed: float | None, clock: Clock) -> Pace:
    """The pace of a plan's clock, beginning now."""
    return Unpaced() if speed is None else Paced(speed, clock)
