"""What every sink is: a place that events go to and that says which of them arrived."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.faults.records import Records
from simulator.produce.deliveries import Deliveries

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Items: TypeAlias = Any
"""Encoded records, one item each, in a form of the sink's own that has a length and can be sliced."""


class Sink(ABC):
    """Takes encoded events in order; counts what it has accepted for good."""

    acked: int = 0
    """Events whose arrival is certain."""
    failed: int = 0
    """Events that are known not to have arrived."""

    def __init__(self) -> None:
        self.deliveries = Deliveries()

    @abstractmethod
    def encode(self, records: Records) -> Items:
        """The records in the form that `send` takes, one item each."""

    def sent_before(self, items: Items) -> Mask | None:  # noqa: ARG002  # most sinks always begin anew
        """Which of the stream's next items an earlier, broken-off part of the run has sent; they count as arrived.

        Asked for all items from the stream's beginning on, until it gives None: everything that was sent before has been met.
        """
        return None

    @abstractmethod
    def send(self, sent: Integers, items: Items) -> None:
        """Hand over encoded items; waits while the sink is full.

        Args:
            sent: when each is sent, nanoseconds from the start of the market.
            items: as `encode` has given them.

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
