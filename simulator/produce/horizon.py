"""How far the producer's workers are: none runs far ahead of another, and all stop at the same instant of the market."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

from simulator.produce.signals import StopRequest

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import SynchronizedArray

_BEGIN = -1
END = 2**62
"""After every event."""


class Horizon(ABC):
    """Instants are nanoseconds from the start of the market."""

    @property
    @abstractmethod
    def limit(self) -> int:
        """The last instant of which records are sent: END, until a stop is requested."""

    @abstractmethod
    def resume(self, at: int) -> None:
        """Say that records up to that instant were sent in an earlier part of the run: a stop comes after them."""

    @abstractmethod
    def claim(self, until: int) -> int:
        """Say that records up to that instant are about to be sent; gives back up to which they may."""

    @abstractmethod
    def arrived(self, before: int) -> None:
        """Say that all of this worker's records older than that have arrived."""

    @property
    @abstractmethod
    def oldest(self) -> int:
        """All records older than that have arrived, of all workers."""


@final
class Alone(Horizon):
    """One worker: a stop takes effect where it stands."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._claimed = _BEGIN
        self._arrived = 0

    @property
    def limit(self) -> int:  # noqa: D102  # inherited
        return self._claimed if self._stop.requested else END

    def resume(self, at: int) -> None:  # noqa: D102  # inherited
        self._claimed = at

    def claim(self, until: int) -> int:  # noqa: D102  # inherited
        claimed = min(until, self.limit)
        self._claimed = max(claimed, self._claimed)
        return claimed

    def arrived(self, before: int) -> None:  # noqa: D102  # inherited
        self._arrived = before

    @property
    def oldest(self) -> int:  # noqa: D102  # inherited
        return self._arrived


@final
class Shared(Horizon):
    """Several workers, over shared memory: what each has claimed, up to where each one's records have arrived, and the limit.

    A stop lets all go on to the furthest instant that one has claimed: what was sent is then all of the stream up to there.
    """

    def __init__(self, instants: SynchronizedArray[int], worker: int) -> None:
        self._instants = instants
        self._worker = worker
        self._workers = (len(instants) - 1) // 2

    @staticmethod
    def initial(workers: int) -> list[int]:
        """The shared array's first content."""
        return [_BEGIN] * workers + [0] * workers + [END]

    @property
    def limit(self) -> int:  # noqa: D102  # inherited
        return self._instants[-1]

    def resume(self, at: int) -> None:  # noqa: D102  # inherited
        self._instants[self._worker] = at

    def claim(self, until: int) -> int:  # noqa: D102  # inherited
        with self._instants.get_lock():
            claimed = min(until, self._instants[-1])
            self._instants[self._worker] = max(claimed, self._instants[self._worker])
            return claimed

    def arrived(self, before: int) -> None:  # noqa: D102  # inherited
        self._instants[self._workers + self._worker] = before

    @property
    def oldest(self) -> int:  # noqa: D102  # inherited
        return min(self._instants[self._workers : -1])

    def stop(self) -> None:
        """Let all workers stop at the furthest instant that one has claimed."""
        with self._instants.get_lock():
            if self._instants[-1] == END:
                self._instants[-1] = max(self._instants[: self._workers])
