"""The Kafka sink: batches to librdkafka, back-pressure, delivery reports counted, the first failure latched and raised."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from simulator.encode.payload import Payloads
from simulator.errors import DeliveryError
from simulator.faults.records import Records
from simulator.plan import Plan
from simulator.produce.sink import Sink

_LOG = logging.getLogger(__name__)
# One second of a fast producer: enough to keep librdkafka busy, little enough to bound memory.
_QUEUE = {"queue.buffering.max.messages": 500_000, "queue.buffering.max.kbytes": 512 * 1024}
_POLL_WHEN_FULL = 0.01


@final
class KafkaSink(Sink):
    """Sends each event as one record: key = symbol, value = JSON, partition by murmur2 of the key as Java clients do."""

    def __init__(self, plan: Plan, start: int, bootstrap_servers: str) -> None:
        """Connect lazily; `start` is the market's first instant, microseconds since 1970."""
        super().__init__()
        client: dict[str, Any] = {**_QUEUE, **plan.sink.client, "bootstrap.servers": bootstrap_servers}
        self._producer = Producer(client, logger=_LOG)
        self._topic = plan.sink.topic or ""
        self._timeout = float(plan.sink.client.get("delivery.timeout.ms", 120_000)) / 1000.0
        self._payloads = Payloads(plan, start)
        self._keys = [symbol.name.encode() for symbol in plan.market.symbols]
        self._error: str | None = None

    def encode(self, records: Records) -> list[dict[str, bytes | None]]:  # noqa: D102  # inherited
        keys = self._keys
        values = self._payloads.of(records)
        symbols = records.events.symbol.tolist()
        return [{"value": value, "key": keys[symbol]} for value, symbol in zip(values, symbols, strict=True)]

    def send(self, records: Records, items: Sequence[Any]) -> None:  # noqa: ARG002, D102  # inherited
        waiting = list(items)
        while waiting:
            self._raise_latched()
            waiting = self._produce(waiting)
            self._producer.poll(_POLL_WHEN_FULL if waiting else 0)

    def _produce(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Hand messages to librdkafka; gives back those for which its queue had no room."""
        queued = self._producer.produce_batch(self._topic, messages, on_delivery=self._delivered)
        if queued == len(messages):
            return []
        left = [message for message in messages if "_error" in message]
        for message in left:
            error = message.pop("_error")
            if error.code() != KafkaError._QUEUE_FULL:  # noqa: SLF001  # librdkafka's own name for it
                raise DeliveryError(f"topic {self._topic}: {error.str()}")
        return left

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acked += 1
            self.deliveries.add(message.partition() or 0, message.offset() or 0)
        else:
            self.failed += 1
            self._error = self._error or error.str()

    def _raise_latched(self) -> None:
        if self._error is not None:
            raise DeliveryError(f"topic {self._topic}: {self.failed} events were not delivered, the first because: {self._error}")

    def poll(self) -> None:  # noqa: D102  # inherited
        self._producer.poll(0)

    def flush(self) -> None:  # noqa: D102  # inherited
        try:
            left = self._producer.flush(self._timeout)
        except KafkaException as error:  # pragma: no cover  # flush reports by callback
            raise DeliveryError(f"topic {self._topic}: {error}") from None
        self._raise_latched()
        if left:
            raise DeliveryError(f"topic {self._topic}: {left} events were not acknowledged within {self._timeout:g} s")

    def close(self) -> None:  # noqa: D102  # inherited
        self._producer.purge()
        self._producer.poll(0)

    @property
    def queued(self) -> int:  # noqa: D102  # inherited
        return len(self._producer)
