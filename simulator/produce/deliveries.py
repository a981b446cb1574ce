"""Where records have arrived: the offsets that the broker gave them, as the delivery reports tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from simulator.offsets import Runs, runs_of


@final
class Deliveries:
    """Offsets by place, a place being a partition or a file; within a place records arrive in the order of sending."""

    def __init__(self) -> None:
        self._runs: dict[int | str, Runs] = {}

    def add(self, place: int | str, offset: int, count: int = 1) -> None:
        """Note records that have arrived one after the other, the first at `offset`."""
        runs = self._runs.setdefault(place, [])
        if runs and offset == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += count
        else:
            runs.append([offset, count])

    def extend(self, place: int | str, offsets: Sequence[int]) -> None:
        """Note records that have arrived one after the other, each with its offset."""
        for first, count in runs_of(offsets):
            self.add(place, first, count)

    @property
    def runs(self) -> dict[str, Runs]:
        """All places, as the manifest holds them."""
        return {str(place): runs for place, runs in self._runs.items()}
