"""Records as they are sent: the market's events, through the faults, in the order of sending."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
    blocks = events_of(plan, block_events, worker, workers)
    if not plan.faults.any:
        return (of_market(events, int(events.time[-1])) for events in blocks if len(events))
    return _struck(plan, start, blocks)


def _struck(plan: Plan, start: int, blocks: Iterator[Events]) -> Iterator[Records]:
    window = plan.answers.window
    names = [symbol.name for symbol in plan.market.symbols]
    faults = faults_at_work(plan.faults, Setting(plan.seed, names, plan.sink.partitions, window, start % window.slide))
    moves_back = sum(fault.moves_back for fault in faults)
    waiting: Records | None = None
    for events in blocks:
        if not len(events):
            continue
        # Events to come are not before the last one, and no fault sends a record before its event.
        now = int(events.time[-1])
        records = of_market(events, now - moves_back)
        for fault in faults:
            records = fault.apply(records)
        waiting = records if waiting is None else joined([waiting, records])
        ready = waiting.sent < now
        due, waiting = waiting.take(ready), waiting.take(~ready)
        if len(due):
            yield _in_order(due, waiting)
    if waiting is not None and len(waiting):
        yield _in_order(waiting, waiting)


def _in_order(due: Records, waiting: Records) -> Records:
    """In the order of sending; at the same moment in the market's order, in which they wait."""
    oldest = min(due.oldest_to_come, int(waiting.events.time.min())) if len(waiting) else due.oldest_to_come
    return replace(due.take(np.argsort(due.sent, kind="stable")), oldest_to_come=oldest)
