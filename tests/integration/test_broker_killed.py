"""The broker is killed under a run: nothing is lost or doubled when it comes back, and when it does not, that is said in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import end_offsets, ensure_topic

pytestmark = pytest.mark.integration

Contents = dict[int, list[tuple[bytes | None, bytes | None]]]


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker that comes back at the same port with the same data."""
    with EmbeddedBroker(tmp_path / "first") as found:
        port = int(found.bootstrap_servers.rsplit(":", 1)[1])
    with EmbeddedBroker(tmp_path / "broker", port=port, keep=True) as running:
        yield running


def kill(broker: EmbeddedBroker) -> None:
    os.kill(broker.process_id or 0, signal.SIGKILL)
    broker.stop()


def start(folder: Path, broker: EmbeddedBroker, *overrides: str) -> subprocess.Popen[str]:
    external = ["broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}", "hydra.run.dir=run"]
    command = [sys.executable, "-m", "simulator", *external, *overrides]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def await_records(broker: EmbeddedBroker, count: int) -> int:
    deadline = time.monotonic() + 120
    while (held := sum(end_offsets(broker.cluster, "ticks").values())) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return held


def read(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "run" / name).read_text(encoding="utf-8"))
    return content


@pytest.mark.chaos
def test_killed_three_times_nothing_is_lost_or_doubled(
    tmp_path: Path, mortal: EmbeddedBroker, contents: Callable[[EmbeddedBroker, str], Contents]
) -> None:
    ensure_topic(mortal.cluster, "ticks", 4, 1)
    process = start(tmp_path, mortal, "rate=20000", "duration=15", "reproducer.attempts=0", "window.watermark=30")
    held = 0
    for _ in range(3):
        held = await_records(mortal, held + 30_000)
        kill(mortal)
        time.sleep(1)
        mortal.start()
    said = "".join(process.communicate(timeout=200))
    assert process.returncode == 0, said
    verdict = read(tmp_path, "verdict.json")
    audit = verdict["audit"]
    assert verdict["status"] == "match"
    assert audit["generated"] == audit["acked"] == audit["in_topic"] == audit["read"] == audit["aggregated"] > 250_000
    rows = contents(mortal, "ticks")
    assert sum(map(len, rows.values())) == len({row for part in rows.values() for row in part}) == audit["generated"]


@pytest.mark.parametrize("workers", [1, 2])
def test_gone_for_good_is_said_in_time_and_nothing_claimed_beyond(workers: int, tmp_path: Path, mortal: EmbeddedBroker) -> None:
    ensure_topic(mortal.cluster, "ticks", 4, 1)
    words = ["mode=produce", "rate=20000", "duration=120", "sink.delivery_timeout=5", f"sink.workers={workers}"]
    process = start(tmp_path, mortal, *words)
    await_records(mortal, 30_000)
    kill(mortal)
    begun = time.monotonic()
    said = "".join(process.communicate(timeout=120))
    assert process.returncode == 3, said
    assert time.monotonic() - begun < 30
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "topic ticks" in lines[0]
    manifest = read(tmp_path, "manifest.json")
    assert manifest["status"] == "failed"
    assert "Traceback" not in said
    mortal.start()
    held = sum(end_offsets(mortal.cluster, "ticks").values())
    assert 20_000 < manifest["counts"]["acked"] <= held <= manifest["counts"]["generated"]
