"""Aim: event times at the edges of windows, and lateness at the watermark, where jobs break."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.chance import Chance
from simulator.faults.records import Records

if TYPE_CHECKING:
    from simulator.faults.base import Setting

Integers = NDArray[np.int64]

_MICROSECOND, _MILLISECOND = 1_000, 1_000_000


@final
class Aim:
    """`faults.aim=window_edges`: a share of the event times is moved to the nearest edge of a window, -1, 0 or +1 µs.

    And a delayed record is sent when the newest event is `watermark` -1, 0 or +1 ms past its own time, past the end of the first
    window that it falls in, or past that of the last: where one more millisecond decides whether it counts. The reader's
    watermark moves from batch to batch only: which side a record falls on is known from the batches' log alone.
    """

    moves_back: int

    def __init__(self, number: int, rate: float, setting: Setting) -> None:
        self.number = number
        self._rate = rate
        window = setting.window
        self._slide, self._size = window.slide * _MICROSECOND, window.size * _MICROSECOND
        self._watermark = window.watermark * _MICROSECOND
        # The market's start on the grid of the windows: times are from the start, windows from 1970.
        self._phase = setting.start * _MICROSECOND
        self.moves_back = self._slide // 2 + _MICROSECOND
        purposes = ("strikes", "edge", "target", "side")
        self._strikes, self._edge, self._target, self._side = (
            Chance(setting.seed, setting.names, f"fault aim {purpose}") for purpose in purposes
        )

    def apply(self, records: Records) -> Records:
        """Event times to the edges of windows."""
        hit = self._strikes.below(records, self._rate) & ~records.withheld
        aimed = records.take(hit)
        edge = (aimed.events.time + self._phase + self._slide // 2) // self._slide * self._slide - self._phase
        return records.struck(hit, self.number, time=edge + _one_of_three(self._edge, aimed) * _MICROSECOND)

    def sent(self, records: Records, otherwise: Integers) -> Integers:
        """When to send records that come late, on the verge of too late; where that is past already: as without aim."""
        time = records.events.time + self._phase
        last = time // self._slide * self._slide + self._size
        first = (time - self._size) // self._slide * self._slide + self._slide + self._size
        verge = np.choose(_one_of_three(self._target, records) + 1, [time, first, last]) + self._watermark - self._phase
        aimed = verge + _one_of_three(self._side, records) * _MILLISECOND
        return np.where(aimed > records.sent, aimed, otherwise)


def _one_of_three(chance: Chance, records: Records) -> Integers:
    """-1, 0 or 1."""
    return np.floor(chance.uniform(records) * 3.0).astype(np.int64) - 1
