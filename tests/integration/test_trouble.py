"""What a machine or a broker can do to a run: a clear line, the right exit code, nothing lost in silence."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]  # imported there, not declared
from confluent_kafka.cimpl import NewTopic

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.jars import kafka_classpath
from simulator.broker.topics import delete_topic, end_offsets, ensure_topic
from simulator.java import find_java_home

pytestmark = pytest.mark.integration

Mounted = Callable[[Path, str, list[str]], list[str]]

SIMULATOR = [sys.executable, "-m", "simulator"]


def run(folder: Path, command: list[str], code: int, environment: dict[str, str] | None = None) -> str:
    """What a command says on stderr; it ends with the code and without a traceback."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, check=False, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def errors(said: str) -> list[str]:
    return [line.removeprefix("error: ") for line in said.splitlines() if line.startswith("error: ")]


def manifest(folder: Path, name: str = "run") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name / "manifest.json").read_text(encoding="utf-8"))
    return content


def external(broker: EmbeddedBroker, topic: str) -> list[str]:
    return ["broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}", f"topic={topic}", "hydra.run.dir=run"]


def held(broker: EmbeddedBroker, topic: str) -> int:
    return sum(end_offsets(broker.cluster, topic).values())


@pytest.fixture
def with_mount(tmp_path: Path) -> Mounted:
    """Makes a command of one that sees a file system of its own at a folder, with options of `mount`."""
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no user namespaces: no full or read-only file system can be made here")

    def wrapped(folder: Path, options: str, command: list[str]) -> list[str]:
        folder.mkdir()
        mount = f"mount -t tmpfs -o {options} tmpfs {shlex.quote(str(folder))}"
        keep = f"cp -r {shlex.quote(str(folder))} {shlex.quote(str(folder))}-after"
        return ["unshare", "-rm", "sh", "-c", f"{mount} && {{ {shlex.join(command)}; code=$?; {keep}; exit $code; }}"]

    return wrapped


def test_a_full_disk(tmp_path: Path, with_mount: Mounted) -> None:
    words = ["mode=produce", "sink=file", "clock=unpaced", "rate=20000", "duration=60", "sink.seconds_per_file=1"]
    said = run(tmp_path, with_mount(tmp_path / "small", "size=6m", [*SIMULATOR, *words, "hydra.run.dir=small/run"]), 3)
    assert len(errors(said)) == 1
    assert "No space left on device" in errors(said)[0]
    # What has its name is whole; what was being written has not got it.
    files = sorted((tmp_path / "small-after" / "run" / "events").glob("part-*.ndjson"))
    lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    counts = manifest(tmp_path / "small-after")["counts"]
    assert manifest(tmp_path / "small-after")["status"] == "failed"
    assert len(lines) == counts["acked"] > 0


def test_too_little_space_for_a_broker(tmp_path: Path, with_mount: Mounted) -> None:
    said = run(tmp_path, with_mount(tmp_path / "small", "size=64m", [*SIMULATOR, "duration=5", "hydra.run.dir=small/run"]), 3)
    assert len(errors(said)) == 1
    assert "the broker needs 256" in errors(said)[0]
    assert manifest(tmp_path / "small-after")["status"] == "failed"


def test_a_read_only_folder(tmp_path: Path, with_mount: Mounted) -> None:
    command = [*SIMULATOR, "mode=produce", "sink=file", "hydra.run.dir=sealed/run"]
    said = run(tmp_path, with_mount(tmp_path / "sealed", "ro", command), 2)
    assert len(errors(said)) == 1
    assert "sealed/run: Read-only file system; hydra.run.dir and" in errors(said)[0]


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    # Nobody, not even the superuser, makes folders there.
    environment = {"PATH": "/usr/bin:/bin", "MARKET_SIMULATOR_CACHE": "/proc/none", "HOME": str(tmp_path)}
    said = run(tmp_path, [*SIMULATOR, "mode=broker", "hydra.run.dir=run"], 3, environment)
    assert len(errors(said)) == 1
    assert errors(said)[0].startswith("cannot use the cache folder /proc/none: ")
    assert errors(said)[0].endswith("; set MARKET_SIMULATOR_CACHE to a writable folder")


