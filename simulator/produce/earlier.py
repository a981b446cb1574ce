"""What an earlier, broken-off part of a run has already put into its topic, and how the stream is found again in it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from simulator.broker.records import read_records

Integers = NDArray[np.int64]


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


def read_earlier(
    client: Mapping[str, Any], topic: str, begin: Mapping[int, int], end: Mapping[int, int]
) -> dict[int, EarlierRecords]:
    """All records of some partitions, by partition.

    Args:
        client: the properties that name the broker and the way to it, and `isolation.level`.
        topic: the topic.
        begin: partition to the offset of the first record.
        end: partition to the offset after the last, read or not.

    Raises:
        UnreachableError: the broker does not answer.
    """
    offsets = {partition: array("q") for partition in begin}  # 16 bytes a record: a run may be long
    marks = {partition: array("q") for partition in begin}
    for partition, offset, record in read_records(client, topic, begin, end):
        offsets[partition].append(offset)
        marks[partition].append(mark(record.key(), record.value()))
    return {partition: EarlierRecords(offsets[partition], marks[partition]) for partition in begin}
