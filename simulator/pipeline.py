"""The aggregation as a child process: `python -m pipelines --serve`, spoken to in JSON lines.

Nothing of `pipelines` or Spark is imported here; the plan file is all that passes.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, final

from simulator.child import start_child
from simulator.errors import EXIT_BAD_CONFIG, BadConfigError, UnreachableError
from simulator.java import find_java_home

Event = dict[str, Any]


@final
class Pipeline:
    """One Spark child. Its own log goes to `spark.log`; tables are passed to `on_table`, reports are kept in `reports`.

    Raises (all methods): UnreachableError when Spark cannot do its work or is silent for longer than `timeout` seconds.
    """

    def __init__(self, log: Path, timeout: float, on_table: Callable[[str], None]) -> None:
        self._log_path = log
        self._log = log.open("wb")
        self._timeout = timeout
        self._on_table = on_table
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.reports: list[Event] = []
        environment = {**os.environ, "JAVA_HOME": str(find_java_home()), "PYTHONUNBUFFERED": "1"}
        self._child = start_child(
            [sys.executable, "-m", "pipelines", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
        )
        threading.Thread(target=self._read, args=(self._child.stdout,), daemon=True).start()

    def warm(self, plan: Path) -> None:
        """Begin to start Spark for a plan; returns at once."""
        self._send(command="warm", plan=str(plan.absolute()))

    def start(self, plan: Path, directory: Path, record: Path, options: Mapping[str, Mapping[str, str]]) -> None:
        """Run a plan and wait until it listens to its source."""
        self.reports.clear()
        paths = {"plan": str(plan.absolute()), "directory": str(directory.absolute()), "record": str(record.absolute())}
        self._send(command="start", **paths, **options)
        self._await("ready")

    def drain(self, end_offsets: Mapping[str, Mapping[str, int]] | None) -> None:
        """Wait until all that is there was processed, then end the run; Spark stays warm.

        Not bounded in time while the child lives: one micro-batch may hold the whole backlog.
        """
        self._send(command="drain", end_offsets=end_offsets)
        while (event := self._take(None)) is None or event["event"] != "drained":
            pass

    def stop(self) -> None:
        """End the run as it stands; Spark stays warm."""
        self._send(command="stop")
        self._await("stopped")

    def look(self, seconds: float = 0.0) -> None:
        """Take in what the child has said, and what it says within some time."""
        deadline = time.monotonic() + seconds
        while self._take(max(0.0, deadline - time.monotonic())) is not None:
            pass

    def close(self) -> None:
        """End the child, Spark with it."""
        self._child.stop()
        self._log.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _read(self, lines: IO[str] | None) -> None:
        for line in lines or ():
            self._events.put(json.loads(line))
        self._events.put({"event": "error", "message": f"Spark ended by itself; see {self._log_path}", "exit_code": 3})

    def _send(self, **command: object) -> None:
        try:
            assert self._child.stdin is not None  # noqa: S101  # asked for with PIPE
            self._child.stdin.write(json.dumps(command) + "\n")
        except (OSError, ValueError):
            raise UnreachableError(f"Spark ended by itself; see {self._log_path}") from None

    def _await(self, name: str) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            event = self._take(max(0.0, deadline - time.monotonic()))
            if event is None:
                raise UnreachableError(
                    f"spark.timeout={self._timeout:g}: Spark gave no sign for so many seconds while waiting for"
                    f" {name!r}; see {self._log_path}"
                )
            if event["event"] == name:
                return
            deadline = time.monotonic() + self._timeout

    def _take(self, seconds: float | None) -> Event | None:
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return None
        if event["event"] == "error":
            kind = BadConfigError if event["exit_code"] == EXIT_BAD_CONFIG else UnreachableError
            raise kind(" ".join(event["message"].split()))
        if event["event"] == "progress":
            self.reports.append(event)
        elif event["event"] == "table":
            self._on_table(event["text"])
        return event
