"""The embedded broker, its jars and its topics: the real Kafka, real processes and real kills."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from simulator.broker.cluster import Cluster
from simulator.broker.embedded import DEFAULT_VERSION, EmbeddedBroker
from simulator.broker.jars import kafka_classpath
from simulator.broker.topics import await_broker, delete_topic, end_offsets, ensure_topic
from simulator.cache import cache_directory
from simulator.errors import BadConfigError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

NOBODY = "127.0.0.1:1"

# Starts a broker from a thread that ends, survives a Ctrl-C, and never stops the broker.
CARELESS_PARENT = """
import pathlib, sys, threading, time
from simulator.broker.embedded import EmbeddedBroker
broker = EmbeddedBroker(pathlib.Path(sys.argv[1]))
starter = threading.Thread(target=broker.start)
starter.start()
starter.join()
try:
    print(broker.process_id, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    print("alive" if broker.alive else "dead", flush=True)
time.sleep(60)
"""


def produce(bootstrap_servers: str, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "compression.type": "zstd"})
    for number in range(count):
        producer.produce(topic, key=str(number), value=b"x" * 50)
    assert producer.flush(20) == 0


def runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def ended_within(process_id: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while runs(process_id):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# --- Topics


def test_a_topic_is_created_once(broker: EmbeddedBroker) -> None:
    assert ensure_topic(broker.cluster, "created", 4, 1) == 4
    assert ensure_topic(broker.cluster, "created", 4, 1) == 4


def test_an_existing_topic_may_have_more_partitions(broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "wide", 6, 1)
    assert ensure_topic(broker.cluster, "wide", 2, 1) == 6


def test_an_existing_topic_with_fewer_partitions_is_refused(broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "narrow", 1, 1)
    with pytest.raises(BadConfigError) as caught:
        ensure_topic(broker.cluster, "narrow", 4, 1)
    assert str(caught.value) == (
        "topic=narrow: it has 1 partition and sink.partitions=4 needs 4; "
        "use another topic, set sink.partitions=1, or delete the topic"
    )


@pytest.mark.parametrize(
    ("topic", "partitions", "copies", "message"),
    [
        ("a b", 1, 1, r"^topic=a b: the broker refuses it: .*Invalid topic; a name is 1 to 249 letters.*$"),
        ("", 1, 1, r"^topic=: Empty topic name.*$"),
        ("none", 0, 1, r"^topic=none: sink\.partitions: the broker refuses it: .*$"),
        ("copied", 1, 3, r"^topic=copied: sink\.replication_factor: the broker refuses it: .*only 1 broker.*$"),
    ],
)
def test_what_the_broker_refuses_is_bad_configuration(
    broker: EmbeddedBroker, topic: str, partitions: int, copies: int, message: str
) -> None:
    with pytest.raises(BadConfigError, match=message):
        ensure_topic(broker.cluster, topic, partitions, copies)


def test_end_offsets_count_the_records_of_each_partition(broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "counted", 3, 1)
    assert end_offsets(broker.cluster, "counted") == {0: 0, 1: 0, 2: 0}
    produce(broker.bootstrap_servers, "counted", 500)
    offsets = end_offsets(broker.cluster, "counted")
    assert offsets.keys() == {0, 1, 2}
    assert sum(offsets.values()) == 500
    assert min(offsets.values()) > 100


def test_offsets_of_a_missing_topic_are_refused_and_do_not_create_it(broker: EmbeddedBroker) -> None:
    for _ in range(2):
        with pytest.raises(BadConfigError, match=r"^topic=missing: there is no such topic on broker\.bootstrap_servers="):
            end_offsets(broker.cluster, "missing")


def test_a_deleted_topic_is_empty_when_created_again(broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "again", 1, 1)
    produce(broker.bootstrap_servers, "again", 10)
    delete_topic(broker.cluster, "again")
    delete_topic(broker.cluster, "again")  # nothing to do, and no error
    ensure_topic(broker.cluster, "again", 1, 1)
    assert end_offsets(broker.cluster, "again") == {0: 0}


def test_an_unreachable_broker_is_one_line_in_bounded_time(capfd: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        await_broker(Cluster(NOBODY), 1.0)
    assert 0.9 < time.monotonic() - started < 2.0
    assert str(caught.value) == (
        "no broker answered at 127.0.0.1:1 within 1 s; start one (`python -m simulator mode=broker`, or "
        "`docker compose up -d --wait` for broker=external), or correct broker.port or broker.bootstrap_servers"
    )
    assert capfd.readouterr() == ("", "")


# --- The broker's life


def test_the_broker_listens_on_loopback_and_logs(broker: EmbeddedBroker) -> None:
    host, port = broker.bootstrap_servers.split(":")
    assert host == "127.0.0.1"
    socket.create_connection((host, int(port))).close()
    assert f"Kafka version: {DEFAULT_VERSION}" in broker.log_path.read_text()
    broker.check()


def test_the_first_idempotent_producer_meets_no_refusal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # And the folder: of a sweep it may well have commas and spaces in its name.
    folder = tmp_path / "rate=1,seed=2 x"
    with EmbeddedBroker(folder) as broker:
        ensure_topic(broker.cluster, "first", 1, 1)
        produce(broker.bootstrap_servers, "first", 1)
        assert "retrying" not in capfd.readouterr().err
        assert (folder / "data").is_dir()
    assert not (folder / "data").exists()
    assert broker.log_path.exists()
    assert not broker.alive
    assert broker.process_id is None
    broker.stop()
    with pytest.raises(UnreachableError, match="not running"):
        broker.check()


def test_kept_data_are_there_for_the_next_broker_and_the_port_is_the_one_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as finder:
        port = finder.getsockname()[1]
    with EmbeddedBroker(tmp_path, keep=True, port=port) as broker:
        assert broker.bootstrap_servers == f"127.0.0.1:{port}"
        ensure_topic(broker.cluster, "kept", 2, 1)
        produce(broker.bootstrap_servers, "kept", 10)
    with EmbeddedBroker(tmp_path, keep=True, port=port) as broker:
        assert sum(end_offsets(broker.cluster, "kept").values()) == 10
        with pytest.raises(UnreachableError, match=r"^another embedded broker runs in .*; stop it or use another folder$"):
            EmbeddedBroker(tmp_path).start()
        assert broker.process_id is not None
        os.kill(broker.process_id, signal.SIGKILL)
        assert ended_within(broker.process_id, 10)
        deadline = time.monotonic() + 10  # its supervisor follows
        while broker.alive:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(UnreachableError, match=r"^the embedded broker died \(exit code 137\): .*; see .*broker\.log$"):
            broker.check()
    assert (tmp_path / "data").is_dir()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  # a listener on every address is the case
def test_a_taken_port_is_bad_configuration(tmp_path: Path, address: str) -> None:
    with socket.create_server((address, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(BadConfigError) as caught:
            EmbeddedBroker(tmp_path, port=port).start()
    assert str(caught.value) == (
        f"broker.port={port}: something already listens on 127.0.0.1:{port}; choose another port or stop it"
    )


def test_a_jvm_that_cannot_start_is_one_line_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        EmbeddedBroker(tmp_path, heap_megabytes=1).start()
    assert str(caught.value) == (
        "the embedded broker did not start (exit code 1): Error occurred during initialization of VM | "
        f"Too small maximum heap; see {tmp_path}/broker.log"
    )
    assert not (tmp_path / "data").exists()


def test_neither_ctrl_c_nor_a_killed_parent_leaves_things_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CARELESS_PARENT, str(tmp_path)]
    # In a session of its own: the Ctrl-C goes to its whole process group, as a terminal's does.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        jvm = int(parent.stdout.readline())
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout.readline() == "alive\n"
        assert runs(jvm)
        parent.kill()
    assert ended_within(jvm, 10)  # within two seconds on a quiet machine


# --- Kafka's jars


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a copy of the real jars as a Maven repository, and start from an empty cache; yields the copy."""
    kafka_classpath(DEFAULT_VERSION)
    copy = tmp_path / "mirror"
    shutil.copytree(cache_directory() / f"kafka-{DEFAULT_VERSION}", copy)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(copy)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setenv("MARKET_SIMULATOR_MAVEN", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("MARKET_SIMULATOR_CACHE", str(tmp_path / "cache"))
    yield copy
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_incomplete_cache_is_fetched_anew_and_a_complete_one_is_trusted(mirror: Path) -> None:
    messages: list[str] = []
    jars = kafka_classpath(DEFAULT_VERSION, messages.append)
    assert len(messages) == 2
    assert all(jar.stat().st_size == (mirror / jar.relative_to(jars[0].parents[5])).stat().st_size for jar in jars)

    started = time.monotonic()
    assert kafka_classpath(DEFAULT_VERSION, messages.append) == jars
    assert time.monotonic() - started < 0.05
    assert len(messages) == 2

    whole = jars[3].read_bytes()
    jars[3].write_bytes(whole[:-1])  # as a killed download leaves it
    assert kafka_classpath(DEFAULT_VERSION, messages.append) == jars
    assert jars[3].read_bytes() == whole
    assert len(messages) == 4

    (jars[0].parents[5] / "classpath.json").unlink()
    stray = jars[0].parents[5] / "stray"
    stray.touch()
    assert kafka_classpath(DEFAULT_VERSION, messages.append) == jars
    assert not stray.exists()


def test_a_jar_that_arrives_damaged_is_not_taken(mirror: Path) -> None:
    jar = next(mirror.rglob("kafka-clients-*.jar"))
    content = bytearray(jar.read_bytes())
    content[len(content) // 2] ^= 0xFF
    jar.write_bytes(content)
    for _ in range(2):  # and is not there for the next call either
        with pytest.raises(UnreachableError, match=rf"^cannot fetch Apache Kafka .*: {jar.name} arrived damaged.*PORT$"):
            kafka_classpath(DEFAULT_VERSION, lambda _message: None)


def test_no_network_is_one_line_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_SIMULATOR_CACHE", str(tmp_path))
    monkeypatch.setenv("MARKET_SIMULATOR_MAVEN", f"http://{NOBODY}")
    with pytest.raises(UnreachableError) as caught:
        kafka_classpath(DEFAULT_VERSION, lambda _message: None)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"cannot fetch Apache Kafka {DEFAULT_VERSION} from http://{NOBODY}: ")
    assert message.endswith("or use a broker of your own with broker=external broker.bootstrap_servers=HOST:PORT")


@pytest.mark.parametrize("version", ["latest", "4.3", "../4.3.1", ""])
def test_a_version_that_is_none_is_bad_configuration(version: str) -> None:
    with pytest.raises(BadConfigError, match=r"^broker\.version=.*: not a version of Apache Kafka, such as 4\.3\.1$"):
        kafka_classpath(version)


def test_a_topic_that_is_just_there_has_offsets_at_once(broker: EmbeddedBroker) -> None:
    for number in range(30):
        topic = f"new-{number}"
        ensure_topic(broker.cluster, topic, 4, 1)
        assert end_offsets(broker.cluster, topic) == dict.fromkeys(range(4), 0)
