"""TLS, SASL and access-control lists, with the real broker really set so: what works, and what is refused in one line."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import shutil
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from confluent_kafka import Producer
from pydantic import SecretStr
from secured import PASSWORD, ROOT, Security, add_user, allow, simulator

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.security import secured as secured_cluster
from simulator.broker.topics import ensure_topic
from simulator.errors import DeliveryError, UnreachableError
from simulator.modes.aggregate import spark_options
from simulator.pipeline import Pipeline
from simulator.plan import write_plan
from simulator.produce.kafka import KafkaSink
from simulator.produce.local import LocalProduction
from simulator.produce.signals import StopRequest
from simulator.security import Sasl, Ssl
from simulator.security import Security as Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.plan import Plan

pytestmark = pytest.mark.integration

SMALL = ["symbols.count=5", "rate=200", "duration=3", "clock=unpaced"]
PRODUCE = ["mode=produce", *SMALL]
DENIED = r"^topic=lost: the user nobody may not WRITE it: the broker's access-control list"
MOST_SECONDS = 20.0
"""For a refusal, the start of Python on a busy machine with it; a delivery's timeout is 120."""


@pytest.fixture(scope="module")
def security(tmp_path_factory: pytest.TempPathFactory) -> Security:
    return Security.made(tmp_path_factory.mktemp("security"))


@pytest.fixture(scope="module")
def secured(security: Security) -> Iterator[EmbeddedBroker]:
    """Yield a broker that knows some users: `writer`, `plain` and `certified` may do all with every topic."""
    with EmbeddedBroker(security.folder / "broker", properties=security.properties) as broker:
        for user in ("writer", "reader", "nobody", "certified"):
            add_user(broker, user, PASSWORD)
        add_user(broker, "writer", PASSWORD, "SCRAM-SHA-256")
        for user in ("writer", "plain", "CN=certified"):
            allow(broker, user, "READ", "WRITE", "CREATE")
        yield broker


def refused(folder: Path, *overrides: str, password: str = PASSWORD, code: int = 3) -> str:
    """The one line of a run that is refused, in bounded time; the run's folder is `folder / "run"`."""
    started = time.monotonic()
    said = simulator(folder, *overrides, f"hydra.run.dir={folder / 'run'}", code=code, password=password)
    assert time.monotonic() - started < MOST_SECONDS
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, said
    assert password not in said
    return lines[0].removeprefix("error: ")


# --- What works


def test_a_whole_run_with_a_certificate_and_an_encrypted_key_matches(
    secured: EmbeddedBroker, security: Security, tmp_path: Path
) -> None:
    assert secured.alive
    words = security.certified("encrypted", "ssl.key_password='${oc.env:KAFKA_PASSWORD}'")
    said = simulator(tmp_path, *SMALL, *words, "topic=mtls")
    assert said.rstrip().splitlines()[-1] == "match"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_password_may_come_from_a_file(secured: EmbeddedBroker, security: Security, tmp_path: Path, mechanism: str) -> None:
    assert secured.alive
    (tmp_path / "password").write_text(PASSWORD + "\n")
    user = "plain" if mechanism == "PLAIN" else "writer"
    words = (f"sasl.mechanism={mechanism}", f"sasl.username={user}", f"sasl.password_file={tmp_path / 'password'}")
    said = simulator(tmp_path, *PRODUCE, *security.external("SASL_PLAINTEXT", *words), f"topic=file-{mechanism}")
    assert "sent and acknowledged" in said


@pytest.mark.parametrize("how", ["sink.workers=2", "sink.transactional=true", "engine=spark"])
def test_every_producer_connects_so(secured: EmbeddedBroker, security: Security, tmp_path: Path, how: str) -> None:
    allow(secured, "writer", "WRITE", "DESCRIBE", kind="TRANSACTIONAL_ID")
    run = tmp_path / "run"
    simulator(tmp_path, *PRODUCE, *security.scram(), how, f"topic={how.replace('=', '-')}", f"hydra.run.dir={run}")
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["counts"]["acked"] == manifest["counts"]["generated"] > 0


