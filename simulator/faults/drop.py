"""Dropped records: an event is never sent, and leaves a gap in its symbol's `seq`."""

from __future__ import annotations

from typing import final

from simulator.faults.base import Fault, FaultParameters
from simulator.faults.records import Records


class DropParameters(FaultParameters):
    """`conf/faults/drop.yaml`."""


@final
class Drop(Fault):
    """Withholds records."""

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        return records.struck(self.hits(records), self.number, withheld=True)
