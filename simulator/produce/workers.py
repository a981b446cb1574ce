"""The producer in several processes, each with the symbols of its own partitions; they share nothing but the plan.

What they tell each other is how far they are (`horizon.Shared`), so that none runs ahead of the others by more than the sink's
skew, and so that a stop leaves no gaps.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, fields, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Any, final

from simulator.broker.cluster import Cluster
from simulator.errors import DeliveryError, SimulatorError
from simulator.market.shards import owned
from simulator.offsets import Runs
from simulator.plan import Plan
from simulator.produce.clock import WallClock
from simulator.produce.horizon import Shared
from simulator.produce.lag import LagHistogram
from simulator.produce.producer import Outcome, Producer, Progress
from simulator.produce.production import Production, Report
from simulator.produce.signals import StopRequest
from simulator.produce.topic import open_topic

_LOOK = 0.05
"""Seconds between two looks at the workers."""
_FACTS = len(fields(Progress))


@final
@dataclass(frozen=True)
class _Share:
    """What one worker is given. The processes start afresh: only what can be pickled."""

    plan: Plan
    cluster: Cluster
    partitions: int
    worker: int
    workers: int
    earlier: Mapping[int, int] | None

    @property
    def own_earlier(self) -> dict[int, int] | None:
        """Where the run's records begin in the partitions that this worker writes to."""
        if self.earlier is None:
            return None
        return {partition: offset for partition, offset in self.earlier.items() if partition % self.workers == self.worker}


@final
class WorkerProduction(Production):
    """So many producers, each in a process of its own.

    Args:
        plan: of the run.
        cluster: where the brokers are, and how to connect.
        partitions: of the topic.
        workers: how many.
        earlier: of a run that is resumed: where its records begin, by partition.
    """

    def __init__(
        self, plan: Plan, cluster: Cluster, partitions: int, workers: int, earlier: Mapping[int, int] | None = None
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._instants = self._context.Array("q", Shared.initial(workers))
        self._facts = self._context.Array("d", workers * _FACTS)
        self._shares = [_Share(plan, cluster, partitions, worker, workers, earlier) for worker in range(workers)]
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self._outcomes: dict[int, tuple[Outcome, dict[str, Runs]]] = {}

    def __enter__(self) -> WorkerProduction:
        """Start the processes."""
        for share in self._shares:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(share, theirs, self._instants, self._facts), daemon=True)
            with _signals_held_back():
                process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        try:
            self._await_all()
        except SimulatorError:
            self.__exit__()  # a context that was not entered is not left
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            process.kill()
            process.join()
            pipe.close()

    def run(self, start: int, stop: StopRequest, report: Report) -> Outcome:  # noqa: D102  # inherited
        self._tell_all(start)
        resumed_at = max(self._await_all())
        self._tell_all((WallClock().now(), resumed_at))  # the machine's clock: all processes read the same
        while len(self._outcomes) < len(self._pipes):
            pending = [pipe for worker, pipe in enumerate(self._pipes) if worker not in self._outcomes]
            for pipe in wait(pending, _LOOK):
                worker = self._pipes.index(pipe)  # type: ignore[arg-type]  # one of those it was given
                self._outcomes[worker] = self._receive(worker)
            if stop.requested:
                Shared(self._instants, 0).stop()
            report(self.progress)
        return self._merged()

    def _tell_all(self, message: object) -> None:
        for pipe in self._pipes:
            pipe.send(message)

    def _await_all(self) -> list[Any]:
        return [self._receive(worker) for worker in range(len(self._pipes))]

    def _receive(self, worker: int) -> Any:  # noqa: ANN401  # whatever it has sent
        try:
            message = self._pipes[worker].recv()
        except (EOFError, ConnectionResetError):
            self._processes[worker].join()
            code = self._processes[worker].exitcode
            raise DeliveryError(f"worker {worker} of the producer ended unexpectedly (exit code {code})") from None
        if isinstance(message, SimulatorError):
            raise message
        return message

    def _merged(self) -> Outcome:
        chains: dict[str, str] = {}
        lags = LagHistogram()
        for outcome, _ in self._outcomes.values():
            chains |= outcome.chains
            lags.merge(outcome.lags)
        return Outcome(self.progress, chains, lags, any(outcome.interrupted for outcome, _ in self._outcomes.values()))

    @property
    def progress(self) -> Progress:
        """All workers' together: counts are sums, times those of the slowest."""
        facts = self._facts[:]
        each = [_progress(facts[worker * _FACTS : (worker + 1) * _FACTS]) for worker in range(len(self._shares))]
        at_work = [progress for progress in each if progress.generated] or each
        return Progress(
            generated=sum(progress.generated for progress in each),
            acked=sum(progress.acked for progress in each),
            failed=sum(progress.failed for progress in each),
            queued=sum(progress.queued for progress in each),
            market_time=min(progress.market_time for progress in at_work),
            elapsed=max(progress.elapsed for progress in each),
            lag=max(progress.lag for progress in each),
            largest_lag=max(progress.largest_lag for progress in each),
            resumed=sum(progress.resumed for progress in each),
        )

    @property
    def deliveries(self) -> dict[str, Runs]:
        """A partition has one writer, so that its runs are those that this one knows."""
        return {place: runs for _, deliveries in self._outcomes.values() for place, runs in deliveries.items()}


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM wait; what is started there never meets them, as with Ctrl-C all of a terminal would."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _progress(facts: list[float]) -> Progress:
    named = {field.name: fact for field, fact in zip(fields(Progress), facts, strict=True)}
    counts = {name: int(named.pop(name)) for name in ("generated", "acked", "failed", "queued", "resumed")}
    return Progress(**counts, **named)  # type: ignore[arg-type]  # what is left are the times


def _work(share: _Share, pipe: Connection, instants: SynchronizedArray[int], facts: SynchronizedArray[float]) -> None:
    """The whole life of a worker."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent is told, and tells all workers
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    pipe.send("started")
    start = pipe.recv()
    report = _reporter(share.worker, facts)

    def agree(resumed_at: int) -> tuple[int, int]:
        pipe.send(resumed_at)
        moment_and_furthest: tuple[int, int] = pipe.recv()
        return moment_and_furthest

    producer: Producer | None = None
    with ExitStack() as stack:
        try:
            sink = open_topic(share.plan, start, share.cluster, share.partitions, share.own_earlier, share.worker)
            stack.callback(sink.close)
            producer = Producer(share.plan, start, sink, WallClock(), share=(share.worker, share.workers))
            outcome = producer.run(Shared(instants, share.worker), report, agree)
            pipe.send((_own(outcome, share), sink.deliveries.runs))
        except SimulatorError as error:
            if producer is not None:
                report(producer.progress)
            pipe.send(error)


def _reporter(worker: int, facts: SynchronizedArray[float]) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        facts[worker * _FACTS : (worker + 1) * _FACTS] = list(astuple(progress))

    return report


def _end_with(parent: int) -> None:
    """End this process, whatever it waits for, when the one that has started it is gone: it must not send what is resumed."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def _own(outcome: Outcome, share: _Share) -> Outcome:
    """With the digest of the worker's own symbols only: it has seen nothing of the others."""
    names = [share.plan.market.symbols[place].name for place in owned(share.plan, share.worker, share.workers).tolist()]
    return replace(outcome, chains={name: outcome.chains[name] for name in names})
