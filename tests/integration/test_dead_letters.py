"""Dead letters of a whole run, in a topic beside the one that it reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition

from simulator.broker.topics import end_offsets

if TYPE_CHECKING:
    from simulator.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.integration

LETTERS = "dead-letters-run-dead-letters"


def test_a_run_sends_its_dead_letters_to_a_topic(broker: EmbeddedBroker, tmp_path: Path) -> None:
    overrides = [
        *("symbols.count=5", "rate=200", "duration=4", "clock=unpaced", "faults=corrupt", "topic=dead-letters-run"),
        *("dead_letters=kafka", "broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}"),
        f"hydra.run.dir={tmp_path}/run",
    ]
    command = [sys.executable, "-m", "simulator", *overrides]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    audit = json.loads((tmp_path / "run" / "verdict.json").read_text(encoding="utf-8"))["audit"]
    count = end_offsets(broker.cluster, LETTERS)[0]
    assert count == audit["rejected"] > 0
    assert not (tmp_path / "run" / "dead-letters").exists()
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "test"})
    try:
        consumer.assign([TopicPartition(LETTERS, 0, 0)])
        letters = consumer.consume(count, 20)
        places = []
        for letter in letters:
            headers = dict(letter.headers() or ())
            places.append((int(headers["partition"]), int(headers["offset"])))
            consumer.assign([TopicPartition("dead-letters-run", *places[-1])])
            (record,) = consumer.consume(1, 20)
            assert (record.key(), record.value()) == (letter.key(), letter.value())
            assert record.key() is not None
    finally:
        consumer.close()
    assert len(set(places)) == count
