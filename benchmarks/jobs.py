"""Aggregations as whole processes, with the reports of their micro-batches: the seed's job and ours."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

from benchmarks.measure import plan_of
from simulator.java import find_java_home
from simulator.pipeline import Pipeline
from simulator.plan import write_plan

PEERS = Path(__file__).parent / "peers"

_POLL_SECONDS = 0.05
_TIMEOUT_SECONDS = 600.0


@final
@dataclass(frozen=True)
class Batch:
    """What a job tells of a micro-batch: records read, and Spark's `triggerExecution` in seconds."""

    rows: int
    seconds: float


class Job(ABC):
    """A process that aggregates a topic; a context, at whose end the process has ended too."""

    @abstractmethod
    def __enter__(self) -> Job:
        """Start the process."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """End it."""

    @abstractmethod
    def batches(self) -> list[Batch]:
        """The micro-batches that had records, up to now."""

    def until(self, *, rows: int = 0, batches: int = 0, seconds: float = 0.0) -> list[Batch]:
        """Wait for at least so many records, micro-batches and seconds; give the micro-batches."""
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < _TIMEOUT_SECONDS:
            done = self.batches()
            if sum(batch.rows for batch in done) >= rows and len(done) >= batches and waited >= seconds:
                return done
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{type(self).__name__}: not done after {_TIMEOUT_SECONDS:g} s")


@final
class SeedJob(Job):
    """`peers/seed_job.py`."""

    def __init__(self, servers: str, topic: str, offsets: str) -> None:
        self._arguments = [servers, topic, offsets]
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._batches: list[Batch] = []

    def __enter__(self) -> SeedJob:
        self._process = subprocess.Popen(
            [sys.executable, str(PEERS / "seed_job.py"), *self._arguments],
            env={**os.environ, "JAVA_HOME": str(find_java_home())},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # its JVM ends with it
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  # asked for with PIPE
        for line in self._process.stdout:
            if line.startswith("{"):
                self._lines.put(line)

    def batches(self) -> list[Batch]:
        """As it has printed them."""
        while not self._lines.empty():
            report = json.loads(self._lines.get())
            if report["numInputRows"]:
                self._batches.append(Batch(report["numInputRows"], report["durationMs"]["triggerExecution"] / 1000))
        return self._batches


@final
class OurJob(Job):
    """The generated plan in a child process `python -m pipelines --serve`, as the simulator runs it."""

    def __init__(self, servers: str, topic: str, offsets: str, *overrides: str) -> None:
        self._plan = plan_of(f"topic={topic}", f"spark.starting_offsets={offsets}", *overrides)
        self._servers = servers

    def __enter__(self) -> OurJob:
        self._folder = TemporaryDirectory(prefix="ours-")
        folder = Path(self._folder.name)
        write_plan(self._plan, folder / "plan.json")
        self._pipeline = Pipeline(folder / "spark.log", _TIMEOUT_SECONDS, lambda _: None)
        self._pipeline.warm(folder / "plan.json")
        address = {"kafka.bootstrap.servers": self._servers}
        self._pipeline.start(folder / "plan.json", folder, folder / "batches", {"source_options": address})
        return self

    def __exit__(self, *_: object) -> None:
        self._pipeline.close()
        self._folder.cleanup()

    def batches(self) -> list[Batch]:
        """As it has reported them."""
        self._pipeline.look()
        reports = [report for report in self._pipeline.reports if report["rows"]]
        return [Batch(report["rows"], report["duration_ms"]["triggerExecution"] / 1000) for report in reports]
