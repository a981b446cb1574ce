"""Reads a part of a topic, by its offsets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from simulator.errors import UnreachableError

_CHUNK = 10_000
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 75.0
"""Longer than a transaction may stay open that nobody goes on with: a minute, by default."""
_READER: dict[str, Any] = {
    "group.id": "market-simulator",  # asked for by the library; no offset is ever committed
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
}


def read_records(
    client: Mapping[str, Any], topic: str, begin: Mapping[int, int], end: Mapping[int, int]
) -> Iterator[tuple[int, int, Message]]:
    """The records of some partitions with their partition and offset, those of a partition in their order.

    With `isolation.level=read_committed`, a transaction that is still open is waited for: what comes after it may count.

    Args:
        client: the properties that name the broker and the way to it, and `isolation.level`.
        topic: the topic.
        begin: partition to the offset of the first record.
        end: partition to the offset after the last.

    Raises:
        UnreachableError: the broker does not answer, or the records are not there any more.
    """
    pending = {partition for partition, offset in begin.items() if offset < end[partition]}
    consumer = Consumer({**_READER, **client})
    try:
        consumer.assign([TopicPartition(topic, partition, begin[partition]) for partition in pending])
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while pending:
            for message in consumer.consume(_CHUNK, _POLL_SECONDS):
                partition, offset = _place(message)
                if partition in pending:
                    deadline = time.monotonic() + _PATIENCE_SECONDS
                is_record = message.error() is None
                if is_record and offset < end[partition]:
                    yield partition, offset, message
                if offset + is_record >= end[partition]:
                    pending.discard(partition)
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"topic={topic}: nothing came for {_PATIENCE_SECONDS:g} s before its records were read to the end; try again"
                    " later: a broker may be gone, or an open transaction of another producer holds them back"
                )
    except KafkaException as error:
        raise UnreachableError(f"topic={topic}: its records cannot be read: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _place(message: Message) -> tuple[int, int]:
    """Partition and offset of a record, or of the end that is reached.

    Raises:
        KafkaException: it is an error.
    """
    error, partition, offset = message.error(), message.partition(), message.offset()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # its only name
        raise KafkaException(error)
    if partition is None or offset is None:
        raise RuntimeError(f"a message without a place: {message}")
    return partition, offset
