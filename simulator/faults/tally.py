"""How many records there were, and a checksum of them: what can be added up where a hash chain cannot."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.chance import mixed
from simulator.faults.digest import sent_columns
from simulator.faults.records import Records
from simulator.market.digest import columns_of
from simulator.plan import Plan

Words = NDArray[np.uint64]

# Two sums of 64 bits with keys of their own: any two numbers that are not the same will do.
_KEYS: Words = np.array([0x243F6A8885A308D3, 0x13198A2E03707344], dtype=np.uint64)


@final
class RecordTally:
    """Of each symbol the number of records and the sum of a 128-bit hash of each, over all that `RecordDigest` takes.

    A sum goes on from any process that knows it, which a chain of SHA-256 does not: its state cannot be laid aside. Rows have
    their `seq`, and with faults the moment of sending, so that the sum also tells their order. It is proof against mistakes, not
    against somebody who looks for two streams with one sum.

    Attributes:
        counts: records of each symbol, shape (symbols,).
        sums: shape (symbols, 2).
    """

    def __init__(self, plan: Plan) -> None:
        self._names = [symbol.name for symbol in plan.market.symbols]
        self._has_faults = plan.faults.any
        self.counts: NDArray[np.int64] = np.zeros(len(self._names), dtype=np.int64)
        self.sums: Words = np.zeros((len(self._names), _KEYS.size), dtype=np.uint64)

    def add(self, records: Records) -> None:
        """Add a block of records; those that are never sent do not count."""
        sent, further = sent_columns(records, has_faults=self._has_faults)
        columns = [*columns_of(sent.events), *further]
        order = np.argsort(sent.events.symbol, kind="stable")
        counts = np.bincount(sent.events.symbol, minlength=self.counts.size)
        present = np.flatnonzero(counts)
        if not present.size:
            return
        begins = (np.cumsum(counts) - counts)[present]
        for lane, key in enumerate(_KEYS):
            words: Words = np.full(len(sent), key, dtype=np.uint64)
            for column in columns:
                words = mixed(words ^ column.view(np.uint64))
            self.sums[present, lane] += np.add.reduceat(words[order], begins)
        self.counts += counts

    def differing(self, other: RecordTally) -> list[str]:
        """The symbols of which the two have seen other records."""
        differs = (self.counts != other.counts) | (self.sums != other.sums).any(axis=1)
        return [self._names[place] for place in np.flatnonzero(differs).tolist()]
