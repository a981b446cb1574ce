"""Late records: an event is sent a delay after its time, and overtaken by those in between."""

from __future__ import annotations

from typing import final

from simulator.faults.delayed import Delayed, DelayedParameters
from simulator.faults.records import Records


class LateParameters(DelayedParameters):
    """`conf/faults/late.yaml`."""


@final
class Late(Delayed):
    """Puts off the moment of sending; the payload stays as it is."""

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        return records.struck(hit, self.number, sent=self.later(records.take(hit)))
