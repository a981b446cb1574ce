"""The Kafka sink: batches to librdkafka, back-pressure, delivery reports counted, the first failure latched and raised."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from operator import setitem
from typing import Any, final

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from numpy.typing import NDArray

from simulator.broker.cluster import Cluster
from simulator.broker.refusals import Refusals, denial
from simulator.broker.topics import end_offsets
from simulator.encode.payload import Payloads
from simulator.errors import DeliveryError
from simulator.faults.records import Records
from simulator.partitioning import partition_of
from simulator.plan import Plan
from simulator.produce.earlier import EarlierRecords, mark, read_earlier
from simulator.produce.sink import Integers, Items, Mask, Sink

_LOG = logging.getLogger(__name__)
# One second of a fast producer: enough to keep librdkafka busy, little enough to bound memory.
_MOST_QUEUED = 100_000
_MOST_QUEUED_BYTES = 512 * 1024 * 1024
# Fields have no bound on their length, but 1 kB is more than any symbol's name makes of a record.
_LARGE_RECORD = 1024
_POLL_WHEN_FULL = 0.01
# Why the client library gives records up after another one has failed: never the reason, though it may be told first.
_GIVEN_UP = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001  # their only names


@final
@dataclass(frozen=True)
class _Encoded:
    """Partitions, keys and values of records, one each."""

    partitions: NDArray[np.int64]
    keys: NDArray[np.object_]
    values: NDArray[np.object_]

    def __len__(self) -> int:
        return self.keys.size

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> _Encoded:
        return _Encoded(self.partitions[rows], self.keys[rows], self.values[rows])


class KafkaSink(Sink):
    """Sends each event as one record: key = symbol, value = JSON, partition by murmur2 of the key as Java clients do."""

    def __init__(self, plan: Plan, start: int, cluster: Cluster, partitions: int) -> None:
        """Connect lazily.

        Args:
            plan: of the run.
            start: event time of the market's first instant, microseconds since 1970.
            cluster: where the brokers are, and how to connect.
            partitions: how many the topic has.
        """
        super().__init__()
        self._refusals = Refusals(cluster)
        corrupt = plan.faults.corrupt
        self._most_queued = min(_MOST_QUEUED, max(1, _MOST_QUEUED_BYTES // (corrupt.huge_bytes if corrupt else _LARGE_RECORD)))
        # Room is counted here, before each batch: a full librdkafka may take later records of a batch and not earlier ones.
        client: dict[str, Any] = {
            **plan.sink.client,
            **cluster.properties,
            "error_cb": self._refusals,
            # After one record has failed, no later one arrives: what is in the topic is the stream's beginning.
            "enable.gapless.guarantee": bool(plan.sink.client.get("enable.idempotence")),
            "queue.buffering.max.messages": self._most_queued,
            "queue.buffering.max.kbytes": 2 * _MOST_QUEUED_BYTES // 1024,
        }
        self._producer = Producer(client, logger=_LOG)
        self._cluster = cluster
        self._topic = plan.sink.topic or ""
        self._timeout = float(plan.sink.client.get("delivery.timeout.ms", 120_000)) / 1000.0
        self._payloads = Payloads(plan, start)
        names = [symbol.name for symbol in plan.market.symbols]
        self._keys = np.array([name.encode() for name in names], dtype=object)
        self._partitions = np.array([partition_of(name, partitions) for name in names], dtype=np.int64)
        self._messages: list[dict[str, Any]] = []
        self._arrived: defaultdict[Any, list[Any]] = defaultdict(list)  # partition to offsets
        self._earlier: dict[int, EarlierRecords] = {}
        self._error: KafkaError | None = None
        self._denied: str | None = None

    def resume(self, begin: Mapping[int, int]) -> None:
        """Find what an earlier part of this run has put into the topic.

        Args:
            begin: by partition, the offset of the run's first record there.

        Raises:
            UnreachableError: the broker does not answer.
        """
        written = set(self._partitions.tolist())
        own = {partition: offset for partition, offset in begin.items() if partition in written}
        client = {**self._cluster.properties, "isolation.level": self._isolation}
        self._earlier = read_earlier(client, self._topic, own, end_offsets(self._cluster, self._topic))

    @property
    def _isolation(self) -> str:
        """Which records have arrived: all that were written, also behind what a stranger's transaction holds back."""
        return "read_uncommitted"

    def sent_before(self, items: Items) -> Mask | None:  # noqa: D102  # inherited
        if all(earlier.is_passed for earlier in self._earlier.values()):
            return None
        before = np.zeros(len(items), dtype=np.bool_)
        for partition in np.unique(items.partitions).tolist():
            rows = np.flatnonzero(items.partitions == partition)
            batch = items[rows]
            marks = np.array(list(map(mark, batch.keys.tolist(), batch.values.tolist())), dtype=np.int64)
            offsets = self._earlier[partition].match(marks)
            self.deliveries.extend(partition, offsets)
            self.acked += len(offsets)
            before[rows[: len(offsets)]] = True
        return before

    def encode(self, records: Records) -> _Encoded:  # noqa: D102  # inherited
        symbols = records.events.symbol
        values = np.empty(len(records), dtype=object)
        values[:] = self._payloads.of(records)
        return _Encoded(self._partitions[symbols], self._keys[symbols], values)

    def send(self, sent: Integers, items: Items) -> None:  # noqa: ARG002, D102  # inherited
        position = 0
        while position < len(items):
            self._raise_latched()
            end = position + max(0, self._most_queued - len(self._producer))
            if end > position:
                self._hand_over(items[position:end])
            self._serve(0 if end > position else _POLL_WHEN_FULL)
            position = end

    def _hand_over(self, items: _Encoded) -> None:
        """Give records to librdkafka, a batch for each partition: it takes one in half the time of a mixed one."""
        for partition in np.unique(items.partitions).tolist():
            batch = items[np.flatnonzero(items.partitions == partition)]
            messages = self._filled(batch)
            with self._told():
                queued = self._producer.produce_batch(self._topic, messages, partition=partition, on_delivery=self._delivered)
            if queued < len(messages):
                self._serve(0)  # where the client library has given up for good, it tells the reason only so
                self._raise_latched()
                error: KafkaError = next(message["_error"] for message in messages if "_error" in message)
                raise DeliveryError(f"topic {self._topic}: {error.str()}")

    def _filled(self, items: _Encoded) -> list[dict[str, Any]]:
        """The dictionaries that librdkafka's interface asks for and copies; filling old ones costs a third of making new ones."""
        while len(self._messages) < len(items):
            self._messages.append({"key": None, "value": None})
        messages = self._messages[: len(items)]
        deque(map(setitem, messages, repeat("key"), items.keys.tolist()), 0)
        deque(map(setitem, messages, repeat("value"), items.values.tolist()), 0)
        return messages

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        """Called for every record, so it only takes notes."""
        if error is None:
            self._arrived[message.partition()].append(message.offset())
        else:
            self.failed += 1
            self._denied = self._denied or denial(error, self._cluster, self._topic, "WRITE")
            if self._error is None or self._error.code() in _GIVEN_UP:
                self._error = error

    def _serve(self, timeout: float) -> None:
        """Let delivery reports come in, and count them."""
        with self._told():
            self._producer.poll(timeout)
        self._count()

    def _count(self) -> None:
        """Take what was reported as delivered for arrived."""
        for partition, offsets in self._arrived.items():
            self.deliveries.extend(partition, offsets)
            self.acked += len(offsets)
            offsets.clear()

    def _raise_latched(self) -> None:
        self._refusals.check()
        if self._denied is not None:
            raise DeliveryError(self._denied)
        if self._error is not None:
            given_up = self._error.code() in _GIVEN_UP
            reason = (given_up and self._refusals.fatal) or self._error.str()
            raise DeliveryError(f"topic {self._topic}: {self.failed} events were not delivered, the first because: {reason}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the client library raises, as an error for the user."""
        try:
            yield
        except KafkaException as error:
            fault: KafkaError = error.args[0]
            if denial(fault, self._cluster, self._topic, "WRITE") is None:
                self._raise_latched()  # the first failure is the reason of those that follow
            raise DeliveryError(self._explained(fault)) from None
        except (AttributeError, SystemError):  # delivery reports are called with the library's own exception still pending
            self._raise_latched()
            reason = self._refusals.fatal or "the client library gave up for good; simulator.log says why"
            raise DeliveryError(f"topic {self._topic}: {reason}") from None

    def _explained(self, fault: KafkaError) -> str:
        """A line of what the client library has raised."""
        return denial(fault, self._cluster, self._topic, "WRITE") or f"topic {self._topic}: {fault.str()}"

    def poll(self) -> None:  # noqa: D102  # inherited
        self._serve(0)

    def flush(self) -> None:  # noqa: D102  # inherited
        with self._told():
            left = self._producer.flush(self._timeout)
        self._count()
        self._raise_latched()
        if left:
            raise DeliveryError(f"topic {self._topic}: {left} events were not acknowledged within {self._timeout:g} s")

    def close(self) -> None:  # noqa: D102  # inherited
        self._producer.purge()
        with suppress(DeliveryError):  # it was told, or nobody waits for it any more
            self._serve(0)

    @property
    def queued(self) -> int:  # noqa: D102  # inherited
        return len(self._producer)
