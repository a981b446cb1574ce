"""Bounded disorder: records are shuffled, none by more than a given span of time."""

from __future__ import annotations

from typing import Annotated, final

import numpy as np
from pydantic import Field

from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.records import Records


class DisorderParameters(FaultParameters):
    """`conf/faults/disorder.yaml`."""

    bound: Annotated[float, Field(gt=0, le=86_400)]


@final
class Disorder(Fault):
    """Puts off the moment of sending by a uniform share of the bound: only records nearer than that change places."""

    def __init__(self, name: str, number: int, parameters: DisorderParameters, setting: Setting) -> None:
        super().__init__(name, number, parameters, setting)
        self._bound = parameters.bound * 1e9
        self._draw = self.chance("shift")

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        moved = records.take(hit)
        shift = np.floor(self._draw.uniform(moved) * self._bound).astype(np.int64)
        return records.struck(hit, self.number, sent=moved.sent + shift)
