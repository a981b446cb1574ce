"""What all faults have in common: how many records they strike, which symbols, and when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from simulator.faults.chance import Chance
from simulator.faults.records import Integers, Mask, Records
from simulator.parameters import Moment, Parameters, nanoseconds

if TYPE_CHECKING:
    from simulator.plan import WindowPlan

Share = Annotated[float, Field(ge=0, le=1)]


class FaultParameters(Parameters):
    """The keys of every fault.

    Attributes:
        rate: share of the records in scope that it strikes.
        symbols: the symbols in scope; empty: all.
        start: market time from which it strikes, seconds or "HH:MM:SS".
        end: market time before which it strikes; null: to the end.
    """

    rate: Share
    symbols: list[str]
    start: Moment
    end: Moment | None

    @field_validator("end")
    @classmethod
    def _is_after_start(cls, end: float | str | None, info: ValidationInfo) -> float | str | None:
        start = info.data.get("start")
        if end is not None and start is not None and nanoseconds(end) <= nanoseconds(start):
            raise ValueError(f"must be after start={start}")
        return end


@dataclass(frozen=True)
class Setting:
    """What a fault may know of the run.

    Attributes:
        seed: of the run.
        names: the symbols, in the plan's order.
        partitions: of the topic; None for a sink without.
        window: sizes in microseconds.
        start: of the market on the clock of windows, in microseconds modulo the slide.
    """

    seed: int
    names: list[str]
    partitions: int | None
    window: WindowPlan
    start: int


class Fault(ABC):
    """A fault at work: a pure function of columns, with the chance of each record keyed by its name.

    Attributes:
        number: the fault's bit in `Records.faults`.
        moves_back: nanoseconds by which it may set a payload's time back.
    """

    moves_back: int = 0

    def __init__(self, name: str, number: int, parameters: FaultParameters, setting: Setting) -> None:
        self.number = number
        self._name = name
        self._rate = parameters.rate
        self._setting = setting
        self._strikes = self.chance("strikes")
        self._start = nanoseconds(parameters.start)
        self._end = None if parameters.end is None else nanoseconds(parameters.end)
        in_scope = set(parameters.symbols or setting.names)
        self._in_scope: Mask = np.array([name in in_scope for name in setting.names])

    def chance(self, purpose: str) -> Chance:
        """Random numbers of this fault for a purpose."""
        return Chance(self._setting.seed, self._setting.names, f"fault {self._name} {purpose}")

    def hits(self, records: Records) -> Mask:
        """The records that it strikes, by chance, among those in scope that are to be sent."""
        time = self._moment(records)
        hit = self._in_scope[records.events.symbol] & (time >= self._start) & ~records.withheld
        if self._end is not None:
            hit &= time < self._end
        return hit & self._strikes.below(records, self._rate) if self._rate < 1.0 else hit

    def _moment(self, records: Records) -> Integers:
        """The time that `start` and `end` are about: the event's own."""
        return records.intended.time

    @abstractmethod
    def apply(self, records: Records) -> Records:
        """The records after this fault. In: market order, a record's copies after it; out: the same."""
