"""Late records: an event is sent a delay after its time, and overtaken by those in between."""

from __future__ import annotations

from typing import final

from simulator.faults.aim import Aim
from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.delays import Delay
from simulator.faults.records import Records


class LateParameters(FaultParameters):
    """`conf/faults/late.yaml`."""

    delay: Delay


@final
class Late(Fault):
    """Adds a delay to the moment of sending; the payload stays as it is."""

    def __init__(self, name: str, number: int, parameters: LateParameters, setting: Setting, aim: Aim | None) -> None:
        super().__init__(name, number, parameters, setting)
        self._delay = parameters.delay
        self._draw = self.chance("delay")
        self._aim = aim

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        late = records.take(hit)
        sent = late.sent + self._delay.nanoseconds(self._draw.uniform(late))
        if self._aim is not None:
            sent = self._aim.sent(late, sent)
        return records.struck(hit, self.number, sent=sent)
