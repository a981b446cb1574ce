"""What else a topic has gained during a run: the records at offsets that are not the run's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulator.broker.records import read_records
from simulator.offsets import Runs, runs_of

# Seeking costs about as much as reading so many records.
_NEAR = 20_000


def own_records(begin: Mapping[int, int], end: Mapping[int, int], own: Mapping[str, Runs]) -> int:
    """How many of the run's records are in the topic, by the offsets that it has."""
    return sum(
        max(0, min(first + count, end[partition]) - max(first, begin[partition]))
        for partition in begin
        for first, count in own.get(str(partition), [])
    )


def foreign_records(
    client: Mapping[str, Any], topic: str, begin: Mapping[int, int], end: Mapping[int, int], own: Mapping[str, Runs]
) -> dict[str, Runs]:
    """The offsets of the records that others have sent, by partition.

    Offsets without a record (the markers of transactions, what was compacted away) are nobody's.

    Args:
        client: the properties that name the broker and the way to it.
        topic: the topic.
        begin: by partition, the first offset to look at.
        end: by partition, the offset after the last.
        own: by partition, the run's own records.

    Raises:
        UnreachableError: the broker does not answer.
    """
    found: dict[str, Runs] = {}
    for partition, first in begin.items():
        gaps = gaps_of(first, end[partition], own.get(str(partition), []))
        if gaps:
            inside = _Inside(gaps)
            offsets = [
                offset
                for begun, ended in _spans(gaps)
                for _, offset, _ in read_records(client, topic, {partition: begun}, {partition: ended})
                if inside.holds(offset)
            ]
            if offsets:
                found[str(partition)] = runs_of(offsets)
    return found


def gaps_of(begin: int, end: int, own: Sequence[Sequence[int]]) -> Runs:
    """What lies between the runs of one partition, from `begin` to before `end`."""
    gaps, position = [], begin
    for first, count in own:
        if first > position:
            gaps.append([position, min(first, end) - position])
        position = max(position, first + count)
    if position < end:
        gaps.append([position, end - position])
    return [gap for gap in gaps if gap[1] > 0]


class _Inside:
    """Asked in ascending order whether offsets lie in gaps."""

    def __init__(self, gaps: Runs) -> None:
        self._gaps = iter(gaps)
        self._gap = next(self._gaps)

    def holds(self, offset: int) -> bool:
        while offset >= sum(self._gap):
            following = next(self._gaps, None)
            if following is None:
                return False
            self._gap = following
        return offset >= self._gap[0]


def _spans(gaps: Runs) -> list[tuple[int, int]]:
    """Where to read, first and end: gaps that lie near each other in one go."""
    spans = [(gaps[0][0], sum(gaps[0]))]
    for first, count in gaps[1:]:
        if first - spans[-1][1] <= _NEAR:
            spans[-1] = (spans[-1][0], first + count)
        else:
            spans.append((first, first + count))
    return spans
