"""What faults have in common that send a record later than it should be: by a delay, or aimed at the verge of too late."""

from __future__ import annotations

from simulator.faults.aim import Aim
from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.delays import Delay
from simulator.faults.records import Integers, Records


class DelayedParameters(FaultParameters):
    """The keys of every fault that delays.

    Attributes:
        delay: by how long.
    """

    delay: Delay


class Delayed(Fault):
    """A fault that delays; `apply` says what."""

    def __init__(self, name: str, number: int, parameters: DelayedParameters, setting: Setting, aim: Aim | None) -> None:
        super().__init__(name, number, parameters, setting)
        self._delay = parameters.delay
        self._draw_delay = self.chance("delay")
        self._aim = aim

    def later(self, records: Records) -> Integers:
        """When to send records, nanoseconds from the start of the market; or to send them again."""
        sent = records.sent + self._delay.nanoseconds(self._draw_delay.uniform(records))
        return sent if self._aim is None else self._aim.sent(records, sent)
