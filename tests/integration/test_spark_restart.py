"""Spark is killed in the middle of a run, really: another one goes on, and the results equal the answers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from pipelines.checkpoint import Checkpoint
from simulator.answers.judge import judge
from simulator.broker.topics import ensure_topic
from simulator.plan import read_plan
from simulator.rundir import RunDirectory, read_json, read_lines, write_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.integration

# Some ten micro-batches, however slow the machine: a kill after the third is in the middle.
SMALL = ["symbols.count=5", "rate=300", "duration=10", "spark.max_offsets_per_trigger=300"]
FAULTS = "faults=[late,duplicate,corrupt]"
PATIENCE_SECONDS = 200.0


@dataclass
class Simulator:
    """The program in a folder of its own, with its Spark beside it."""

    folder: Path
    name: str = "run"
    process: subprocess.Popen[str] | None = field(default=None, init=False)

    @property
    def directory(self) -> RunDirectory:
        """Of the run."""
        return RunDirectory(self.folder / self.name)

    def start(self, *overrides: str) -> None:
        """Start it."""
        command = [sys.executable, "-m", "simulator", f"hydra.run.dir={self.name}", *SMALL, *overrides]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self) -> tuple[int, str]:
        """Wait for its end; gives the exit code and what it said on stderr."""
        assert self.process is not None
        _, said = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, said

    def driver(self) -> int | None:
        """Process id of Spark's Python driver; None while there is none."""
        return _found(lambda command: "pipelines" in command and "--serve" in command and "-I" not in command, self._tree())

    def java(self) -> int | None:
        """Process id of Spark's JVM; None while there is none."""
        return _found(lambda command: "org.apache.spark.deploy.SparkSubmit" in command, self._tree())

    def batches(self) -> int:
        """Micro-batches that Spark has committed."""
        commits = self.directory.checkpoint / "commits"
        return max((int(path.name) + 1 for path in commits.glob("[0-9]*")), default=0)

    def until(self, what: Callable[[], int | bool | None]) -> int | bool:
        """Wait for something while the program runs; gives it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := what()):
            assert time.monotonic() < deadline, "in vain"
            assert self.process is not None
            assert self.process.poll() is None, self.finish()
            time.sleep(0.01)
        return found

    def kill(self, whom: Callable[[], int | None]) -> None:
        """SIGKILL a process and see it gone."""
        pid = int(self.until(whom))
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: whom() != pid)

    def _tree(self) -> dict[int, list[str]]:
        """All that the program has started, directly or not: process id to command line."""
        assert self.process is not None
        parents = {pid: parent for pid, parent in _parents() if parent}
        tree, fresh = {}, {self.process.pid}
        while fresh:
            fresh = {pid for pid, parent in parents.items() if parent in fresh}
            tree |= {pid: _command(pid) for pid in fresh}
        return tree


def _parents() -> Iterator[tuple[int, int]]:
    table = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout  # noqa: S607  # ps is where POSIX has it
    for line in table.splitlines()[1:]:
        pid, parent = line.split()
        yield int(pid), int(parent)


def _command(pid: int) -> list[str]:
    done = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607  # as above
    return done.stdout.split()


def _found(is_it: Callable[[list[str]], bool], tree: dict[int, list[str]]) -> int | None:
    return next((pid for pid, command in tree.items() if is_it(command)), None)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    program = Simulator(tmp_path)
    yield program
    if program.process is not None and program.process.poll() is None:
        program.process.kill()
        program.process.wait()


def check_exact(simulator: Simulator, said: str, restarts: int) -> dict[str, Any]:
    """The verdict of a run that must have matched; every micro-batch has its report once."""
    verdict = read_json(simulator.directory.verdict)
    assert verdict["status"] == "match", verdict
    assert verdict["windows"]["expected"] == verdict["windows"]["matched"] > 0
    assert said.count("Spark was killed; another one goes on from its checkpoint") == restarts
    assert "Traceback" not in said
    reports = read_lines(simulator.directory.microbatches)
    assert [report["batch_id"] for report in reports] == list(range(len(reports)))
    audit = verdict["audit"]
    assert audit["generated"] == audit["acked"] == audit["in_topic"]
    if not any(report.get("recovered") for report in reports):
        assert audit["read"] == audit["generated"]
    return verdict


@pytest.mark.parametrize(
    ("victim", "overrides"),
    [
        ("java", [FAULTS, "window.deduplicate=true", "window.watermark=0.5"]),
        pytest.param("driver", [], marks=pytest.mark.chaos),
        pytest.param("driver", [FAULTS, "output=parquet", "output.mode=append", "window.watermark=1"], marks=pytest.mark.chaos),
    ],
    ids=["java-faults", "driver-clean", "driver-append"],
)
def test_a_spark_that_is_killed_while_it_runs_is_replaced(simulator: Simulator, victim: str, overrides: list[str]) -> None:
    simulator.start(*overrides)
    simulator.until(lambda: simulator.batches() >= 3)
    simulator.kill(getattr(simulator, victim))
    code, said = simulator.finish()
    assert code == 0, said
    verdict = check_exact(simulator, said, restarts=1)
    if FAULTS in overrides:
        assert verdict["audit"]["rejected"] > 0
        if "window.deduplicate=true" in overrides:  # else what is late for its window depends on the hour, too
            assert verdict["audit"]["late_dropped"] > 0
        check_recovery(simulator.directory, verdict["audit"])


def check_recovery(directory: RunDirectory, audit: dict[str, int]) -> None:
    """The checkpoint knows what a report that was lost would have said of offsets and watermark; the counts follow from that."""
    reports = read_lines(directory.microbatches)
    known = max(reports, key=lambda report: report["rows"])
    recovered = Checkpoint(directory.checkpoint).report(known["batch_id"])
    assert recovered["watermark"] == known["watermark"]
    for key in ("start_offset", "end_offset"):
        assert [source[key] for source in recovered["sources"]] == [source[key] for source in known["sources"]]
    write_lines([recovered if report is known else report for report in reports], directory.microbatches)
    judgement = judge(read_plan(directory.plan), directory, read_json(directory.manifest), audit["in_topic"])
    assert judgement.faults == []
    assert judgement.audit == audit


@pytest.mark.chaos
def test_a_spark_may_be_killed_while_it_starts_and_while_it_drains(simulator: Simulator) -> None:
    simulator.start(FAULTS, "clock=unpaced")
    simulator.kill(simulator.java)
    simulator.until(lambda: read_manifest(simulator).get("status") == "complete" and simulator.batches() >= 3)
    simulator.kill(simulator.driver)
    done = simulator.batches()
    simulator.until(lambda: simulator.batches() > done + 2)
    simulator.kill(simulator.java)
    code, said = simulator.finish()
    assert code == 0, said
    check_exact(simulator, said, restarts=3)


def read_manifest(simulator: Simulator) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content: dict[str, Any] = json.loads(simulator.directory.manifest.read_text(encoding="utf-8"))
        return content
    return {}


@pytest.mark.chaos
def test_a_spark_that_is_killed_more_often_than_allowed_ends_the_run(simulator: Simulator) -> None:
    simulator.start("spark.restarts=1")
    for most in (3, 5):
        simulator.until(lambda most=most: simulator.batches() >= most)
        simulator.kill(simulator.java)
    code, said = simulator.finish()
    assert code == 3
    told = [line for line in said.splitlines() if line.startswith("error: ")]
    assert told == [
        f"error: spark.restarts=1: Spark was killed, and has been started again that often; see {simulator.directory.spark_log}"
    ]
    assert "Traceback" not in said


def test_an_earlier_run_is_not_gone_on_with_unasked(simulator: Simulator) -> None:
    simulator.start("duration=1")
    assert simulator.finish()[0] == 0
    before = {path: path.read_bytes() for path in simulator.directory.path.iterdir() if path.suffix == ".json"}
    simulator.start("duration=2")
    code, said = simulator.finish()
    assert code == 2
    assert said.splitlines() == [
        "error: hydra.run.dir=run: holds an earlier run (manifest.json, checkpoint); take another folder or remove it"
    ]
    assert {path: path.read_bytes() for path in before} == before


def stopped_while_planning_its_first_batch(checkpoint: Path) -> None:
    """A checkpoint as Spark leaves it then: no batch is planned, and the half of a plan lies there."""
    for log in ("offsets", "commits"):
        shutil.rmtree(checkpoint / log, ignore_errors=True)
        (checkpoint / log).mkdir()
    (checkpoint / "offsets" / ".0.790a88fd-074c-4082-a357-f20c4df960d1.tmp").touch()


def test_alone_spark_goes_on_with_its_plan_and_with_no_other(simulator: Simulator, broker: EmbeddedBroker) -> None:
    external = ["mode=aggregate", "broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}", "topic=aggregated"]
    ensure_topic(broker.cluster, "aggregated", 4, 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})

    def send_and_stop(batches: int) -> None:
        producer.produce("aggregated", b"not an event")
        assert producer.flush(20) == 0
        simulator.until(lambda: simulator.batches() >= batches)
        assert simulator.process is not None
        simulator.process.send_signal(signal.SIGINT)
        code, said = simulator.finish()
        assert code == 0, said

    simulator.start(*external)
    simulator.until(lambda: simulator.batches() >= 1)
    send_and_stop(2)
    plan = simulator.directory.plan.read_bytes()
    simulator.start(*external, "window.size=20", "spark.shuffle_partitions=3")
    code, said = simulator.finish()
    assert code == 2
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: checkpoint {simulator.directory.checkpoint}: was made with another plan: ")
    assert "aggregation.spark.spark.sql.shuffle.partitions=2, now 3; " in line
    assert "aggregation.views.windows.sql" in line
    assert simulator.directory.plan.read_bytes() == plan
    before = simulator.batches()
    stopped_while_planning_its_first_batch(simulator.directory.path / "checkpoint-dead-letters")
    simulator.start(*external)
    send_and_stop(before + 1)
