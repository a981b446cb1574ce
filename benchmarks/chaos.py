"""Parts are killed while a market runs: what was lost, what came twice, and what the verdict says.

`python -m benchmarks.chaos [name …]`, or `make chaos`. After each case the topic itself is read and held against the stream made
anew, record by record. Results: `benchmarks/results/chaos.json`. Exit 1 when a record was lost or doubled, or a verdict is wrong.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from confluent_kafka import Consumer, KafkaError, TopicPartition
from rich.console import Console
from rich.table import Table

from benchmarks.measure import keep
from benchmarks.processes import descendants
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import end_offsets, ensure_topic
from simulator.encode.payload import Payloads
from simulator.faults.stream import records_of
from simulator.plan import read_plan

RATE = 20_000
TOPIC = "ticks"
FAULTS = "faults=[late,disorder,duplicate,corrupt]"
_PATIENCE = 240.0
_DOWN = 1.0
"""Seconds that a broker is away."""

Record = tuple[bytes | None, bytes | None]


@final
@dataclass(frozen=True)
class Row:
    """What became of one case.

    Attributes:
        fault: what was done.
        times: how often.
        events: records that the run says have arrived.
        lost: of those, how many are not in the topic.
        duplicated: records of the run that the topic holds too often.
        ended: exit code and status.
        right: whether this is how it must end.
    """

    fault: str
    times: int
    events: int
    lost: int
    duplicated: int
    ended: str
    right: bool


@final
class Place:
    """A folder with a broker that outlives its own deaths: it comes back at the same port, with the same data."""

    def __init__(self, folder: Path, broker: EmbeddedBroker) -> None:
        self.folder, self.broker = folder, broker
        self.run = folder / "run"

    def start(self, *overrides: str) -> subprocess.Popen[bytes]:
        """A run of the command line in this place; what it says goes to a file."""
        address = ["broker=external", f"broker.bootstrap_servers={self.broker.bootstrap_servers}", f"topic={TOPIC}"]
        words = [*address, f"hydra.run.dir={self.run}", "reproducer.attempts=0", f"rate={RATE}", *overrides]
        return self._launch(words)

    def resume(self) -> subprocess.Popen[bytes]:
        """The run goes on."""
        return self._launch([f"resume={self.run}"])

    def _launch(self, words: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "said.log").open("ab") as said:
            return subprocess.Popen([sys.executable, "-m", "simulator", *words], stdout=said, stderr=said)

    def await_records(self, count: int) -> int:
        """Wait until the topic has had so many; gives how many it has."""
        deadline = time.monotonic() + _PATIENCE
        while (held := sum(end_offsets(self.broker.cluster, TOPIC).values())) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the topic holds {held} records and not {count}")
            time.sleep(0.05)
        return held

    def kill_broker(self) -> None:
        """SIGKILL."""
        os.kill(self.broker.process_id or 0, signal.SIGKILL)
        self.broker.stop()

    def status(self, name: str) -> dict[str, Any]:
        """A JSON file of the run; empty when it is not there."""
        path = self.run / name
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return content

    def row(self, fault: str, times: int, process: subprocess.Popen[bytes], code: int, status: str) -> Row:
        """The end of the case."""
        process.wait(_PATIENCE)
        manifest, verdict = self.status("manifest.json"), self.status("verdict.json")
        ended = verdict.get("status") or manifest.get("status")
        acked = manifest["counts"]["acked"]
        expected, found = self._expected(manifest), self._found()
        own = {partition: rows[: len(found.get(partition, []))] for partition, rows in expected.items()}
        missing = sum(sum((Counter(rows) - Counter(found.get(partition, []))).values()) for partition, rows in own.items())
        arrived = sum(map(len, found.values()))
        lost = max(0, acked - arrived) + missing
        twice = sum(sum((Counter(rows) - Counter(own.get(partition, []))).values()) for partition, rows in found.items())
        right = process.returncode == code and ended == status and lost == twice == 0
        return Row(fault, times, acked, lost, twice, f"exit {process.returncode}, {ended}", right)

    def _expected(self, manifest: dict[str, Any]) -> dict[int, list[Record]]:
        """The stream, made anew: by partition, in the order of sending."""
        from simulator.partitioning import partition_of  # noqa: PLC0415  # where it is used

        plan, start = read_plan(self.run / "plan.json"), manifest["start"]
        payloads = Payloads(plan, start)
        names = [symbol.name for symbol in plan.market.symbols]
        partitions = [partition_of(name, manifest["partitions"]) for name in names]
        rows: dict[int, list[Record]] = {partition: [] for partition in range(manifest["partitions"])}
        for block in records_of(plan, start):
            records = block.present
            for symbol, value in zip(records.events.symbol.tolist(), payloads.of(records), strict=True):
                rows[partitions[symbol]].append((names[symbol].encode(), value))
        return rows

    def _found(self) -> dict[int, list[Record]]:
        """What a reader of committed records gets."""
        address = {"bootstrap.servers": self.broker.bootstrap_servers, "group.id": "chaos", "enable.auto.commit": False}
        consumer = Consumer({**address, "isolation.level": "read_committed", "enable.partition.eof": True})
        pending = set(end_offsets(self.broker.cluster, TOPIC))
        rows: dict[int, list[Record]] = {partition: [] for partition in pending}
        consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in pending])
        while pending:
            for message in consumer.consume(10_000, 0.5):
                error = message.error()
                if error is None:
                    rows[message.partition() or 0].append((message.key(), message.value()))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # its only name
                    pending.discard(message.partition() or 0)
        consumer.close()
        return rows


@contextmanager
def place() -> Iterator[Place]:
    """A place for one case, gone with it."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        with EmbeddedBroker(folder / "first") as found:
            port = int(found.bootstrap_servers.rsplit(":", 1)[1])
        with EmbeddedBroker(folder / "broker", port=port, keep=True, heap_megabytes=1024) as broker:
            ensure_topic(broker.cluster, TOPIC, 4, 1)
            yield Place(folder, broker)


