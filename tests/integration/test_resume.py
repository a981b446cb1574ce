"""A producer that was killed goes on at the first event that had not arrived: the topic is as if nothing had happened."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import end_offsets, ensure_topic

FAULTS = "faults=[late,disorder,duplicate,drop,corrupt,correction]"
Contents = dict[int, list[tuple[bytes | None, bytes | None]]]
Reader = Callable[[EmbeddedBroker, str], Contents]

pytestmark = pytest.mark.integration


def start(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator", *overrides]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(folder: Path, *overrides: str, code: int = 0) -> str:
    process = start(folder, *overrides)
    said, errors = process.communicate(timeout=240)
    assert process.returncode == code, said + errors
    return errors


def words(broker: EmbeddedBroker, topic: str, *further: str) -> list[str]:
    external = ["mode=produce", "broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}", f"topic={topic}"]
    return [*external, "clock=accelerated", "clock.speed=1.5", "rate=4000", "duration=6", f"hydra.run.dir={topic}", *further]


def manifest(folder: Path, topic: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / topic / "manifest.json").read_text(encoding="utf-8"))
    return content


def held(broker: EmbeddedBroker, topic: str) -> int:
    return sum(end_offsets(broker.cluster, topic).values())


def killed(folder: Path, broker: EmbeddedBroker, topic: str, arguments: list[str], least: int) -> int:
    """Kill a producer when the topic holds so many records; gives how many it holds then."""
    ensure_topic(broker.cluster, topic, 4, 1)
    process = start(folder, *arguments)
    deadline = time.monotonic() + 60
    while held(broker, topic) < least:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert manifest(folder, topic)["status"] == "running"
    return held(broker, topic)


@pytest.mark.parametrize(
    ("case", "further"),
    [("plain", []), ("faults", [FAULTS]), ("workers", [FAULTS, "sink.workers=3"])],
)
def test_a_killed_producer_goes_on_where_the_topic_ends(
    case: str, further: list[str], tmp_path: Path, broker: EmbeddedBroker, contents: Reader
) -> None:
    whole, broken = f"whole-{case}", f"broken-{case}"
    finish(tmp_path, *words(broker, whole, *further, "clock=unpaced", "clock.speed=null"))
    first = killed(tmp_path, broker, broken, words(broker, broken, *further), 8_000)
    second = killed(tmp_path, broker, broken, [f"resume={broken}"], first + 4_000)
    said = finish(tmp_path, f"resume={broken}")
    assert f"{second:,} events were in the topic already" in said
    assert contents(broker, broken) == contents(broker, whole)
    resumed, uninterrupted = manifest(tmp_path, broken), manifest(tmp_path, whole)
    for key in ("stream_digest", "plan_hash", "status", "deliveries", "begin_offsets"):
        if key != "plan_hash":  # the topic's name is part of it
            assert resumed[key] == uninterrupted[key], key
    assert resumed["counts"] == {**uninterrupted["counts"], "resumed": second}


def test_what_others_send_meanwhile_is_passed_over(tmp_path: Path, broker: EmbeddedBroker, contents: Reader) -> None:
    finish(tmp_path, *words(broker, "whole-alone", "clock=unpaced", "clock.speed=null"))
    stranger = Producer({"bootstrap.servers": broker.bootstrap_servers})
    arguments = words(broker, "shared")
    killed(tmp_path, broker, "shared", arguments, 4_000)
    for partition in range(4):
        stranger.produce("shared", b"hello", b"k", partition=partition)
    stranger.flush()
    finish(tmp_path, "resume=shared")
    rows = contents(broker, "shared")
    assert {place: [row for row in part if row != (b"k", b"hello")] for place, part in rows.items()} == contents(
        broker, "whole-alone"
    )
    assert sum(count for runs in manifest(tmp_path, "shared")["deliveries"].values() for _, count in runs) == held(
        broker, "whole-alone"
    )


def test_a_run_that_still_goes_on_is_not_gone_on_with(tmp_path: Path, broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "alive", 4, 1)
    arguments = words(broker, "alive", "duration=null")
    process = start(tmp_path, *arguments)
    try:
        while held(broker, "alive") < 1_000:
            time.sleep(0.02)
        files = [*(tmp_path / "alive" / ".hydra").iterdir(), tmp_path / "alive" / "plan.json"]
        kept = [path.read_bytes() for path in files]
        for others in (["resume=alive"], ["resume=alive", "rate=5"], [*arguments, "rate=5"]):
            said = finish(tmp_path, *others, code=2)
            assert said == "error: alive: what runs in this folder still goes on; stop it, or await its end\n"
        assert [path.read_bytes() for path in files] == kept
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert manifest(tmp_path, "alive")["counts"]["generated"] == held(broker, "alive")


def test_a_stopped_producer_goes_on_too_and_can_be_stopped_again(
    tmp_path: Path, broker: EmbeddedBroker, contents: Reader
) -> None:
    finish(tmp_path, *words(broker, "whole-stopped", "clock=unpaced", "clock.speed=null"))
    ensure_topic(broker.cluster, "stopped", 4, 1)
    arguments = words(broker, "stopped")
    for least in (4_000, 9_000):
        process = start(tmp_path, *arguments)
        while held(broker, "stopped") < least:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 130
        assert manifest(tmp_path, "stopped")["status"] == "incomplete"
        finish(tmp_path, "mode=reproduce", "run=stopped")
        arguments = ["resume=stopped"]
    finish(tmp_path, "resume=stopped")
    assert contents(broker, "stopped") == contents(broker, "whole-stopped")
    refused = finish(tmp_path, "resume=stopped", code=2)
    assert refused == "error: resume=stopped: the run is complete; there is nothing to go on with\n"


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["resume=nowhere"], "resume=nowhere: must be the directory of a run; there is no .hydra/overrides.yaml"),
        (
            ["resume=begun", "seed=7"],
            "resume=begun: the configuration is not the run's, whose plan has another hash; undo what was",
        ),
        (["resume=begun", "mode=plan"], "resume=begun: mode=plan cannot be resumed; allowed: mode=run, mode=produce"),
        (["resume=begun", "sink=file"], "resume=begun: only runs with sink.kind=kafka and engine.kind=local can be resumed"),
        (["resume=begun", "sink.idempotence=false"], "resume=begun: sink.idempotence=false leaves it open which events have"),
    ],
)
def test_what_cannot_be_resumed_is_refused(overrides: list[str], error: str, tmp_path: Path, broker: EmbeddedBroker) -> None:
    finish(tmp_path, *words(broker, "begun", "duration=0.01", "mode=plan"))
    begun = {"status": "running", "start": 0, "begin_offsets": {}}
    (tmp_path / "begun" / "manifest.json").write_text(json.dumps(begun), encoding="utf-8")
    if "resume=begun" in overrides and "mode=plan" not in overrides:
        overrides = [*overrides, "mode=produce"]
    assert error in finish(tmp_path, *overrides, code=2)


def test_a_topic_that_was_made_anew_is_refused(tmp_path: Path, broker: EmbeddedBroker) -> None:
    finish(tmp_path, *words(broker, "anew", "duration=1"))
    path = tmp_path / "anew" / "manifest.json"
    content = manifest(tmp_path, "anew")
    path.write_text(
        json.dumps({**content, "status": "failed", "begin_offsets": {str(p): 10**6 for p in range(4)}}), encoding="utf-8"
    )
    assert "and the run began at 1000000; its records are gone" in finish(tmp_path, "resume=anew", code=2)


@pytest.mark.parametrize("further", [pytest.param([], marks=pytest.mark.chaos), [FAULTS]])
def test_a_whole_run_that_was_killed_goes_on_with_its_own_broker_and_spark(further: list[str], tmp_path: Path) -> None:
    words = ["rate=2000", "duration=20", "hydra.run.dir=run", "reproducer.attempts=0", *further]
    process = start(tmp_path, *words)
    batches = tmp_path / "run" / "microbatches.ndjson"
    deadline = time.monotonic() + 150
    while not batches.exists() or len(batches.read_text(encoding="utf-8").splitlines()) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert manifest(tmp_path, "run")["status"] == "running"
    time.sleep(2)  # its broker and its Spark end by themselves
    finish(tmp_path, "resume=run")
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["status"] == "match"
    counts = manifest(tmp_path, "run")["counts"]
    assert 0 < counts["resumed"] < counts["generated"] == counts["acked"] == verdict["audit"]["read"]
    assert verdict["windows"]["matched"] == verdict["windows"]["expected"] > 100
