"""Corruption: the bytes of a record are no event any more, or not quite the one that was meant."""

from __future__ import annotations

from typing import Annotated, Literal, final

import numpy as np
from pydantic import Field

from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.damage import Damage
from simulator.faults.records import Records

Kind = Literal["truncated", "wrong_type", "missing_field", "extra_field", "not_a_number", "invalid_utf8", "empty", "null", "huge"]


class CorruptParameters(FaultParameters):
    """`conf/faults/corrupt.yaml`."""

    kinds: Annotated[list[Kind], Field(min_length=1)]
    huge_bytes: Annotated[int, Field(ge=1, le=900_000)]


@final
class Corrupt(Fault):
    """Marks the records whose bytes are damaged, each in one of the `kinds`, evenly.

    One that drift has changed already stays as it is.
    """

    def __init__(self, name: str, number: int, parameters: CorruptParameters, setting: Setting) -> None:
        super().__init__(name, number, parameters, setting)
        self._codes = np.array([Damage[kind.upper()] for kind in parameters.kinds], dtype=np.uint8)
        self._draw = self.chance("kind")

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records) & (records.damage == 0)
        choice = np.floor(self._draw.uniform(records.take(hit)) * self._codes.size).astype(np.int64)
        return records.struck(hit, self.number, damage=self._codes[choice])
