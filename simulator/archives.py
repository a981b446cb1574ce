"""Makes archives of Java's class data (CDS): Kafka and Spark start in less time from them.

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
from contextlib import suppress
from pathlib import Path

from simulator.broker.embedded import DEFAULT_VERSION, EmbeddedBroker
from simulator.child import start_child
from simulator.class_data import kafka_archive, spark_archive
from simulator.errors import EXIT_UNREACHABLE, SimulatorError, UnreachableError
from simulator.java import find_java_home

_TOPIC = "archive"
_SMALL = [f"topic={_TOPIC}", "rate=1000", "duration=30", "clock=unpaced", "symbols.count=5", "hydra.run.dir=run"]
# Classes are the same whatever compiles them; this compiler takes the least time for so little work.
_QUICK = "-XX:TieredStopAtLevel=1"
_POLL_SECONDS = 0.1
_END_SECONDS = 300.0


def make_archives() -> None:
    """Run a little through Kafka and Spark, each in a JVM that archives the classes that it took.

    Raises:
        UnreachableError: There is no Java, Kafka or Spark does not run, or this Java makes no archives.
    """
    with tempfile.TemporaryDirectory(prefix="archives-") as name:
        folder = Path(name)
        kafka, spark = folder / "kafka.jsa", folder / "spark.jsa"
        with EmbeddedBroker(folder / "broker", java_options=(_QUICK, f"-XX:ArchiveClassesAtExit={kafka}")) as broker:
            external = ["broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}"]
            _python(folder, "simulator", "mode=produce", *_SMALL, *external)
            _python(folder, "pipelines.archive", str(folder / "run" / "plan.json"), str(spark), broker.bootstrap_servers)
            _end(broker)
        keep(kafka, kafka_archive(DEFAULT_VERSION))
        keep(spark, spark_archive())


def _python(folder: Path, *words: str) -> None:
    options = f"{os.environ.get('SPARK_SUBMIT_OPTS', '')} {_QUICK}"
    environment = {**os.environ, "JAVA_HOME": str(find_java_home()), "SPARK_SUBMIT_OPTS": options}
    # A child, so that whatever happens here nothing is left running.
    with (folder / f"{words[0]}.log").open("w+b") as log:
        with start_child([sys.executable, "-m", *words], stdout=log, cwd=folder, env=environment) as child:
            try:
                code = child.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                raise UnreachableError(f"{words[0]} did not end within {_END_SECONDS:g} s") from None
        log.seek(0)
        lines = log.read().decode(errors="replace").split("\n")
    if code != 0:
        raise UnreachableError(next((line.strip() for line in reversed(lines) if line.strip()), f"{words[0]} failed"))


def _end(broker: EmbeddedBroker) -> None:
    """Let the broker end by itself: it writes its archive then, which takes longer than a stop may."""
    if broker.process_id is not None:
        with suppress(ProcessLookupError):
            os.kill(broker.process_id, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while broker.alive:
        if time.monotonic() > deadline:
            raise UnreachableError(f"the broker did not end within {_END_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)


def keep(made: Path, archive: Path) -> None:
    """Put an archive in its place, and remove what was made of the same Java and jars before they were changed.

    Whole or not at all: another process may be starting with the old one.
    """
    if not made.exists():
        raise UnreachableError(f"the Java in {find_java_home()} makes no archives of class data")
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        shutil.copyfile(made, part)
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)
    for older in archive.parent.glob(f"{archive.stem.rpartition('-')[0]}-*.jsa"):
        if older != archive:
            older.unlink(missing_ok=True)


def _main() -> int:
    try:
        make_archives()
    except (SimulatorError, OSError) as error:
        sys.stderr.write(f"no archives of class data, so Kafka and Spark start more slowly: {error}\n")
        return EXIT_UNREACHABLE
    return 0


if __name__ == "__main__":
    sys.exit(_main())