# --- What is refused


def test_a_wrong_password_is_one_line(secured: EmbeddedBroker, security: Security, tmp_path: Path) -> None:
    assert secured.alive
    line = refused(tmp_path, *PRODUCE, *security.scram(), password="wr0ng-canary")  # noqa: S106  # a password that is none
    assert line == (
        f"broker.security.sasl.password: the broker at 127.0.0.1:{security.ports['SASL_SSL']} refuses the user writer: "
        "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512"
    )


def test_an_authority_that_is_not_trusted_is_one_line(secured: EmbeddedBroker, security: Security, tmp_path: Path) -> None:
    assert secured.alive
    other = security.folder / "other.pem"
    line = refused(tmp_path, *PRODUCE, *security.scram(), f"broker.security.ssl.ca={other}")
    assert line == (
        f"broker.security.ssl.ca={other}: the certificate of the broker at 127.0.0.1:{security.ports['SASL_SSL']} is not signed "
        "by it, or is for another host"
    )


def test_a_missing_or_a_stranger_s_certificate_is_one_line(secured: EmbeddedBroker, security: Security, tmp_path: Path) -> None:
    assert secured.alive
    place = f"127.0.0.1:{security.ports['SSL']}"
    line = refused(tmp_path, *PRODUCE, *security.external("SSL"))
    assert line == f"broker.security.ssl.certificate=null: the broker at {place} wants a certificate of its clients"
    line = refused(tmp_path, *PRODUCE, *security.certified("stranger"))
    stranger = security.folder / "stranger.pem"
    assert (
        line == f"broker.security.ssl.certificate={stranger}: the broker at {place} refuses it; is its issuer in the truststore?"
    )


def test_another_mechanism_and_another_protocol_are_one_line(secured: EmbeddedBroker, security: Security, tmp_path: Path) -> None:
    place = f"127.0.0.1:{security.ports['SASL_SSL']}"
    line = refused(tmp_path, *PRODUCE, *security.scram(), "broker.security.sasl.mechanism=PLAIN")
    assert line == f"broker.security.sasl.mechanism=PLAIN: the broker at {place} offers SCRAM-SHA-512"
    plain = ["broker=external", f"broker.bootstrap_servers={place}", "broker.timeout=2"]
    line = refused(tmp_path, *PRODUCE, *plain)
    assert line == (
        f"no broker answered at {place} within 2 s, but something listens there: broker.security.protocol=PLAINTEXT may not be "
        "what it speaks"
    )
    unsecured = [f"broker.bootstrap_servers={secured.bootstrap_servers}", "broker.timeout=2"]
    line = refused(tmp_path, *PRODUCE, *security.scram(), *unsecured)
    assert line == (f"broker.security.protocol=SASL_SSL: is not what the listener at {secured.bootstrap_servers} speaks")


def test_what_an_access_control_list_does_not_allow_is_one_line(
    secured: EmbeddedBroker, security: Security, tmp_path: Path
) -> None:
    end = "it: the broker's access-control list (ACL) does not allow it"
    line = refused(tmp_path, *PRODUCE, *security.scram("nobody"), "topic=denied")
    assert line == f"topic=denied: the user nobody may not DESCRIBE {end}"
    ensure_topic(secured.cluster, "readable", 4, 1)
    allow(secured, "reader", "READ", topic="readable")
    line = refused(tmp_path, *PRODUCE, *security.scram("reader"), "topic=readable")
    assert line == f"topic=readable: the user reader may not WRITE {end}"
    ensure_topic(secured.cluster, "writable", 4, 1)
    allow(secured, "reader", "WRITE", topic="writable")
    allow(secured, "certified", "WRITE", topic="writable")
    line = refused(tmp_path, *PRODUCE, *security.scram("certified"), "topic=writable", "sink.transactional=true")
    assert line == f"topic=writable: the user certified may not WRITE, in transactions, {end}"
    line = refused(tmp_path, "mode=aggregate", *SMALL, *security.scram("reader"), "topic=writable")
    assert line == f"topic=writable: the user reader may not READ {end}"


