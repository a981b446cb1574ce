"""Corrections: a trade is reported once more, with another price or as cancelled, under the same `seq` and time."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, final

import numpy as np
from pydantic import Field

from simulator.faults.aim import Aim
from simulator.faults.base import Setting, Share
from simulator.faults.copies import with_copies
from simulator.faults.delayed import Delayed, DelayedParameters
from simulator.faults.records import Records


class CorrectionParameters(DelayedParameters):
    """`conf/faults/correction.yaml`."""

    cancel: Share
    move: Annotated[float, Field(gt=0, lt=1)]


@final
class Correction(Delayed):
    """Puts a second report of a trade beside the first: cancelled (volume 0), or with a price that is off by up to `move`.

    Whoever takes the first report of a (symbol, seq) has the trade as it was; whoever takes the last, as corrected; whoever
    counts both, counts twice. Status events are not corrected.
    """

    def __init__(self, name: str, number: int, parameters: CorrectionParameters, setting: Setting, aim: Aim | None) -> None:
        super().__init__(name, number, parameters, setting, aim)
        self._parameters = parameters
        self._draw_cancel, self._draw_move = self.chance("cancel"), self.chance("move")

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records) & (records.events.volume > 0)
        firsts = records.take(hit)
        events = firsts.events
        cancelled = self._draw_cancel.below(firsts, self._parameters.cancel)
        shift = np.rint((2.0 * self._draw_move.uniform(firsts) - 1.0) * self._parameters.move * events.price).astype(np.int64)
        shift = np.where((shift == 0) | (events.price == 1), 1, shift)  # a correction corrects something
        price = np.where(cancelled, events.price, np.maximum(events.price + shift, 1))
        seconds = replace(
            firsts,
            events=replace(events, price=price, volume=np.where(cancelled, 0, events.volume)),
            sent=self.later(firsts),
            copy=firsts.copy + np.uint8(2),
            faults=np.full(len(firsts), 1 << self.number, dtype=np.uint32),
        )
        return with_copies(records, hit, seconds)
