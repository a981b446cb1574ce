"""Duplicates: a record is sent once more after a delay, with the same payload, as a producer does that retries."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np

from simulator.faults.aim import Aim
from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.copies import with_copies
from simulator.faults.delays import Delay
from simulator.faults.records import Records


class DuplicateParameters(FaultParameters):
    """`conf/faults/duplicate.yaml`."""

    delay: Delay


@final
class Duplicate(Fault):
    """Puts a copy of a record, sent later, beside it."""

    def __init__(self, name: str, number: int, parameters: DuplicateParameters, setting: Setting, aim: Aim | None) -> None:
        super().__init__(name, number, parameters, setting)
        self._delay = parameters.delay
        self._draw = self.chance("delay")
        self._aim = aim

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        originals = records.take(hit)
        sent = originals.sent + self._delay.nanoseconds(self._draw.uniform(originals))
        if self._aim is not None:
            sent = self._aim.sent(originals, sent)
        number = np.full(sent.size, 1 << self.number, dtype=np.uint32)
        copies = replace(originals, sent=sent, copy=originals.copy + np.uint8(1), faults=number)
        return with_copies(records, hit, copies)