def test_a_producer_that_has_lost_its_right_since_says_so(
    secured: EmbeddedBroker, security: Security, tmp_path: Path, make_plan: Callable[..., Plan]
) -> None:
    assert secured.alive
    ensure_topic(secured.cluster, "lost", 4, 1)
    specification = ["sink.partitions=4", "symbols.count=2", "topic=lost"]
    plan = make_plan(*specification)
    (tmp_path / "password").write_text(PASSWORD)
    sasl = Sasl(mechanism="SCRAM-SHA-256", username="nobody", password=None, password_file=str(tmp_path / "password"))
    nothing = Ssl(ca=None, certificate=None, key=None, key_password=None, key_password_file=None)
    add_user(secured, "nobody", PASSWORD, "SCRAM-SHA-256")
    servers = f"127.0.0.1:{security.ports['SASL_PLAINTEXT']}"
    cluster = secured_cluster(servers, Settings(protocol="SASL_PLAINTEXT", sasl=sasl, ssl=nothing))
    assert PASSWORD not in repr(cluster)
    started = time.monotonic()
    with (
        LocalProduction(plan, lambda start: KafkaSink(plan, start, cluster, 4)) as production,
        pytest.raises((DeliveryError, UnreachableError), match=DENIED),
    ):
        production.run(0, StopRequest(), lambda _progress: None)
    assert time.monotonic() - started < MOST_SECONDS


def test_what_spark_itself_is_refused_is_one_line_without_the_secret(
    secured: EmbeddedBroker, security: Security, tmp_path: Path, make_plan: Callable[..., Plan]
) -> None:
    """As when a password, an authority or a list is changed after the program's own client has looked."""
    plan = make_plan("topic=spark", "sink.partitions=4", "symbols.count=2")
    write_plan(plan, tmp_path / "plan.json")
    ensure_topic(secured.cluster, "spark", 4, 1)
    send(secured, "spark")
    allow(secured, "reader", "DESCRIBE", topic="spark")
    nothing = Sasl(mechanism="SCRAM-SHA-512", username="reader", password=SecretStr(PASSWORD), password_file=None)
    trust = Ssl(ca=str(security.folder / "ca.pem"), certificate=None, key=None, key_password=None, key_password_file=None)
    servers = f"127.0.0.1:{security.ports['SASL_SSL']}"
    right = Settings(protocol="SASL_SSL", sasl=nothing, ssl=trust)
    wrong = right.model_copy(update={"sasl": nothing.model_copy(update={"password": SecretStr("wr0ng-canary")})})
    other = right.model_copy(update={"ssl": trust.model_copy(update={"ca": str(security.folder / "other.pem")})})
    cases = {
        "SaslAuthenticationException: Authentication failed": wrong,
        "unable to find valid certification path": other,
        "TopicAuthorizationException: Not authorized to access topics: [spark]": right,
    }
    with Pipeline(tmp_path / "spark.log", 120, print) as pipeline:
        pipeline.warm(tmp_path / "plan.json")
        for number, (message, settings) in enumerate(cases.items()):
            options = spark_options(plan, secured_cluster(servers, settings))
            with pytest.raises(UnreachableError) as caught:
                follow(pipeline, tmp_path, str(number), options)
            line = str(caught.value)
            assert message in line
            assert "\n" not in line
            assert PASSWORD not in line
    said = (tmp_path / "spark.log").read_text()
    assert "wr0ng-canary" not in said
    assert PASSWORD.replace("\\", "\\\\").replace('"', '\\"') not in said
    assert "password=" not in said


def follow(pipeline: Pipeline, folder: Path, number: str, options: dict[str, dict[str, str]]) -> None:
    """Run a plan to the end of what its topic holds."""
    pipeline.start(folder / "plan.json", folder / number, folder / number / "batches", options)
    pipeline.drain(None)


