"""Records as they are sent: the market's events, through the faults, in the order of sending."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import final

import numpy as np

from simulator.faults.base import Setting
from simulator.faults.model import faults_at_work
from simulator.faults.records import Records, joined, of_market
from simulator.market.events import Events
from simulator.market.stream import events_of
from simulator.plan import Plan


def records_of(plan: Plan, start: int, block_events: int | None = None, worker: int = 0, workers: int = 1) -> Iterator[Records]:
    """The records of a plan in blocks; how they are cut does not change them.

    Records that are never sent are among them, at the moment when they would have been. Of several workers each gives its own
    symbols' records (`market.shards.owned`), the same that a single one would.

    Args:
        plan: the plan.
        start: event time of the market's first instant, microseconds since 1970.
        block_events: about how many events the market makes at once.
        worker: the number of this worker, from 0.
        workers: how many there are.
    """
    return RecordBlocks(plan, start, events_of(plan, block_events, worker, workers))


@final
class RecordBlocks(Iterator[Records]):
    """What `records_of` gives; between two blocks it can be pickled, and goes on from there in another process."""

    def __init__(self, plan: Plan, start: int, blocks: Iterator[Events]) -> None:
        self._blocks = blocks
        window = plan.answers.window
        names = [symbol.name for symbol in plan.market.symbols]
        setting = Setting(plan.seed, names, plan.sink.partitions, window, start % window.slide)
        self._faults = faults_at_work(plan.faults, setting)
        self._moves_back = sum(fault.moves_back for fault in self._faults)
        self._waiting: Records | None = None

    def __next__(self) -> Records:
        for events in self._blocks:
            if not len(events):
                continue
            if not self._faults:
                return of_market(events, int(events.time[-1]))
            due = self._struck(events)
            if len(due):
                return due
        return self._rest()

    def _struck(self, events: Events) -> Records:
        """The records that are due when the block's last event is, and all that were before."""
        # Events to come are not before the last one, and no fault sends a record before its event.
        now = int(events.time[-1])
        records = of_market(events, now - self._moves_back)
        for fault in self._faults:
            records = fault.apply(records)
        waiting = records if self._waiting is None else joined([self._waiting, records])
        ready = waiting.sent < now
        due, self._waiting = waiting.take(ready), waiting.take(~ready)
        return _in_order(due, self._waiting)

    def _rest(self) -> Records:
        rest, self._waiting = self._waiting, None
        if rest is None or not len(rest):
            raise StopIteration
        return _in_order(rest, rest)


def _in_order(due: Records, waiting: Records) -> Records:
    """In the order of sending; at the same moment in the market's order, in which they wait."""
    oldest = min(due.oldest_to_come, int(waiting.events.time.min())) if len(waiting) else due.oldest_to_come
    return replace(due.take(np.argsort(due.sent, kind="stable")), oldest_to_come=oldest)
