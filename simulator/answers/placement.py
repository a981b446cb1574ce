"""Where each record of a run went: its partition or file, and its offset there, from the delivery reports in the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.records import Records
from simulator.faults.stream import records_of
from simulator.offsets import Runs
from simulator.partitioning import partition_of
from simulator.plan import Plan

Integers = NDArray[np.int64]

NOWHERE = -1
"""The place and the offset of a record that was never sent, or of which no delivery is known."""


@dataclass(frozen=True)
class Placed:
    """Records with their places.

    Attributes:
        records: in the order of sending, with those that are withheld.
        place: number of the partition, or of the file in the order of writing; NOWHERE for a record that is not there.
        offset: in the partition, or line of the file from 0; NOWHERE as above.
    """

    records: Records
    place: Integers
    offset: Integers

    def take(self, rows: NDArray[np.bool_] | slice) -> Placed:
        """Some of them."""
        return Placed(self.records.take(rows), self.place[rows], self.offset[rows])


@final
class Placement:
    """Gives each record its place. Within a place records arrive in the order of sending.

    Args:
        plan: of the run.
        deliveries: place to runs of offsets, [first, count] each, as the manifest has them.
        partitions: of the topic; None for files.
    """

    def __init__(self, plan: Plan, deliveries: Mapping[str, Runs], partitions: int | None) -> None:
        self.names = list(deliveries) if partitions is None else [str(number) for number in range(partitions)]
        runs = [np.array(deliveries.get(name, []), dtype=np.int64).reshape(-1, 2) for name in self.names]
        self._firsts = [part[:, 0] for part in runs]
        self._ends = [np.cumsum(part[:, 1]) for part in runs]
        self._files = None if partitions is not None else np.cumsum([0, *(part[:, 1].sum() for part in runs)])[1:]
        symbols = [symbol.name for symbol in plan.market.symbols]
        self._by_symbol = np.array([partition_of(name, partitions) if partitions else 0 for name in symbols], dtype=np.int64)
        self._sent = np.zeros(max(1, len(self.names)), dtype=np.int64)

    def of(self, records: Records) -> Placed:
        """The next records of the run, in the order of sending, with their places."""
        place = np.full(len(records), NOWHERE, dtype=np.int64)
        offset = place.copy()
        present = np.flatnonzero(~records.withheld)
        if self._files is None:
            place[present] = self._by_symbol[records.events.symbol[present]]
            for number in range(len(self.names)):
                rows = present[place[present] == number]
                offset[rows] = self._offsets(number, self._sent[number] + np.arange(rows.size))
                self._sent[number] += rows.size
        else:
            ranks = self._sent[0] + np.arange(present.size)
            place[present] = self._files.searchsorted(ranks, side="right")
            place[place == len(self.names)] = NOWHERE
            known = present[place[present] != NOWHERE]
            offset[known] = (ranks - np.concatenate([[0], self._files])[place[present]])[: known.size]
            self._sent[0] += present.size
        place[offset == NOWHERE] = NOWHERE
        return Placed(records, place, offset)

    def _offsets(self, number: int, ranks: Integers) -> Integers:
        """Offsets of a partition's records by their rank."""
        ends, firsts = self._ends[number], self._firsts[number]
        run = ends.searchsorted(ranks, side="right")
        offsets = np.full(ranks.size, NOWHERE, dtype=np.int64)
        known = run < ends.size
        begins = np.concatenate([[0], ends])[run[known]]
        offsets[known] = firsts[run[known]] + ranks[known] - begins
        return offsets


def placed_records(plan: Plan, start: int, placement: Placement, limit: int) -> Iterator[Placed]:
    """The first `limit` records that were sent, and those withheld on the way, each with its place."""
    left = limit
    for block in records_of(plan, start):
        sent = np.cumsum(~block.withheld)
        is_last = sent[-1] > left
        records = block.take(slice(0, int(sent.searchsorted(left, side="right")))) if is_last else block
        left -= int((~records.withheld).sum())
        yield placement.of(records)
        # With none left to come, blocks of nothing but withheld records may still do.
        if is_last:
            return
