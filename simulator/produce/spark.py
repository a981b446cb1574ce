"""The producer on Spark: a child process runs the job that generates and sends (`pipelines.generation`)."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import final

from simulator.broker.cluster import Cluster
from simulator.broker.topics import end_offsets
from simulator.errors import DeliveryError, SimulatorError
from simulator.offsets import Runs
from simulator.plan import Plan
from simulator.produce.lag import LagHistogram
from simulator.produce.producer import Outcome, Progress
from simulator.produce.production import Production, Report
from simulator.produce.signals import StopRequest
from simulator.produce.spark_job import SparkJob, kafka_options, links_to_spark
from simulator.spark_child import Event, SparkChild

_LOOK = 0.05
"""Seconds between two looks at the child."""


@final
class SparkProduction(Production):
    """Tasks of a Spark job make the records and send them; a partition has one that writes to it.

    A micro-batch is acknowledged as a whole. In the end each partition must have gained exactly the records that were made for
    it: a task that is run again after it has sent some sends them twice.

    Args:
        plan: of the run.
        cluster: where the brokers are, and how to connect.
        job: how Spark runs it.
        log: file for what Spark says.
    """

    def __init__(self, plan: Plan, cluster: Cluster, job: SparkJob, log: Path) -> None:
        self._plan, self._cluster, self._job, self._log = plan, cluster, job, log
        self._topic = plan.sink.topic or ""
        self._stack = ExitStack()
        self._progress = Progress()
        self._deliveries: dict[str, Runs] = {}

    def __enter__(self) -> SparkProduction:
        """Start Spark."""
        with self._stack as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="generation-")))
            home = links_to_spark(self._folder / "spark") if self._job.has_processes else None
            environment = self._job.environment(home)
            self._child = SparkChild(["pipelines.generation"], self._log, self._job.timeout, environment)
            stack.callback(self._child.close)
            self._child.send(command="warm", properties=dict(self._job.properties))
            self._await("warm")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, start: int, stop: StopRequest, report: Report) -> Outcome:  # noqa: D102  # inherited
        before = end_offsets(self._cluster, self._topic)
        try:
            self._send_start(start)
            done = self._await_done(stop, report)
        except SimulatorError:
            self._count(before)
            raise
        made: Counter[int] = Counter()
        for _, partition, records, _ in done["symbols"]:
            made[partition] += records
        self._deliveries = self._delivered(before, made)
        self._child.send(command="forget")
        self._await("forgotten")
        chains = {name: chain for name, _, _, chain in done["symbols"]}
        return Outcome(self._progress, chains, LagHistogram(), done["stopped"])

    def _send_start(self, start: int) -> None:
        state = self._job.state or str(self._folder / "states")
        options = self._job.source(self._plan, start, state, self._folder / "stop")
        checkpoint = (self._folder / "checkpoint").as_uri()  # the driver's machine, whatever the cluster's file system
        self._child.send(command="start", options=options, kafka=kafka_options(self._plan, self._cluster), checkpoint=checkpoint)

    def _await_done(self, stop: StopRequest, report: Report) -> Event:
        is_told = False
        while True:
            event = self._child.take(_LOOK)
            if event is not None and event["event"] in {"progress", "done"}:
                self._note(event)
            report(self._progress)
            if event is not None and event["event"] == "done":
                return event
            if stop.requested and not is_told:
                self._child.send(command="stop")
                is_told = True

    def _await(self, name: str) -> None:
        while (event := self._child.take(self._job.timeout)) is None or event["event"] != name:
            if event is None:
                raise self._child.silent(name)

    def _note(self, event: Event) -> None:
        records, elapsed = event["records"], event["elapsed"]
        time_done, speed = event["instant"] / 1e9, self._plan.clock.speed
        if event["event"] == "done" and self._plan.duration is not None and not event["stopped"]:
            time_done = min(time_done, self._plan.duration / 1e6)
        lag = 0.0 if speed is None else max(0.0, elapsed - event["instant"] / 1e9 / speed)
        largest = max(lag, self._progress.largest_lag)
        self._progress = Progress(records, records, 0, 0, time_done, elapsed, lag, largest)

    def _delivered(self, before: dict[int, int], made: Counter[int]) -> dict[str, Runs]:
        """Where the records are.

        Raises:
            DeliveryError: a partition has gained others than were made.
        """
        after = end_offsets(self._cluster, self._topic)
        for partition, begin in before.items():
            if after[partition] - begin != made[partition]:
                raise DeliveryError(
                    f"topic {self._topic}: partition {partition} has gained {after[partition] - begin:,} records, not the"
                    f" {made[partition]:,} that were made; a task was run again, or somebody else has written to it"
                )
        return {str(partition): [[begin, made[partition]]] for partition, begin in before.items() if made[partition]}

    def _count(self, before: dict[int, int]) -> None:
        """After a failure: of the micro-batch that was under way, the topic alone knows what has arrived."""
        with suppress(SimulatorError):  # the broker may be what has failed
            gained = sum(end_offsets(self._cluster, self._topic).values()) - sum(before.values())
            self._progress = replace(self._progress, generated=max(gained, self._progress.generated), acked=gained)

    @property
    def progress(self) -> Progress:  # noqa: D102  # inherited
        return self._progress

    @property
    def deliveries(self) -> dict[str, Runs]:  # noqa: D102  # inherited
        return self._deliveries
