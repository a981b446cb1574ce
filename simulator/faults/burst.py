"""Bursts: records come in batches, as from a gateway that collects before it sends."""

from __future__ import annotations

from typing import Annotated, final

from pydantic import Field, ValidationInfo, field_validator

from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.records import Records


class BurstParameters(FaultParameters):
    """`conf/faults/burst.yaml`."""

    every: Annotated[float, Field(gt=0, le=86_400)]
    over: Annotated[float, Field(gt=0, le=86_400)]

    @field_validator("over")
    @classmethod
    def _fits(cls, over: float, info: ValidationInfo) -> float:
        every = info.data.get("every")
        if every is not None and over > every:
            raise ValueError(f"must not be more than every={every:g}")
        return over


@final
class Burst(Fault):
    """Of each period of `every` seconds, the records of the last `over` seconds are all sent at its end."""

    def __init__(self, name: str, number: int, parameters: BurstParameters, setting: Setting) -> None:
        super().__init__(name, number, parameters, setting)
        self._every, self._over = round(parameters.every * 1e9), round(parameters.over * 1e9)

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        collected = records.sent % self._every >= self._every - self._over
        hit = self.hits(records) & collected
        sent = records.sent[hit]
        return records.struck(hit, self.number, sent=(sent // self._every + 1) * self._every)
