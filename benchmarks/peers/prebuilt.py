"""The ceiling: messages that were built before, handed to librdkafka over and over, without generating or encoding anything.

With delivery reports it is the ceiling of a producer that knows which of its records have arrived, and where.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, Message, Producer

BATCH = 10_000
_MOST_QUEUED = 100_000


Messages = Sequence[tuple[bytes, bytes]]
"""Keys and values, taken in turns."""


def send(servers: str, topic: str, messages: Messages, count: int, properties: Mapping[str, object]) -> float:
    """Messages per second to the last acknowledgement, without delivery reports."""
    return _send(Producer({**properties, "bootstrap.servers": servers}), topic, messages, count)


def send_with_reports(servers: str, topic: str, messages: Messages, count: int, properties: Mapping[str, object]) -> float:
    """The same with a report of each message, of which partition and offset are kept.

    Raises:
        RuntimeError: not all have arrived.
    """
    offsets: dict[int | None, list[int | None]] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            offsets.setdefault(message.partition(), []).append(message.offset())

    client = {**properties, "bootstrap.servers": servers, "on_delivery": delivered}
    rate = _send(Producer(client), topic, messages, count)
    if sum(map(len, offsets.values())) < count:
        raise RuntimeError("not all messages have arrived")
    return rate


def _send(producer: Producer, topic: str, messages: Messages, count: int) -> float:
    built = [{"key": key, "value": value} for key, value in messages]
    batches = [built[start : start + BATCH] for start in range(0, len(built), BATCH)]
    sent, begun = 0, time.perf_counter()
    while sent < count:
        batch = batches[sent // BATCH % len(batches)]
        sent += producer.produce_batch(topic, batch)
        producer.poll(0)
        while len(producer) > _MOST_QUEUED:
            producer.poll(0.01)
    producer.flush()
    return sent / (time.perf_counter() - begun)
