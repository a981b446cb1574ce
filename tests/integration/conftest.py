"""What the integration tests share: one broker for all of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import end_offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Contents = dict[int, list[tuple[bytes | None, bytes | None]]]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """Yield a running broker; each test uses topics with names of its own."""
    with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def contents() -> Callable[[EmbeddedBroker, str], Contents]:
    """Keys and values of each partition of a topic, in order."""
    return _contents


def _contents(broker: EmbeddedBroker, topic: str) -> Contents:
    """Keys and values of each partition, in order."""
    ends = end_offsets(broker.cluster, topic)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    held: Contents = {partition: [] for partition in ends}
    deadline = time.monotonic() + 60
    while sum(map(len, held.values())) < sum(ends.values()):
        assert time.monotonic() < deadline
        for message in consumer.consume(10_000, 1.0):
            held[message.partition() or 0].append((message.key(), message.value()))
    consumer.close()
    return held