def broker_killed(times: int = 3) -> Row:
    """The broker, killed and started again under a whole run."""
    with place() as here:
        process, held = here.start("duration=20", "window.watermark=30"), 0
        for _ in range(times):
            held = here.await_records(held + 3 * RATE)
            here.kill_broker()
            time.sleep(_DOWN)
            here.broker.start()
        return here.row("broker killed and started again", times, process, 0, "match")


def broker_gone() -> Row:
    """The broker, killed for good under a producer; it is looked into afterwards."""
    with place() as here:
        process = here.start("mode=produce", "duration=120", "sink.delivery_timeout=10")
        here.await_records(3 * RATE)
        here.kill_broker()
        process.wait(_PATIENCE)
        here.broker.start()
        return here.row("broker gone for good", 1, process, 3, "failed")


def _killed_with(words: str, fault: str, times: int, *overrides: str) -> Row:
    """Kill a process that the run has started, whose command line holds some words."""
    with place() as here:
        process, held = here.start("duration=25", "output=parquet", *overrides), 0
        for _ in range(times):
            held = here.await_records(held + 5 * RATE)
            found = [child for child, line in descendants(process.pid).items() if words in line and "child.py" not in line]
            for child in found:
                os.kill(child, signal.SIGKILL)
        return here.row(fault, times, process, 0, "match")


def spark_killed() -> Row:
    """Spark's Java process, under a whole run."""
    return _killed_with("org.apache.spark.deploy.SparkSubmit", "Spark's JVM killed", 2)


def driver_killed() -> Row:
    """The Python process that drives Spark, under a whole run with faults."""
    return _killed_with("-m pipelines", "Spark's Python driver killed, with faults", 2, FAULTS)


def _producer_killed(fault: str, *overrides: str) -> Row:
    with place() as here:
        process, held, times = here.start("mode=produce", "duration=20", *overrides), 0, 3
        for _ in range(times):
            held = here.await_records(held + 3 * RATE)
            process.kill()
            process.wait()
            process = here.resume()
        return here.row(fault, times, process, 0, "complete")


def producer_killed() -> Row:
    """The producer, killed and resumed."""
    return _producer_killed("producer killed and resumed")


def workers_killed() -> Row:
    """Two workers with faults, killed with their parent and resumed."""
    return _producer_killed("producer with 2 workers and faults killed and resumed", "sink.workers=2", FAULTS)


def transactional_producer_killed() -> Row:
    """A transactional producer, killed and resumed; read as committed."""
    return _producer_killed("transactional producer killed and resumed", "sink.transactional=true")


CASES: dict[str, Callable[[], Row]] = {
    case.__name__: case
    for case in (
        broker_killed,
        broker_gone,
        spark_killed,
        driver_killed,
        producer_killed,
        workers_killed,
        transactional_producer_killed,
    )
}


def main() -> None:
    """All cases, or those named."""
    names = sys.argv[1:] or list(CASES)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"error: {', '.join(unknown)}: no such case; there are {', '.join(CASES)}")
    rows = []
    for name in names:
        sys.stderr.write(f"{name} …\n")
        rows.append(CASES[name]())
    table = Table("fault", "times", "events", "lost", "duplicated", "ended", title="chaos", title_justify="left")
    for row in rows:
        cells = (row.fault, f"{row.times}", f"{row.events:,}", f"{row.lost:,}", f"{row.duplicated:,}", row.ended)
        table.add_row(*cells, style=None if row.right else "red")
    Console(width=140).print(table)
    if names == list(CASES):
        keep("chaos", {"rows": [asdict(row) for row in rows]}, {"rate": RATE})
    sys.exit(0 if all(row.right for row in rows) else 1)


if __name__ == "__main__":
    main()
