"""The ceiling: messages that were built before, handed to librdkafka over and over, without generating or encoding anything."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Producer

BATCH = 10_000
_MOST_QUEUED = 100_000


def send(
    servers: str, topic: str, messages: Sequence[tuple[bytes, bytes]], count: int, properties: Mapping[str, object]
) -> float:
    """Messages per second to the last acknowledgement; `messages` are keys and values, taken in turns."""
    producer = Producer({**properties, "bootstrap.servers": servers})
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
