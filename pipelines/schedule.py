"""How far a generated stream has come: to where the next micro-batch goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds of wall time: shorter micro-batches would be all overhead.
_SHORTEST_BATCH = 0.25


@final
class Schedule:
    """Instants are nanoseconds from the start of the market.

    With a speed, an instant t is due at origin + t / speed by the wall clock, and no record is sent before it is due. A job
    that is more than a span behind does not make up for it: the schedule moves by what was lost.

    Args:
        span: the longest stretch of a micro-batch, nanoseconds.
        speed: simulated seconds per second of wall time; None: as fast as it goes.
        catch_up: make up for what was lost, a span after the other.
        clock: monotonic nanoseconds.
    """

    def __init__(self, span: int, speed: float | None, *, catch_up: bool, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._span, self._speed, self._catch_up, self._clock = span, speed, catch_up, clock
        self._origin: int | None = None

    def end(self, begin: int, upcoming: int) -> int:
        """Where the stretch that begins at `begin` ends: at `begin` while nothing is due.

        Args:
            begin: where the last one ended.
            upcoming: no record is sent before it.
        """
        if self._speed is None:
            return max(begin, upcoming) + self._span
        if self._origin is None:
            self._origin = self._clock() - int(begin / self._speed)
        due = int((self._clock() - self._origin) * self._speed)
        if due - begin < min(self._span, int(_SHORTEST_BATCH * 1e9 * self._speed)):
            return begin
        furthest = begin + self._span
        if due > furthest and not self._catch_up:
            self._origin += int((due - furthest) / self._speed)
        return min(due, furthest)
