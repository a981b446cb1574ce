"""What an earlier, broken-off part of a run has already put into its topic, and how the stream is found again in it."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Mapping
from typing import Any, final

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from numpy.typing import NDArray

from simulator.errors import UnreachableError

Integers = NDArray[np.int64]

_CHUNK = 10_000
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0
_READER: dict[str, Any] = {
    "group.id": "market-simulator-resume",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    # All that was written, also behind what a stranger's transaction holds back.
    "isolation.level": "read_uncommitted",
}


def mark(key: bytes | None, value: bytes | None) -> int:
    """A number that stands for a record in this process: two records that differ share one with a chance of 2^-64."""
    return hash((key, value))


@final
class EarlierRecords:
    """The records of one partition since the run began, in their order; others may be among them.

    An idempotent producer's records arrive in the order of sending and without gaps, so that what has arrived of a partition's
    stream is its beginning.
    """

    def __init__(self, offsets: Iterable[int], marks: Iterable[int]) -> None:
        """Offsets and `mark`s, one each."""
        self._offsets = np.fromiter(offsets, dtype=np.int64)
        self._marks = np.fromiter(marks, dtype=np.int64)
        self._next = 0
        self.is_passed = self._offsets.size == 0
        """Whether the stream's first record that has not arrived is found."""

    def match(self, marks: Integers) -> list[int]:
        """The offsets of the stream's next records, as far as they have arrived."""
        found: list[int] = []
        while len(found) < marks.size and not self.is_passed:
            found += self._leading(marks[len(found) :])
            if len(found) < marks.size:
                self._skip_others(int(marks[len(found)]))
        return found

    def _leading(self, marks: Integers) -> list[int]:
        held = self._marks[self._next : self._next + marks.size]
        differ = np.flatnonzero(held != marks[: held.size])
        count = int(differ[0]) if differ.size else held.size
        begin, self._next = self._next, self._next + count
        self.is_passed = self._next == self._offsets.size
        offsets: list[int] = self._offsets[begin : self._next].tolist()
        return offsets

    def _skip_others(self, mark: int) -> None:
        """Go to the next record of that mark; where there is none, this is as far as the stream has come."""
        further = np.flatnonzero(self._marks[self._next :] == mark)
        self.is_passed = further.size == 0
        self._next += int(further[0]) if further.size else 0


def read_earlier(client: Mapping[str, Any], topic: str, begin: Mapping[int, int]) -> dict[int, EarlierRecords]:
    """All committed records of some partitions, by partition.

    Args:
        client: the properties that name the broker and the way to it.
        topic: the topic.
        begin: partition to the offset of the first record.

    Raises:
        UnreachableError: the broker does not answer.
    """
    offsets = {partition: array("q") for partition in begin}  # 16 bytes a record: a run may be long
    marks = {partition: array("q") for partition in begin}
    consumer = Consumer({**_READER, **client})
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in begin.items()])
        pending, deadline = set(begin), time.monotonic() + _PATIENCE_SECONDS
        while pending:
            for message in consumer.consume(_CHUNK, _POLL_SECONDS):
                deadline = time.monotonic() + _PATIENCE_SECONDS
                partition, offset, error = message.partition(), message.offset(), message.error()
                if error is None and partition is not None and offset is not None:
                    offsets[partition].append(offset)
                    marks[partition].append(mark(message.key(), message.value()))
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # its only name
                    pending.discard(partition)
                elif error is not None:
                    raise UnreachableError(f"topic={topic}: its records cannot be read: {error.str()}")
            if time.monotonic() > deadline:
                raise UnreachableError(f"topic={topic}: its records could not be read within {_PATIENCE_SECONDS:g} s")
    except KafkaException as error:
        raise UnreachableError(f"topic={topic}: its records cannot be read: {error.args[0].str()}") from None
    finally:
        consumer.close()
    return {partition: EarlierRecords(offsets[partition], marks[partition]) for partition in begin}
