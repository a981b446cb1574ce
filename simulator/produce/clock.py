"""Clocks: the machine's, and one that only moves when it is told to, for tests."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import final


class Clock(ABC):
    """Monotonic time in nanoseconds, and waiting."""

    @abstractmethod
    def now(self) -> int:
        """Nanoseconds since an arbitrary instant; never goes back."""

    @abstractmethod
    def sleep(self, nanoseconds: int) -> None:
        """Let so much time pass, or a little more."""


@final
class WallClock(Clock):
    """The machine's monotonic clock."""

    def now(self) -> int:  # noqa: D102  # inherited
        return time.monotonic_ns()

    def sleep(self, nanoseconds: int) -> None:  # noqa: D102  # inherited
        time.sleep(nanoseconds / 1e9)


@final
class ManualClock(Clock):
    """A clock for tests: sleeping is instant and moves it by exactly what was asked, plus a fixed oversleep."""

    def __init__(self, oversleep: int = 0) -> None:
        self._now = 0
        self._oversleep = oversleep

    def now(self) -> int:  # noqa: D102  # inherited
        return self._now

    def sleep(self, nanoseconds: int) -> None:  # noqa: D102  # inherited
        self.advance(nanoseconds + self._oversleep)

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self._now += nanoseconds
