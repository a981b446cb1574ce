"""Schema drift: from some time on, records have a field renamed, or one more."""

from __future__ import annotations

from typing import Annotated, Literal, final

from pydantic import Field

from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.damage import Damage
from simulator.faults.records import Records
from simulator.parameters import Name

Field_ = Annotated[Name, Field(max_length=100)]


class DriftParameters(FaultParameters):
    """`conf/faults/drift.yaml`."""

    change: Literal["rename", "add"]
    field: Literal["symbol", "seq", "event_time", "price", "volume"]
    name: Field_


@final
class Drift(Fault):
    """Marks the records whose payload has another schema: `field` under another name, or a field `name` more."""

    def __init__(self, name: str, number: int, parameters: DriftParameters, setting: Setting) -> None:
        super().__init__(name, number, parameters, setting)
        self._damage = Damage.RENAMED_FIELD if parameters.change == "rename" else Damage.ADDED_FIELD

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        return records.struck(hit, self.number, damage=int(self._damage))
