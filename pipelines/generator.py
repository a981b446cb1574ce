"""What a Spark task of the generator does. The only module of `pipelines` that imports `simulator`.

A task makes the records of its worker's symbols from one instant to the next. It goes on from the state that it, or any other
process, has laid aside at the first; the cost does not depend on how far the market has come.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, final

import numpy as np
import pyarrow as pa

from pipelines.states import States
from simulator.encode.payload import Payloads
from simulator.faults.digest import RecordDigest
from simulator.faults.stretches import Stretches
from simulator.faults.tally import RecordTally
from simulator.market.shards import owned
from simulator.partitioning import partition_of
from simulator.plan import Plan, parse_plan
from simulator.produce.horizon import END

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DIGESTS", "END", "RECORDS", "Job", "digests", "records"]

RECORDS = "key BINARY, value BINARY, partition INT"
DIGESTS = "symbol STRING, partition INT, records BIGINT, chain STRING"

_log = logging.getLogger(__name__)


@lru_cache(maxsize=4)
def _plan_of(text: str) -> Plan:
    return parse_plan(text, "the option plan")


@final
@dataclass(frozen=True)
class Job:
    """What all tasks share; instants are nanoseconds from the start of the market.

    Attributes:
        text: the plan, as JSON.
        start: event time of the market's first instant, microseconds since 1970; None: the plan's.
        workers: how many tasks share the symbols.
        state: URI of the folder of states; None: a state does not leave its process.
    """

    text: str
    start: int | None
    workers: int
    state: str | None

    @property
    def plan(self) -> Plan:
        """The plan; read once a process."""
        return _plan_of(self.text)

    @property
    def first_instant(self) -> int:
        """Event time of the market's first instant, microseconds since 1970."""
        start = self.plan.clock.start if self.start is None else self.start
        if start is None:
            raise ValueError("option start: must be microseconds since 1970, as the plan has no start of its own")
        return start

    @property
    def duration(self) -> int | None:
        """Of the market, nanoseconds; records that faults hold up may come after it. None: without end."""
        return None if self.plan.duration is None else self.plan.duration * 1000

    @property
    def without_states(self) -> Job:
        """The same, with nothing laid aside."""
        return replace(self, state=None)

    @property
    def name(self) -> str:
        """Names all that the records, and who makes which, depend on."""
        return f"{self.plan.hash[:16]}-{self.first_instant}-{self.workers}"

    @property
    def states(self) -> States | None:
        """Where states are laid aside."""
        return None if self.state is None else States(self.state, self.name)

    def check(self) -> None:
        """See that all of it makes sense.

        Raises:
            ValueError: there is no start, or a partition would have more than one writer.
            BadConfigError: the plan is not one.
        """
        partitions = self.plan.sink.partitions
        if partitions is None:
            raise ValueError("option plan: its events go to no topic; Spark sends to partitions")
        if self.workers > partitions:
            raise ValueError(f"option workers={self.workers}: must not exceed the topic's {partitions} partitions")
        _ = self.first_instant


@final
@dataclass
class _Generator:
    """A worker's state: the market, and what has been counted of its records."""

    stretches: Stretches
    tally: RecordTally


# One a worker: job, instant and state. Spark keeps its Python processes, so that in most cases the next task finds it.
_kept: dict[int, tuple[str, int, _Generator]] = {}


def records(job: Job, worker: int, begin: int, end: int) -> Iterator[pa.RecordBatch]:
    """The records of a worker that are sent from `begin` to before `end`: `RECORDS`, in the order of sending.

    The state at `end` is laid aside; that at `begin` stays, so that a task that is run again gives the same.
    """
    plan, generator = job.plan, _resumed(job, worker, begin)
    names = [symbol.name for symbol in plan.market.symbols]
    keys = pa.array([name.encode() for name in names], pa.binary())
    partitions = np.array([partition_of(name, plan.sink.partitions or 1) for name in names], dtype=np.int32)
    payloads = Payloads(plan, job.first_instant)
    for block in generator.stretches.until(end):
        generator.tally.add(block)
        sent = block.present
        if len(sent):
            symbols = sent.events.symbol
            values = pa.array(payloads.of(sent), pa.binary())
            columns = [keys.take(pa.array(symbols)), values, pa.array(partitions[symbols])]
            yield pa.RecordBatch.from_arrays(columns, names=["key", "value", "partition"])
    if job.states is not None:
        job.states.write(worker, end, generator, {"upcoming": generator.stretches.upcoming})
    if end < END:
        _kept[worker] = job.name, end, generator


def digests(job: Job, worker: int, end: int) -> pa.RecordBatch:
    """What a worker's records up to before `end` amount to, made again from the beginning in one go: `DIGESTS`.

    Raises:
        RuntimeError: they are not those that the tasks have made.
    """
    plan = job.plan
    digest, tally = RecordDigest(plan), RecordTally(plan)
    for block in Stretches(plan, job.first_instant, worker, job.workers).until(end):
        digest.add(block)
        tally.add(block)
    if job.states is not None and end:  # at the beginning there is nothing to lay aside
        _compare(job.states, tally, worker, end)
    names = [symbol.name for symbol in plan.market.symbols]
    mine = owned(plan, worker, job.workers).tolist()
    chains = digest.chains()
    rows = [(names[n], partition_of(names[n], plan.sink.partitions or 1), int(tally.counts[n]), chains[names[n]]) for n in mine]
    types = (pa.string(), pa.int32(), pa.int64(), pa.string())
    columns = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(types)]
    return pa.RecordBatch.from_arrays(columns, names=["symbol", "partition", "records", "chain"])


def _compare(states: States, tally: RecordTally, worker: int, end: int) -> None:
    made = states.read(worker, end)
    if made is None:
        raise RuntimeError(f"worker {worker} has left no state at the end: do all executors reach the folder of the states?")
    differing = tally.differing(made.tally)
    if differing:
        raise RuntimeError(f"worker {worker} has made other records of {', '.join(differing[:5])} than the plan has")


def _resumed(job: Job, worker: int, begin: int) -> _Generator:
    """The worker's generator at an instant. It is taken out: what happens to it from now on is no state of that instant."""
    name, instant, generator = _kept.pop(worker, ("", 0, None))
    if generator is not None and (name, instant) == (job.name, begin):
        return generator
    found: _Generator | None = job.states.read(worker, begin) if job.states is not None and begin else None
    if found is not None:
        return found
    fresh = _Generator(Stretches(job.plan, job.first_instant, worker, job.workers), RecordTally(job.plan))
    if begin:
        _log.warning("worker %d finds no state of instant %d: all before it is made again", worker, begin)
        for block in fresh.stretches.until(begin):
            fresh.tally.add(block)
    return fresh
