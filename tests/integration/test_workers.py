"""Workers on a real broker: whatever their number, each partition holds the same records in the same order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from waiting import begun

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import end_offsets, ensure_topic
from simulator.errors import DeliveryError
from simulator.modes.reproduce import digest_of
from simulator.plan import Plan, read_plan
from simulator.produce.horizon import END, Shared
from simulator.produce.producer import Progress
from simulator.produce.signals import StopRequest
from simulator.produce.workers import WorkerProduction

FAULTS = "faults=[late,disorder,duplicate,drop,corrupt,correction,stall,drift,burst]"
PARTITIONS = 6
Contents = dict[int, list[tuple[bytes | None, bytes | None]]]


def produced(broker: EmbeddedBroker, folder: Path, *overrides: str) -> dict[str, object]:
    """The manifest of a run of `mode=produce`."""
    words = ["mode=produce", "broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}"]
    words += [f"sink.partitions={PARTITIONS}", f"hydra.run.dir={folder}", *overrides]
    subprocess.run([sys.executable, "-m", "simulator", *words], check=True, capture_output=True)
    content: dict[str, object] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("faults", ["faults=none", FAULTS])
def test_the_topic_is_the_same_for_any_number_of_workers(
    faults: str, broker: EmbeddedBroker, tmp_path: Path, contents: Callable[[EmbeddedBroker, str], Contents]
) -> None:
    results = {}
    for workers in (1, 2, 5):
        topic = f"workers-{faults == FAULTS}-{workers}"
        common = ("clock=unpaced", "rate=3000", "duration=10", faults, f"topic={topic}", f"sink.workers={workers}")
        manifest = produced(broker, tmp_path / topic, *common)
        held = contents(broker, topic)
        assert manifest["deliveries"] == {str(place): [[0, len(rows)]] for place, rows in held.items() if rows}
        results[workers] = (manifest["stream_digest"], manifest["counts"], held)
    assert results[1] == results[2] == results[5]
    assert sum(map(len, results[1][2].values())) > 25_000


@pytest.mark.parametrize("clock", ["clock=unpaced", "clock=accelerated"])
def test_a_stop_leaves_the_beginning_of_the_stream(clock: str, broker: EmbeddedBroker, tmp_path: Path) -> None:
    topic = f"stopped-{clock.split('=')[1]}"
    words = ["mode=produce", "broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}", f"topic={topic}"]
    words += [clock, "rate=20000", "duration=null", "sink.workers=3", "window.watermark=2", f"hydra.run.dir={tmp_path}"]
    process = subprocess.Popen([sys.executable, "-m", "simulator", *words], stderr=subprocess.PIPE, text=True, process_group=0)
    deadline = time.monotonic() + 60
    while not begun(tmp_path / "manifest.json"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: to all processes
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "interrupted: sent and acknowledged" in told
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    count = manifest["counts"]["generated"]
    assert manifest["status"] == "incomplete"
    assert count == manifest["counts"]["acked"] == sum(end_offsets(broker.cluster, topic).values()) > 1000
    assert manifest["stream_digest"] == digest_of(read_plan(tmp_path / "plan.json"), manifest["start"], count)


def test_no_worker_runs_ahead_of_another_by_more_than_the_skew(broker: EmbeddedBroker, make_plan: Callable[..., Plan]) -> None:
    """A worker that has little to do waits for the one that has much."""
    plan = make_plan(
        "clock=unpaced", "topic=skew", "rate=20000", "duration=60", "window.watermark=1", "symbols.weights.kind=zipf"
    )
    assert plan.sink.skew is not None
    ensure_topic(broker.cluster, "skew", plan.sink.partitions or 1, 1)
    widest = 0
    with WorkerProduction(plan, broker.cluster, plan.sink.partitions or 1, 4) as production:

        def look(_: Progress) -> None:
            nonlocal widest
            claimed = [instant for instant in production._instants[:4] if instant < END]
            arrived = Shared(production._instants, 0).oldest
            widest = max(widest, max(claimed) - arrived) if arrived < END else widest

        outcome = production.run(plan.clock.start or 0, StopRequest(), look)
    assert outcome.progress.acked == outcome.progress.generated > 1_000_000
    assert 0 < widest <= plan.sink.skew * 1000


def test_a_worker_that_dies_ends_the_run(broker: EmbeddedBroker, make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("topic=dying", "rate=2000", "duration=60", "sink.workers=2")
    ensure_topic(broker.cluster, "dying", plan.sink.partitions or 1, 1)
    with WorkerProduction(plan, broker.cluster, plan.sink.partitions or 1, 2) as production:

        def kill_one(progress: Progress) -> None:
            if progress.acked > 1000:
                production._processes[1].kill()

        with pytest.raises(DeliveryError, match="worker 1 of the producer ended unexpectedly"):
            production.run(plan.clock.start or 0, StopRequest(), kill_one)
        assert 1000 < production.progress.acked <= production.progress.generated
    assert not any(process.is_alive() for process in production._processes)
