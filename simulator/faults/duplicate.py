"""Duplicates: a record is sent once more after a delay, with the same payload, as a producer does that retries."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np

from simulator.faults.copies import with_copies
from simulator.faults.delayed import Delayed, DelayedParameters
from simulator.faults.records import Records


class DuplicateParameters(DelayedParameters):
    """`conf/faults/duplicate.yaml`."""


@final
class Duplicate(Delayed):
    """Puts a copy of a record, sent later, beside it."""

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        originals = records.take(hit)
        struck = np.full(len(originals), 1 << self.number, dtype=np.uint32)
        copies = replace(originals, sent=self.later(originals), copy=originals.copy + np.uint8(1), faults=struck)
        return with_copies(records, hit, copies)
