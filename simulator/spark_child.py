"""A child process with Spark in it, spoken to in JSON lines. Nothing of `pipelines` or Spark is imported here."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, final

from simulator.child import start_child
from simulator.class_data import spark_environment
from simulator.errors import EXIT_BAD_CONFIG, EXIT_UNREACHABLE, BadConfigError, UnreachableError
from simulator.java import find_java_home

Event = dict[str, Any]

_END_SECONDS = 5.0
# A shell's exit codes of what a signal has ended begin after this.
_SIGNALLED = 128


class SparkDiedError(UnreachableError):
    """The child or its JVM was killed, or ended without a word: another one may do better. Nothing that it has reported."""


@final
class SparkChild:
    """`python -m …` in a process of its own. What it and Spark say beside the JSON lines goes to a log.

    Args:
        arguments: what to run, after `python -m`.
        log: the file.
        timeout: seconds of silence after which Spark counts as unreachable, where an answer is waited for.
        environment: variables beside this process's own.
    """

    def __init__(self, arguments: list[str], log: Path, timeout: float, environment: Mapping[str, str] | None = None) -> None:
        self._log_path = log
        self._log = log.open("ab")  # after what a child before this one has said
        self._timeout = timeout
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        own = {"JAVA_HOME": str(find_java_home()), "PYTHONUNBUFFERED": "1"}
        self._child = start_child(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **spark_environment(), **own, **(environment or {})},
        )
        threading.Thread(target=self._read, args=(self._child.stdout,), daemon=True).start()

    def send(self, **command: object) -> None:
        """Give a command.

        Raises:
            SparkDiedError: the child is gone.
        """
        try:
            assert self._child.stdin is not None  # noqa: S101  # asked for with PIPE
            self._child.stdin.write(json.dumps(command) + "\n")
        except (OSError, ValueError):
            raise SparkDiedError(self._ended()) from None

    def take(self, seconds: float | None) -> Event | None:
        """The next thing that the child says, within some time; None: nothing. Without a time, waits for it.

        Raises:
            BadConfigError: it says that something of the configuration is wrong.
            UnreachableError: it says that something failed, or has ended by itself.
            SparkDiedError: it or its JVM was killed.
        """
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return None
        if event["event"] == "error":
            raise _kind(event)(" ".join(event["message"].split()))
        return event

    def silent(self, awaited: str) -> UnreachableError:
        """What to raise when the child has been silent for too long."""
        return UnreachableError(
            f"spark.timeout={self._timeout:g}: Spark gave no sign for so many seconds while waiting for"
            f" {awaited!r}; see {self._log_path}"
        )

    def deadline(self) -> float:
        """When it will have been silent for too long, by the monotonic clock."""
        return time.monotonic() + self._timeout

    def kill(self) -> None:
        """End the child at once, Spark with it: where the JVM is gone there is nothing to be tidied up, only time to be lost."""
        if self._child.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """End the child, Spark with it."""
        self._child.stop()
        self._log.close()

    def _read(self, lines: IO[str] | None) -> None:
        for line in lines or ():
            with suppress(ValueError):  # half a line, at which the child was killed
                self._events.put(json.loads(line))
        try:
            was_killed = not 0 <= self._child.wait(_END_SECONDS) < _SIGNALLED
        except subprocess.TimeoutExpired:
            was_killed = False
        self._events.put({"event": "error", "message": self._ended(), "exit_code": EXIT_UNREACHABLE, "died": was_killed})

    def _ended(self) -> str:
        return f"Spark ended by itself; see {self._log_path}"


def _kind(error: Event) -> type[BadConfigError | UnreachableError]:
    if error.get("died") or error.get("java_ended"):
        return SparkDiedError
    return BadConfigError if error["exit_code"] == EXIT_BAD_CONFIG else UnreachableError
