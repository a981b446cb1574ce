"""A topic that is not ours alone: what others send meanwhile is counted, and the verdict is on the run's own records."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.foreign import foreign_records, gaps_of, own_records
from simulator.broker.topics import end_offsets, ensure_topic

pytestmark = pytest.mark.integration

HOSTILE: list[tuple[bytes | None, bytes | None]] = [
    (b"SYM000", None),  # a tombstone
    (None, None),
    (None, b""),
    (b"", b"hello"),
    (b"\xff\xfe", b"\x00\x01\x02\xff"),
    (b"k", b"x" * 900_000),
    (b"k", b"[1, 2, 3]"),
    (b"k", b"null"),
    (b"k", b"{}"),
    (b"SYM001", b'{"temperature": 21.5}'),
    (b"SYM001", b'{"symbol": "SYM001", "seq": "one", "price": true}'),
    (b"SYM001", b'{"symbol": "SYM001"'),
    (b"avro", b"\x00\x00\x00\x00\x01\x0cSYM001"),
]


def stranger(broker: EmbeddedBroker) -> Producer:
    return Producer({"bootstrap.servers": broker.bootstrap_servers, "message.max.bytes": 1_000_000})


def started(folder: Path, broker: EmbeddedBroker, topic: str, *overrides: str) -> subprocess.Popen[str]:
    """A run of which the first events are there."""
    ensure_topic(broker.cluster, topic, 4, 1)
    before = sum(end_offsets(broker.cluster, topic).values())
    words = [
        "broker=external",
        f"broker.bootstrap_servers={broker.bootstrap_servers}",
        f"topic={topic}",
        f"hydra.run.dir={topic}",
    ]
    words += ["rate=500", "duration=12", "reproducer.attempts=0", *overrides]
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 90
    while sum(end_offsets(broker.cluster, topic).values()) <= before + 100:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return process


def verdict(folder: Path, topic: str, process: subprocess.Popen[str], code: int) -> dict[str, Any]:
    said = "".join(process.communicate(timeout=120))
    assert process.returncode == code, said
    content: dict[str, Any] = json.loads((folder / topic / "verdict.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("further", [[], ["faults=[late,duplicate,corrupt]", "sink.transactional=true"]])
def test_hostile_records_are_counted_and_change_nothing(further: list[str], tmp_path: Path, broker: EmbeddedBroker) -> None:
    topic = f"hostile-{len(further)}"
    other = stranger(broker)
    ensure_topic(broker.cluster, topic, 4, 1)
    for number in range(50):  # an old run's
        old = {"symbol": "SYM000", "seq": number, "event_time": "2020-01-01T00:00:00.000000Z", "price": 1.0, "volume": 1}
        other.produce(topic, json.dumps(old), "SYM000")
    other.flush()
    process = started(tmp_path, broker, topic, *further)
    for key, value in HOSTILE:
        for partition in range(4):
            other.produce(topic, value, key, partition=partition)
        other.flush()
        time.sleep(0.2)
    content = verdict(tmp_path, topic, process, 0)
    assert content["status"] == "match"
    assert content["audit"]["foreign"] == 4 * len(HOSTILE)
    assert content["audit"]["in_topic"] == content["audit"]["acked"] + 4 * len(HOSTILE)
    assert (content["audit"]["rejected"] > 0) == bool(further)
    # Once more, from the files alone.
    command = [sys.executable, "-m", "simulator", "mode=verify", f"run={topic}", "hydra.run.dir=again"]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"foreign {4 * len(HOSTILE)}" in again.stdout + again.stderr


def tick(symbol: str, seq: int) -> str:
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    return json.dumps({"symbol": symbol, "seq": seq, "event_time": f"{now}.000000Z", "price": 99.0, "volume": 5})


def test_events_of_other_symbols_are_none_of_the_market(tmp_path: Path, broker: EmbeddedBroker) -> None:
    process = started(tmp_path, broker, "other-symbols")
    other = stranger(broker)
    for number in range(20):
        other.produce("other-symbols", tick("OTHER", number), "OTHER")
    other.flush()
    content = verdict(tmp_path, "other-symbols", process, 0)
    assert content["audit"]["foreign"] == 20


def test_events_that_look_like_the_runs_own_are_named(tmp_path: Path, broker: EmbeddedBroker) -> None:
    process = started(tmp_path, broker, "look-alike")
    other = stranger(broker)
    for number in range(3):
        other.produce("look-alike", tick("SYM000", number), "SYM000")
    other.flush()
    content = verdict(tmp_path, "look-alike", process, 1)
    assert content["status"] == "mismatch"
    assert "foreign=3: 3 of them are events that no job can tell from the run's own" in content["audit_faults"]


def test_gaps_are_read_and_markers_are_nobodys(broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "markers", 1, 1)
    writer = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": "markers"})
    writer.init_transactions()
    for _ in range(3):
        writer.begin_transaction()
        writer.produce("markers", b"theirs", partition=0)
        writer.commit_transaction()
    end = end_offsets(broker.cluster, "markers")
    assert end == {0: 6}  # a marker after each
    client = {"bootstrap.servers": broker.bootstrap_servers}
    assert foreign_records(client, "markers", {0: 0}, end, {}) == {"0": [[0, 1], [2, 1], [4, 1]]}
    assert foreign_records(client, "markers", {0: 0}, end, {"0": [[2, 1]]}) == {"0": [[0, 1], [4, 1]]}
    assert foreign_records(client, "markers", {0: 1}, end, {"0": [[2, 1], [4, 1]]}) == {}
    assert own_records({0: 1}, end, {"0": [[0, 1], [2, 1], [4, 1], [8, 3]]}) == 2
    assert gaps_of(0, 10, [[2, 3], [6, 4]]) == [[0, 2], [5, 1]]
    assert gaps_of(0, 10, [[0, 4]]) == [[4, 6]]
