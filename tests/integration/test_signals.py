"""SIGINT and SIGTERM at any moment: exit 130, and a run directory that says `incomplete` with the right counts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import end_offsets, ensure_topic

# A shell says 130 of both: Python may end by the signal itself where SIGINT comes while it loads modules.
INTERRUPTED = {130, -signal.SIGINT}

pytestmark = pytest.mark.integration


def start(folder: Path, broker: EmbeddedBroker, topic: str, *overrides: str) -> subprocess.Popen[str]:
    external = ["broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}", f"topic={topic}"]
    command = [sys.executable, "-m", "simulator", *external, f"hydra.run.dir={topic}", *overrides]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_closed(folder: Path, broker: EmbeddedBroker, topic: str, said: str) -> int:
    """Gives how many events the run has sent."""
    assert "Traceback" not in said
    if not (folder / topic / "plan.json").exists():
        return 0
    manifest = json.loads((folder / topic / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "incomplete"
    counts = manifest["counts"]
    assert counts["generated"] == counts["acked"] == sum(end_offsets(broker.cluster, topic).values())
    assert not list((folder / topic).rglob(".*.part"))
    return int(counts["acked"])


def test_the_producer_is_closed_whenever_it_is_stopped(tmp_path: Path, broker: EmbeddedBroker) -> None:
    sent = []
    for number, seconds in enumerate([0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 2.0, 3.0, 5.0]):
        topic = f"signal-{number}"
        ensure_topic(broker.cluster, topic, 4, 1)
        words = ["mode=produce", "rate=20000", "duration=null", f"sink.workers={1 + number % 2}"]
        words += ["sink.transactional=true"] if number % 3 == 2 else []
        process = start(tmp_path, broker, topic, *words)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT if number % 2 else signal.SIGTERM)
        said = "".join(process.communicate(timeout=60))
        if process.returncode == -signal.SIGTERM:  # Python itself was being loaded
            assert not (tmp_path / topic).exists()
            continue
        assert process.returncode in INTERRUPTED, said
        gained = sum(end_offsets(broker.cluster, topic).values())
        if number % 3 == 2 and gained:  # with the markers of transactions
            assert "Traceback" not in said
            continue
        sent.append(check_closed(tmp_path, broker, topic, said))
    assert sent[0] == 0
    assert max(sent) > 0


@pytest.mark.parametrize("seconds", [1.5, 4.0, 9.0])
def test_a_whole_run_is_closed_whenever_it_is_stopped(seconds: float, tmp_path: Path, broker: EmbeddedBroker) -> None:
    topic = f"signal-run-{seconds:g}"
    ensure_topic(broker.cluster, topic, 4, 1)
    process = start(tmp_path, broker, topic, "rate=1000", "duration=60")
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    said = "".join(process.communicate(timeout=120))
    assert process.returncode in INTERRUPTED, said
    sent = check_closed(tmp_path, broker, topic, said)
    verdict = tmp_path / topic / "verdict.json"
    if verdict.exists():
        content = json.loads(verdict.read_text(encoding="utf-8"))
        assert content["status"] == "incomplete"
        assert content["audit"]["generated"] == content["audit"]["aggregated"] == sent
        assert content["windows"]["matched"] == content["windows"]["expected"]


def test_a_second_signal_ends_it_at_once(tmp_path: Path, broker: EmbeddedBroker) -> None:
    process = start(tmp_path, broker, "signal-twice", "rate=1000", "duration=60")
    manifest = tmp_path / "signal-twice" / "manifest.json"
    deadline = time.monotonic() + 60
    while not manifest.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said = "".join(process.communicate(timeout=60))
    assert process.returncode == 130, said
    assert time.monotonic() - begun < 20
    assert json.loads(manifest.read_text(encoding="utf-8"))["status"] == "incomplete"
