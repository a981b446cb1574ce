"""Stalls: a symbol, a partition or the whole feed falls silent for a while."""

from __future__ import annotations

from typing import Annotated, Literal, final

import numpy as np
from pydantic import Field, field_validator

from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.records import Integers, Records
from simulator.parameters import Moment
from simulator.partitioning import partition_of


class StallParameters(FaultParameters):
    """`conf/faults/stall.yaml`."""

    partition: Annotated[int, Field(ge=0)] | None
    release: Literal["held", "lost"]

    @field_validator("end")
    @classmethod
    def _ends(cls, end: Moment | None) -> Moment | None:
        if end is None:
            raise ValueError("must be a time: a stall ends")
        return end


@final
class Stall(Fault):
    """Whatever would be sent from `start` to `end` is held and sent all at once at its end, or is lost."""

    def __init__(self, name: str, number: int, parameters: StallParameters, setting: Setting) -> None:
        super().__init__(name, number, parameters, setting)
        self._lost = parameters.release == "lost"
        if parameters.partition is not None and setting.partitions is not None:
            places = [partition_of(symbol, setting.partitions) for symbol in setting.names]
            self._in_scope &= np.array(places) == parameters.partition

    def _moment(self, records: Records) -> Integers:
        return records.sent

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        if self._lost:
            return records.struck(hit, self.number, withheld=True)
        return records.struck(hit, self.number, sent=np.maximum(records.sent[hit], self._end or 0))
