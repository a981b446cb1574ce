"""Makes archives of Java's class data (CDS): they take a third off the start of Kafka and of Spark.

`python -m simulator.archives`, once after an installation. A JVM passes over an archive that does not fit it, so nothing
depends on them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simulator.broker.embedded import DEFAULT_VERSION, EmbeddedBroker
from simulator.class_data import kafka_archive, spark_archive
from simulator.errors import SimulatorError, UnreachableError
from simulator.java import find_java_home

_TOPIC = "archive"
_SMALL = [f"topic={_TOPIC}", "rate=1000", "duration=30", "clock=unpaced", "symbols.count=5", "hydra.run.dir=run"]
# Classes are the same whatever compiles them and collects garbage; these take the least time for so little work.
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_POLL_SECONDS = 0.1
_END_SECONDS = 120.0


def make_archives() -> None:
    """Run a little through Kafka and Spark, each in a JVM that archives the classes that it took.

    Raises:
        UnreachableError: There is no Java, Kafka or Spark does not run, or this Java makes no archives.
    """
    with tempfile.TemporaryDirectory(prefix="archives-") as name:
        folder = Path(name)
        kafka, spark = folder / "kafka.jsa", folder / "spark.jsa"
        with EmbeddedBroker(folder / "broker", java_options=(*_QUICK, f"-XX:ArchiveClassesAtExit={kafka}")) as broker:
            external = ["broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}"]
            _python(folder, "simulator", "mode=produce", *_SMALL, *external)
            _python(folder, "pipelines.archive", str(folder / "run" / "plan.json"), str(spark), broker.bootstrap_servers)
            _end(broker)
        _keep(kafka, kafka_archive(DEFAULT_VERSION))
        _keep(spark, spark_archive())


def _python(folder: Path, *words: str) -> None:
    environment = {**os.environ, "JAVA_HOME": str(find_java_home()), "SPARK_SUBMIT_OPTS": " ".join(_QUICK)}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnreachableError(" ".join((done.stderr or done.stdout).split()))


def _end(broker: EmbeddedBroker) -> None:
    """Let the broker end by itself: it writes its archive then, which takes longer than a stop may."""
    if broker.process_id is not None:
        os.kill(broker.process_id, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while broker.alive and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _keep(made: Path, archive: Path) -> None:
    """Put an archive in its place, whole or not at all: another process may be starting with the old one."""
    if not made.exists():
        raise UnreachableError(f"the Java in {find_java_home()} makes no archives of class data")
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_name(f".{archive.name}.{os.getpid()}")
    shutil.copyfile(made, part)
    part.replace(archive)


def _main() -> int:
    try:
        make_archives()
    except SimulatorError as error:
        sys.stderr.write(f"no archives of class data, so Kafka and Spark start more slowly: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main())