def send(broker: EmbeddedBroker, topic: str) -> None:
    """A record, so that there is something to read."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    producer.produce(topic, b"{}")
    assert producer.flush(20) == 0


# --- The page


def test_the_commands_of_the_page_work(secured: EmbeddedBroker, security: Security, tmp_path: Path) -> None:
    assert secured.alive
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").replace("\\\n", "")
    blocks = [block for block in re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "kafka.example.com" in block]
    assert len(blocks) == 3
    places = {"9094": security.ports["SASL_SSL"], "9093": security.ports["SSL"]}
    for name in ("ca.pem", "encrypted.pem", "encrypted.key"):
        shutil.copy(security.folder / name, tmp_path / name)
    (tmp_path / "password.txt").write_text(PASSWORD + "\n")
    for block in blocks:
        command = next(line for line in block.splitlines() if line.startswith("python -m simulator "))
        for port, real in places.items():
            command = command.replace(f"kafka.example.com:{port}", f"127.0.0.1:{real}")
        command = command.replace("KAFKA_KEY_PASSWORD", "KAFKA_PASSWORD")
        assert "sent and acknowledged" in simulator(tmp_path, *shlex.split(command)[3:], "clock=unpaced", "topic=page")


# --- Secrets


def command_lines() -> bytes:
    """Of all processes that run now."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # ended meanwhile
            found.append(path.read_bytes())
    return b"\n".join(found)


@contextmanager
def watching_processes() -> Iterator[set[bytes]]:
    """What stands on command lines while the block runs; looked at many times a second."""
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            seen.update(command_lines().split(b"\n"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file, byte by byte; of a table also its cells, which may be compressed in the file. And the names of all."""
    for path in sorted(folder.rglob("*")):
        yield path, str(path).encode()
        if path.is_file():
            yield path, path.read_bytes()
        if path.suffix == ".parquet" and path.is_file():
            yield path, str(pl.read_parquet(path).rows()).encode()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at the command lines of processes in /proc")
def test_no_secret_is_left_anywhere(secured: EmbeddedBroker, security: Security, tmp_path: Path) -> None:
    password, key_password, wrong = (f"canary{secrets.token_hex(12)}" for _ in range(3))
    add_user(secured, "canary", password)
    allow(secured, "canary", "READ", "WRITE", "CREATE")
    files = tmp_path / "files"
    files.mkdir()
    (files / "key_password").write_text(key_password)
    certificate, key = security.authority.issue("canary", key_password).written(files, "canary")
    own = [f"ssl.certificate={certificate}", f"ssl.key={key}", f"ssl.key_password_file={files / 'key_password'}"]
    client = [*security.scram("canary"), *(f"broker.security.{word}" for word in own)]
    runs = tmp_path / "runs"
    runs.mkdir()
    kafka = ["output=kafka", "output.topic=canary-out", "dead_letters=kafka", "faults=[corrupt]"]
    with watching_processes() as seen:
        said = simulator(runs, *SMALL, *client, *kafka, "topic=canary", "hydra.run.dir=run", password=password)
        said += simulator(
            runs, *PRODUCE, *client, "sink.workers=2", "topic=canary-workers", "hydra.run.dir=workers", password=password
        )
        said += simulator(runs, *PRODUCE, *client, "hydra.run.dir=failed", password=wrong, code=3)
        said += simulator(runs, "-m", *PRODUCE, *client, "seed=1,2", "hydra.sweep.dir=sweep", password=password)
    assert "\nmatch\n" in said
    assert (runs / "sweep" / "sweep.parquet").is_file()
    assert (runs / "run" / "checkpoint").is_dir()
    assert b"${oc.env:KAFKA_PASSWORD}" in (runs / "run" / ".hydra" / "overrides.yaml").read_bytes()
    assert any(b"pipelines" in line for line in seen)
    assert any(b"java" in line and b"SparkSubmit" in line for line in seen)
    looked_at = [("output", said.encode()), *(("process", line) for line in seen), *contents(runs)]
    for secret in (password, key_password, wrong):
        assert [place for place, content in looked_at if secret.encode() in content] == []
