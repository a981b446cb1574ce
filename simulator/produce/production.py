"""A run of the producer as the modes see it, wherever it takes place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from simulator.offsets import Runs
from simulator.produce.producer import Outcome, Progress
from simulator.produce.signals import StopRequest

Report = Callable[[Progress], None]


class Production(ABC):
    """Sends a plan's records; used as a context, which lets go of everything."""

    @abstractmethod
    def __enter__(self) -> Production:
        """Do what takes time before the market can start."""

    @abstractmethod
    def __exit__(self, *error: object) -> None:
        """Let go; what has not arrived by now does not count as arrived."""

    @abstractmethod
    def run(self, start: int, stop: StopRequest, report: Report) -> Outcome:
        """Send until the plan's duration is over or `stop` is requested, then wait until all has arrived.

        Args:
            start: event time of the market's first instant, microseconds since 1970.
            stop: looked at often.
            report: called often.

        Raises:
            DeliveryError: a record did not arrive.
        """

    @property
    @abstractmethod
    def progress(self) -> Progress:
        """How it stands now; after an error: how it stood then."""

    @property
    @abstractmethod
    def deliveries(self) -> dict[str, Runs]:
        """Where records have arrived, as far as that is known."""
