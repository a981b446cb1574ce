"""The aggregation as a child process: `python -m pipelines --serve`, spoken to in JSON lines.

Nothing of `pipelines` or Spark is imported here; the plan file is all that passes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, final

from simulator.errors import UnreachableError
from simulator.spark_child import Event, SparkChild, SparkDiedError


@final
class Pipeline:
    """Spark in a child process; its own log goes to `spark.log`, tables are passed to `on_table`.

    A child that is killed while a plan runs, or its JVM, is replaced: the new one is given what the old one was, and goes on from
    the checkpoint in the run's directory. What the child itself reports as an error (a query that failed, a bad plan) is not
    tried again.

    Attributes:
        on_table: takes the text of each batch that is printed.
        restarts: how often a child may be replaced in a run.

    Raises (all methods): UnreachableError when Spark cannot do its work, is silent for longer than `timeout` seconds, or was
    killed more often than it may be; BadConfigError when it says that it was asked for something wrong.
    """

    def __init__(self, log: Path, timeout: float, on_table: Callable[[str], None], restarts: int = 0) -> None:
        self._log, self._timeout = log, timeout
        self._child = self._open()
        self.on_table, self.restarts = on_table, restarts
        self._on_report: Callable[[Event], None] = _ignore
        self._reports: dict[int, Event] = {}
        # The commands of the run that goes on: what another child would have to be told.
        self._given: list[dict[str, Any]] = []
        self._restarted = 0

    @property
    def reports(self) -> list[Event]:
        """Of the present or last run, the report of each micro-batch, in their order; those of killed children among them."""
        return [self._reports[number] for number in sorted(self._reports)]

    def warm(self, plan: Path) -> None:
        """Begin to start Spark for a plan; returns at once."""
        self._give(command="warm", plan=str(plan.absolute()))

    def start(  # the plan and its places, as the protocol names them
        self,
        plan: Path,
        directory: Path,
        record: Path,
        options: Mapping[str, Mapping[str, str]],
        on_report: Callable[[Event], None] | None = None,
        reports: Path | None = None,
    ) -> None:
        """Run a plan and wait until it listens to its source.

        A directory that has a checkpoint of this plan is gone on with.

        Args:
            plan: the file.
            directory: of the run.
            record: a folder for the rows of each micro-batch, a file each; one that is done again replaces its file.
            options: of source, output and dead letters, that only the run knows.
            on_report: is told of each micro-batch, also while it drains; not of those that earlier runs have done.
            reports: a file for the reports, written by the child as they come. What it holds of earlier children or runs in this
                directory is in `reports`, too, and the last micro-batch that they committed is done again; of one whose report
                is lost nevertheless, offsets and watermark are taken from the checkpoint, and it has the key `recovered`.
                Without a file, reports are lost with a child that is killed.
        """
        self._reports.clear()
        self._given.clear()  # Spark is warm, or never will be
        self._on_report = on_report or _ignore
        paths = {"plan": plan, "directory": directory, "record": record, "reports": reports}
        absolute = {name: None if path is None else str(path.absolute()) for name, path in paths.items()}
        self._give(command="start", **absolute, **options)
        self._await("ready")

    def drain(self, end_offsets: Mapping[str, Mapping[str, int]] | None) -> None:
        """Wait until all that is there was processed, then end the run; Spark stays warm.

        Not bounded in time while the child lives: one micro-batch may hold the whole backlog.
        """
        self._give(command="drain", end_offsets=end_offsets)
        while (event := self._take(None)) is None or event["event"] != "drained":
            pass
        self._end()

    def stop(self) -> None:
        """End the run as it stands; Spark stays warm."""
        self._end()  # a child that is killed from here on is not replaced
        self._child.send(command="stop")
        self._await("stopped")

    def look(self, seconds: float = 0.0) -> None:
        """Take in what the child has said, and what it says within some time."""
        deadline = time.monotonic() + seconds
        while self._take(max(0.0, deadline - time.monotonic())) is not None:
            pass

    def close(self) -> None:
        """End the child, Spark with it."""
        self._child.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _open(self) -> SparkChild:
        return SparkChild(["pipelines", "--serve"], self._log, self._timeout)

    def _end(self) -> None:
        self._given.clear()
        self._restarted = 0

    def _give(self, **command: object) -> None:
        self._given.append(command)
        try:
            self._child.send(**command)
        except SparkDiedError as error:
            self._replace(error)

    def _replace(self, death: SparkDiedError) -> None:
        """Have another child go on.

        Raises:
            UnreachableError: nothing runs, or that has been done often enough.
        """
        if not self._given or self.restarts == 0:
            raise death
        if self._restarted == self.restarts:
            raise UnreachableError(
                f"spark.restarts={self.restarts}: Spark was killed, and has been started again that often; see {self._log}"
            ) from None
        self._restarted += 1
        sys.stderr.write(
            f"Spark was killed; another one goes on from its checkpoint ({self._restarted} of spark.restarts={self.restarts})\n"
        )
        self._child.kill()  # the JVM with it: two must not work on one checkpoint
        self._child = self._open()
        try:
            for command in self._given:
                self._child.send(**command)
        except SparkDiedError as again:
            self._replace(again)

    def _await(self, name: str) -> None:
        deadline = self._child.deadline()
        while True:
            event = self._take(max(0.0, deadline - time.monotonic()))
            if event is None:
                raise self._child.silent(name)
            if event["event"] == name:
                return
            deadline = self._child.deadline()

    def _take(self, seconds: float | None) -> Event | None:
        try:
            event = self._child.take(seconds)
        except SparkDiedError as death:
            self._replace(death)
            return {"event": "replaced"}
        if event is None:
            return None
        if event["event"] == "progress":
            self._note(event)
        elif event["event"] == "table":
            self.on_table(event["text"])
        return event

    def _note(self, report: Event) -> None:
        is_new = report["batch_id"] not in self._reports and not report.get("recovered")
        self._reports[report["batch_id"]] = report
        if is_new:
            self._on_report(report)


def _ignore(report: Event) -> None:
    """What a run does with reports that nobody asked for."""
