"""Clock skew: the clock that stamps a symbol's events is fast or slow, always by the same amount."""

from __future__ import annotations

from typing import Annotated, final

import numpy as np
from pydantic import Field

from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.records import Records
from simulator.parameters import PerSymbol

_Offset = Annotated[float, Field(ge=-86_400, le=86_400)]


class ClockSkewParameters(FaultParameters):
    """`conf/faults/clock_skew.yaml`."""

    offset: PerSymbol[_Offset]


@final
class ClockSkew(Fault):
    """Adds a symbol's offset to the payload's time; the moment of sending stays. `rate` is the share of the records, as ever."""

    def __init__(self, name: str, number: int, parameters: ClockSkewParameters, setting: Setting) -> None:
        super().__init__(name, number, parameters, setting)
        offset = parameters.offset
        low, high = offset["uniform"] if isinstance(offset, dict) else (offset, offset)
        seconds = low + (high - low) * self.chance("offset").uniform_by_symbol()
        self._offset = np.rint(seconds * 1e9).astype(np.int64)
        self.moves_back = max(0, round(-low * 1e9))

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        skewed = records.take(hit)
        return records.struck(hit, self.number, time=skewed.events.time + self._offset[skewed.events.symbol])
