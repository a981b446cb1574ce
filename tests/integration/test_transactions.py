"""`sink.transactional=true`: a reader of committed records sees whole blocks, also of a producer that was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from waiting import begun

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import end_offsets, ensure_topic

pytestmark = pytest.mark.integration

Values = dict[int, list[bytes | None]]


def read(broker: EmbeddedBroker, topic: str, isolation: str) -> Values:
    """The values of each partition up to where a reader of that isolation level comes."""
    settings = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "none", "isolation.level": isolation}
    consumer = Consumer({**settings, "enable.partition.eof": True, "enable.auto.commit": False})
    partitions = list(end_offsets(broker.cluster, topic))
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    values: Values = {partition: [] for partition in partitions}
    pending, deadline = set(partitions), time.monotonic() + 30
    while pending:
        assert time.monotonic() < deadline
        for message in consumer.consume(1000, 0.5):
            error = message.error()
            if error is None:
                values[message.partition() or 0].append(message.value())
            else:
                assert error.code() == KafkaError._PARTITION_EOF
                pending.discard(message.partition() or 0)
    consumer.close()
    return values


def count(values: Values) -> int:
    return sum(map(len, values.values()))


def start(folder: Path, broker: EmbeddedBroker, topic: str, *overrides: str) -> subprocess.Popen[str]:
    words = [
        "broker=external",
        f"broker.bootstrap_servers={broker.bootstrap_servers}",
        f"topic={topic}",
        f"hydra.run.dir={topic}",
    ]
    command = [sys.executable, "-m", "simulator", *words, "sink.transactional=true", *overrides]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)


def stop_in_a_transaction(process: subprocess.Popen[str], broker: EmbeddedBroker, topic: str) -> None:
    """Hold all of its processes at a moment at which records of an open transaction are in the topic."""
    for _ in range(20):
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(0.2)
        if count(read(broker, topic, "read_committed")) < count(read(broker, topic, "read_uncommitted")):
            return
        os.killpg(process.pid, signal.SIGCONT)
        time.sleep(0.03)
    raise AssertionError("no transaction was open")


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    said, errors = process.communicate(timeout=240)
    assert process.returncode == code, said + errors
    return errors


@pytest.mark.parametrize("workers", [1, 3])
def test_a_block_is_seen_whole_or_not_at_all(workers: int, tmp_path: Path, broker: EmbeddedBroker) -> None:
    paced = ["mode=produce", "rate=5000", "duration=8", "clock=accelerated", "clock.speed=1", f"sink.workers={workers}"]
    whole, broken = f"transactions-{workers}", f"broken-transactions-{workers}"
    finish(start(tmp_path, broker, whole, *paced, "clock=unpaced", "clock.speed=null"))
    ensure_topic(broker.cluster, broken, 4, 1)
    process = start(tmp_path, broker, broken, *paced)
    deadline = time.monotonic() + 60
    while sum(end_offsets(broker.cluster, broken).values()) < 10_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stop_in_a_transaction(process, broker, broken)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    committed, every = (read(broker, broken, isolation) for isolation in ("read_committed", "read_uncommitted"))
    assert 0 < count(committed) < count(every)  # what was in the open transaction is there, and not seen
    complete = read(broker, whole, "read_committed")
    assert all(rows == complete[partition][: len(rows)] for partition, rows in committed.items())
    command = [sys.executable, "-m", "simulator", f"resume={broken}"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True).stderr
    assert f"resumed: {count(committed):,} events were in the topic already" in said
    assert read(broker, broken, "read_committed") == complete
    digests = [json.loads((tmp_path / run / "manifest.json").read_text())["stream_digest"] for run in (whole, broken)]
    assert digests[0] == digests[1]


def test_spark_reads_what_is_committed_and_the_accounts_balance(tmp_path: Path, broker: EmbeddedBroker) -> None:
    faults = "faults=[late,duplicate,corrupt]"
    finish(start(tmp_path, broker, "transactional-run", "rate=2000", "duration=8", faults, "output=parquet"))
    verdict = json.loads((tmp_path / "transactional-run" / "verdict.json").read_text())
    assert verdict["status"] == "match"
    assert verdict["audit"]["acked"] == verdict["audit"]["generated"] > 12_000


def test_a_second_run_into_the_topic_ends_the_first_one(tmp_path: Path, broker: EmbeddedBroker) -> None:
    first = start(tmp_path, broker, "fenced", "mode=produce", "rate=500", "duration=60", "clock=realtime")
    deadline = time.monotonic() + 60
    while not begun(tmp_path / "fenced" / "manifest.json"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)
    finish(start(tmp_path, broker, "fenced", "mode=produce", "duration=1", "clock=unpaced", "hydra.run.dir=second"))
    said = finish(first, code=3)
    assert "error: sink.transactional=true: another producer with the same transactional.id has begun" in said
    assert json.loads((tmp_path / "fenced" / "manifest.json").read_text())["status"] == "failed"
