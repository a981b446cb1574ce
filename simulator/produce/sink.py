"""What every sink is: a place that events go to and that says which of them arrived."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from simulator.faults.records import Records
from simulator.produce.deliveries import Deliveries


class Sink(ABC):
    """Takes encoded events in order; counts what it has accepted for good."""

    acked: int = 0
    """Events whose arrival is certain."""
    failed: int = 0
    """Events that are known not to have arrived."""

    def __init__(self) -> None:
        self.deliveries = Deliveries()

    @abstractmethod
    def encode(self, records: Records) -> Sequence[Any]:
        """The records in the form that `send` takes, one item each."""

    @abstractmethod
    def send(self, records: Records, items: Sequence[Any]) -> None:
        """Hand over records and their encoded items; waits while the sink is full.

        Raises:
            DeliveryError: an event handed over before is known not to have arrived.
        """

    @abstractmethod
    def flush(self) -> None:
        """Wait until all events handed over have arrived or failed.

        Raises:
            DeliveryError: one has failed.
        """

    def poll(self) -> None:  # noqa: B027  # most sinks have nothing to look after
        """Serve delivery reports; called often."""

    def close(self) -> None:  # noqa: B027  # most sinks hold nothing
        """Let go of all resources; what was not flushed does not count as arrived."""

    @property
    def queued(self) -> int:
        """Events handed over whose arrival is not known yet."""
        return 0
