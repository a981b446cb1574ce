"""The aggregation as a child process: `python -m pipelines --serve`, spoken to in JSON lines.

Nothing of `pipelines` or Spark is imported here; the plan file is all that passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import final

from simulator.spark_child import Event, SparkChild


@final
class Pipeline:
    """One Spark child. Its own log goes to `spark.log`; tables are passed to `on_table`, reports are kept in `reports`.

    Raises (all methods): UnreachableError when Spark cannot do its work or is silent for longer than `timeout` seconds.
    """

    def __init__(self, log: Path, timeout: float, on_table: Callable[[str], None]) -> None:
        self._child = SparkChild(["pipelines", "--serve"], log, timeout)
        self.on_table = on_table
        self._on_report: Callable[[Event], None] = _ignore
        self.reports: list[Event] = []

    def warm(self, plan: Path) -> None:
        """Begin to start Spark for a plan; returns at once."""
        self._child.send(command="warm", plan=str(plan.absolute()))

    def start(
        self,
        plan: Path,
        directory: Path,
        record: Path,
        options: Mapping[str, Mapping[str, str]],
        on_report: Callable[[Event], None] | None = None,
    ) -> None:
        """Run a plan and wait until it listens to its source; `on_report` is told of each micro-batch, also while it drains."""
        self.reports.clear()
        self._on_report = on_report or _ignore
        paths = {"plan": str(plan.absolute()), "directory": str(directory.absolute()), "record": str(record.absolute())}
        self._child.send(command="start", **paths, **options)
        self._await("ready")

    def drain(self, end_offsets: Mapping[str, Mapping[str, int]] | None) -> None:
        """Wait until all that is there was processed, then end the run; Spark stays warm.

        Not bounded in time while the child lives: one micro-batch may hold the whole backlog.
        """
        self._child.send(command="drain", end_offsets=end_offsets)
        while (event := self._take(None)) is None or event["event"] != "drained":
            pass

    def stop(self) -> None:
        """End the run as it stands; Spark stays warm."""
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
        event = self._child.take(seconds)
        if event is None:
            return None
        if event["event"] == "progress":
            self.reports.append(event)
            self._on_report(event)
        elif event["event"] == "table":
            self.on_table(event["text"])
        return event


def _ignore(report: Event) -> None:
    """What a run does with reports that nobody asked for."""