def test_a_slow_reader_of_stdout_gets_everything(tmp_path: Path) -> None:
    words = ["mode=produce", "sink=stdout", "clock=unpaced", "rate=2000", "duration=20", "hydra.run.dir=run"]
    process = subprocess.Popen([*SIMULATOR, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(3)  # the pipe is full long before
    lines = [first, *process.stdout.readlines()]
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert len(lines) == manifest(tmp_path)["counts"]["acked"] > 30_000
    assert all(json.loads(line) for line in lines)


def test_a_reader_that_leaves(tmp_path: Path) -> None:
    words = shlex.join([*SIMULATOR, "mode=produce", "sink=stdout", "clock=unpaced", "duration=100", "hydra.run.dir=run"])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{words} | head -3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 3
    assert "Traceback" not in done.stderr
    assert manifest(tmp_path)["status"] != "running"


def test_a_spark_that_cannot_keep_up_loses_nothing(tmp_path: Path, broker: EmbeddedBroker) -> None:
    words = [*external(broker, "slow"), "rate=3000", "duration=10", "spark.max_offsets_per_trigger=2500", "spark.trigger=2"]
    run(tmp_path, [*SIMULATOR, *words], 0)
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["status"] == "match"
    assert verdict["audit"]["aggregated"] == verdict["audit"]["generated"] > 25_000


def test_the_topic_is_deleted_under_the_run(tmp_path: Path, broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "doomed", 4, 1)
    words = [*external(broker, "doomed"), "mode=produce", "rate=5000", "duration=120", "sink.delivery_timeout=8"]
    process = subprocess.Popen([*SIMULATOR, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while held(broker, "doomed") < 5_000:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    delete_topic(broker.cluster, "doomed")
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 3, said
    assert "Traceback" not in said
    assert len(errors(said)) == 1
    assert errors(said)[0].startswith("topic doomed: ")
    assert manifest(tmp_path)["status"] == "failed"
    assert 5_000 <= manifest(tmp_path)["counts"]["acked"] <= manifest(tmp_path)["counts"]["generated"]


def test_a_message_that_the_topic_does_not_take(tmp_path: Path, broker: EmbeddedBroker) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic("narrow-records", 4, 1, config={"max.message.bytes": "3000"})])["narrow-records"].result()
    huge = ["faults=corrupt", "faults.corrupt.rate=0.01", "faults.corrupt.huge_bytes=50000", "sink.compression=none"]
    words = [
        *external(broker, "narrow-records"),
        "mode=produce",
        "rate=1000",
        "duration=20",
        "clock=unpaced",
        "sink.linger=0",
        *huge,
    ]
    said = run(tmp_path, [*SIMULATOR, *words], 3)
    assert len(errors(said)) == 1
    assert "Message size too large" in errors(said)[0]
    assert manifest(tmp_path)["status"] == "failed"


def test_a_throttled_producer_is_slow_and_complete(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        ensure_topic(broker.cluster, "throttled", 4, 1)
        alter = ["--alter", "--add-config", "producer_byte_rate=200000", "--entity-type", "clients", "--entity-default"]
        classpath = ":".join(map(str, kafka_classpath("4.3.1", lambda _: None)))
        java = [str(find_java_home() / "bin" / "java"), "-cp", classpath, "kafka.admin.ConfigCommand"]
        subprocess.run([*java, "--bootstrap-server", broker.bootstrap_servers, *alter], check=True, capture_output=True)
        words = [*external(broker, "throttled"), "mode=produce", "rate=5000", "duration=6", "clock=accelerated", "clock.speed=1"]
        said = run(tmp_path, [*SIMULATOR, *words, "sink.compression=none", "window.watermark=2"], 0)
        content = manifest(tmp_path)
        assert content["rate"]["achieved"] < 0.8 * content["rate"]["asked"]
        assert content["lag_seconds"]["largest"] > 1
        assert content["counts"]["acked"] == content["counts"]["generated"] == held(broker, "throttled") > 27_000
        assert "behind" in said or "lag" in said
