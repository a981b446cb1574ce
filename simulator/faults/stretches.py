"""A plan's records from one instant to the next, with a state that can be laid aside at any of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from simulator.faults.records import Records
from simulator.faults.stream import records_of
from simulator.plan import Plan


@final
class Stretches:
    """The records of a worker, stretch by stretch; where they are cut does not change them.

    Pickled between two stretches it goes on in another process from where it stood, at a cost that does not depend on how far it
    has come: the state is that of the random streams, a block of records that are not due yet, and those that faults hold up.

    Args:
        plan: the plan.
        start: event time of the market's first instant, microseconds since 1970.
        worker: the number of this worker, from 0.
        workers: how many there are.
    """

    def __init__(self, plan: Plan, start: int, worker: int = 0, workers: int = 1) -> None:
        self._blocks = records_of(plan, start, None, worker, workers)
        self._held: Records | None = None

    def until(self, end: int) -> Iterator[Records]:
        """The records that are sent from where the last stretch ended to before `end`, nanoseconds from the market's start.

        To be read to its end before it is asked again or pickled.
        """
        while (block := self._take()) is not None:
            cut = int(np.searchsorted(block.sent, end))
            if cut < len(block):
                self._held = block.take(slice(cut, None))
            if cut:
                yield block.take(slice(0, cut))
            if self._held is not None:
                return

    def _take(self) -> Records | None:
        block, self._held = self._held, None
        return next(self._blocks, None) if block is None else block

    @property
    def upcoming(self) -> int | None:
        """After a stretch: when the next record is sent, nanoseconds from the market's start; None: there is none."""
        return None if self._held is None else int(self._held.sent[0])
