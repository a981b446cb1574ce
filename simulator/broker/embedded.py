"""A real Apache Kafka for one run: a single KRaft node in a child process, on this machine's loopback only."""

from __future__ import annotations

import base64
import errno
import os
import re
import shutil
import socket
import struct
import subprocess
import textwrap
import time
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, final

from simulator.broker.cluster import Cluster
from simulator.broker.jars import kafka_classpath, to_stderr
from simulator.cache import file_lock
from simulator.child import Child, start_child
from simulator.class_data import kafka_options
from simulator.errors import BadConfigError, UnreachableError
from simulator.java import find_java_home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

DEFAULT_VERSION = "4.3.1"
OPTIONS_VARIABLE = "MARKET_SIMULATOR_KAFKA_OPTS"
"""Environment variable: more options of the broker's JVM. Not `KAFKA_OPTS`, which may be meant for another Kafka."""
_HOST = "127.0.0.1"
DEFAULT_TIMEOUT_SECONDS = 30.0
_PRODUCER_IDS_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.02
_LEAST_FREE_MEBIBYTES = 256
_ATTEMPTS = 4
_LOG_BYTES = 1 << 20
_TAIL_CHARACTERS = 400
_TAIL_LINES = 3
_STARTED = "Kafka Server started"
_PORT_TAKEN = "Address already in use"
_TROUBLE = re.compile(r"\b(ERROR|FATAL|OutOfMemoryError|Error occurred)\b")

# All paths are relative to the broker's folder, in which it runs: Kafka and log4j split lists of paths at commas, and
# folders of sweeps have commas in their names. The internal topics have one partition each, and the log cleaner's
# buffer is small (128 MB by default), because a run has few consumer groups and lives in a small heap.
_SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}{listeners}
advertised.listeners=PLAINTEXT://{host}:{port}{listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map={protocols}
log.dirs=data/kafka
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
default.replication.factor=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=8388608
"""
# Kafka's own default leaves out the controller's as soon as another listener has TLS or SASL.
_PROTOCOLS = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"
_LISTENERS = "listeners"
_LOGGING_PROPERTIES = """\
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %-5p %c{1}: %m%n
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=INFO
logger.sockets.name=kafka.network.SocketServer
logger.sockets.level=INFO
logger.version.name=org.apache.kafka.common.utils.AppInfoParser
logger.version.level=INFO
"""


@final
class EmbeddedBroker:
    """A Kafka broker that lives as long as the `with` block, and never longer than this process.

    Args:
        directory: Its folder, created when missing: `server.properties`, `log4j2.properties`, `broker.log`, `data/`.
        version: Apache Kafka's version.
        port: The port for clients; None takes a free one.
        keep: Leave `data/` there at the stop; the next broker in this folder goes on with it. The rest always stays.
        heap_megabytes: The JVM's largest heap, in MiB.
        properties: Further properties of the broker; they override those that it is given here. But `listeners` come beside
            its own, on the same address.
        java_options: More for the broker's JVM; None: its archive of class data, and `MARKET_SIMULATOR_KAFKA_OPTS`.
        timeout_seconds: How long the start may take, not counting the fetching of jars.
        on_progress: Receives one-line messages while Kafka's jars are being fetched.

    Attributes:
        log_path: What the broker writes to stdout and stderr; each start begins it anew.

    Examples:
        >>> with EmbeddedBroker(run_directory) as broker:  # doctest: +SKIP
        ...     producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    """

    def __init__(  # noqa: PLR0913  # by keyword, one for each setting of the group `broker`
        self,
        directory: Path,
        *,
        version: str = DEFAULT_VERSION,
        port: int | None = None,
        keep: bool = False,
        heap_megabytes: int = 512,
        properties: Mapping[str, str] | None = None,
        java_options: Sequence[str] | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        on_progress: Callable[[str], None] = to_stderr,
    ) -> None:
        self.log_path = directory / "broker.log"
        self._directory = directory
        self._data = directory / "data"
        self._version = version
        self._requested_port = port
        self._keep = keep
        self._heap_megabytes = heap_megabytes
        self._properties = dict(properties or {})
        self._given_java_options = java_options
        self._timeout_seconds = timeout_seconds
        self._on_progress = on_progress
        self._port = 0
        self._child: Child | None = None
        self._resources = ExitStack()

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, `127.0.0.1:PORT`.

        Raises:
            UnreachableError: The broker was never started.
        """
        if self._port == 0:
            raise UnreachableError("the embedded broker is not running")
        return f"{_HOST}:{self._port}"

    @property
    def cluster(self) -> Cluster:
        """The same for this program's own clients: neither TLS nor a user.

        Raises:
            UnreachableError: The broker was never started.
        """
        return Cluster(self.bootstrap_servers)

    @property
    def process_id(self) -> int | None:
        """The process id of the broker's JVM, None before the start and after the stop."""
        return None if self._child is None else self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the broker's process runs."""
        return self._child is not None and self._child.poll() is None

    def check(self) -> None:
        """Do nothing while the broker runs.

        Raises:
            UnreachableError: It has died (one line with the end of its log), or was never started, or was stopped.
        """
        if self._child is None:
            raise UnreachableError("the embedded broker is not running")
        code = self._child.poll()
        if code is not None:
            raise UnreachableError(f"the embedded broker died (exit code {code}): {self._log_tail()}")

    def start(self) -> None:
        """Start the broker and return when clients can produce and consume; about 3 s, longer when jars are fetched.

        Raises:
            BadConfigError: Something else listens on the port that was asked for, or may not be listened on, or a listener
                is not on this machine's loopback.
            UnreachableError: No Java, no jars, no disk space, another broker in the folder, or it is not ready in
                time; one line.
        """
        if self._child is not None:
            raise RuntimeError("the embedded broker is already started")
        _check_listeners(self._properties.get(_LISTENERS, ""))
        with ExitStack() as stack:
            self._prepare_directory()
            if self._requested_port is not None:
                _check_port(self._requested_port)
            stack.enter_context(file_lock(self._directory / "broker.lock", on_wait=self._refuse_to_share))
            java = find_java_home() / "bin" / "java"
            classpath = kafka_classpath(self._version, self._on_progress)
            if not self._keep:
                stack.callback(shutil.rmtree, self._data, ignore_errors=True)
            command = [str(java), "-cp", os.pathsep.join(map(str, classpath)), *self._java_options()]
            self._child = self._launch(command)
            stack.callback(self._forget)
            stack.callback(self._child.stop)
            self._resources = stack.pop_all()

    def stop(self) -> None:
        """Stop the broker (SIGTERM, after 10 s SIGKILL) and remove its data unless kept. Harmless when not running."""
        self._resources.close()

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def _forget(self) -> None:
        self._child = None

    def _refuse_to_share(self) -> None:
        raise UnreachableError(f"another embedded broker runs in {self._directory}; stop it or use another folder")

    def _prepare_directory(self) -> None:
        temporary = self._data / "tmp"
        try:
            temporary.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._directory).free >> 20
        except OSError as error:
            raise UnreachableError(f"cannot use {self._directory} for the broker: {error.strerror}") from error
        if free < _LEAST_FREE_MEBIBYTES:
            raise UnreachableError(
                f"{free} MiB are free at {self._directory} and the broker needs {_LEAST_FREE_MEBIBYTES}; free some "
                "space or run elsewhere"
            )

    def _java_options(self) -> tuple[str, ...]:
        # Native libraries are unpacked into the temporary folder: it goes with the data, even after a SIGKILL.
        return (
            "-Djava.awt.headless=true",
            "-Djava.io.tmpdir=data/tmp",
            "-Dlog4j2.configurationFile=log4j2.properties",
            "-XX:-UsePerfData",
        )

    def _server_options(self) -> Sequence[str]:
        if self._given_java_options is not None:
            return self._given_java_options
        return (*kafka_options(self._version), *os.environ.get(OPTIONS_VARIABLE, "").split())

    def _launch(self, java: Sequence[str]) -> Child:
        """Start Kafka; on other ports if those found free were taken by the time that it listened."""
        for _ in range(_ATTEMPTS):
            self._port, controller_port = _free_ports(self._requested_port)
            self._write_settings(controller_port)
            with self.log_path.open("wb") as log:
                self._format_storage(java, log)
                child = start_child(
                    [*java, f"-Xmx{self._heap_megabytes}m", *self._server_options(), "kafka.Kafka", "server.properties"],
                    stdout=log,
                    cwd=self._directory,
                )
            try:
                self._await_ready(child)
            except BaseException as error:
                child.stop()
                if not (isinstance(error, UnreachableError) and _PORT_TAKEN in self._log()):
                    raise
                if self._requested_port is not None and f":{self._requested_port}:" in self._log():
                    raise _port_fault(self._requested_port, _PORT_TAKEN) from error
            else:
                return child
        raise UnreachableError(f"the embedded broker found no free port in {_ATTEMPTS} attempts; see {self.log_path}")

    def _write_settings(self, controller_port: int) -> None:
        own = dict(self._properties)
        listeners = "".join(f",{listener}" for listener in _listed(own.pop(_LISTENERS, "")))
        places = {"host": _HOST, "port": self._port, "controller_port": controller_port, "listeners": listeners}
        server = _SERVER_PROPERTIES.format(protocols=_PROTOCOLS, **places)
        # Of a property that is there twice, the later line counts.
        server += "".join(f"{name}={_escaped(value)}\n" for name, value in own.items())
        (self._directory / "server.properties").write_text(server, encoding="utf-8")
        (self._directory / "log4j2.properties").write_text(_LOGGING_PROPERTIES, encoding="utf-8")

    def _format_storage(self, java: Sequence[str], log: BinaryIO) -> None:
        if (self._data / "kafka" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # For half a second of work the optimising compiler and the parallel collector only cost time.
        quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *kafka_options(self._version))
        # Joined by "=": one id in 64 begins with a hyphen and would be taken for an option.
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config=server.properties")
        with start_child([*java, *quick, *tool], stdout=log, cwd=self._directory) as child:
            try:
                code = child.wait(self._timeout_seconds)
            except subprocess.TimeoutExpired:
                code = -1
        if code != 0:
            raise UnreachableError(f"cannot format the embedded broker's storage: {self._log_tail()}")

    def _await_ready(self, child: Child) -> None:
        from simulator.broker.topics import await_broker  # noqa: PLC0415  # the client library, loaded while Kafka starts

        deadline = time.monotonic() + self._timeout_seconds
        # Its own log and not only the port: another process may have taken the port, and answer on it.
        while _STARTED not in self._log():
            code = child.poll()
            if code is not None:
                raise UnreachableError(f"the embedded broker did not start (exit code {code}): {self._log_tail()}")
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"the embedded broker was not ready within {self._timeout_seconds:g} s: {self._log_tail()}"
                )
            time.sleep(_POLL_SECONDS)
        await_broker(self.cluster, deadline - time.monotonic())
        _await_producer_ids(self._port)

    def _log(self) -> str:
        """Return the log, of a very long one the end."""
        with self.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - _LOG_BYTES))
            return log.read().decode(errors="replace")

    def _log_tail(self) -> str:
        """Return the last trouble in the log, or its last lines, condensed to one line that ends with its path."""
        lines = [line.strip() for line in self._log().splitlines()]
        lines = [line for line in lines if line and not line.startswith(("at ", "..."))]  # no stack traces
        troubles = [number for number, line in enumerate(lines) if _TROUBLE.search(line)]
        start = troubles[-1] if troubles else -_TAIL_LINES
        condensed = textwrap.shorten(" | ".join(lines[start:][:_TAIL_LINES]), _TAIL_CHARACTERS, placeholder=" ...")
        return f"{condensed or 'it said nothing'}; see {self.log_path}"


def _listed(listeners: str) -> list[str]:
    return [listener.strip() for listener in listeners.split(",") if listener.strip()]


def _check_listeners(listeners: str) -> None:
    """The embedded broker is for this machine alone, whatever its listeners are."""
    for listener in _listed(listeners):
        if not re.fullmatch(rf"\w+://{re.escape(_HOST)}:\d+", listener):
            raise BadConfigError(f"broker.conf.listeners={listener}: must be NAME://{_HOST}:PORT")


def _escaped(value: str) -> str:
    """A value as Java's files of properties have it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _check_port(port: int) -> None:
    with socket.socket() as client:
        client.settimeout(1.0)
        if client.connect_ex((_HOST, port)) == 0:
            raise _port_fault(port, _PORT_TAKEN)
    try:
        _listen(port).close()
    except OSError as error:
        raise _port_fault(port, _PORT_TAKEN if error.errno == errno.EADDRINUSE else str(error.strerror)) from error


def _port_fault(port: int, reason: str) -> BadConfigError:
    what = "something already listens on" if reason == _PORT_TAKEN else f"{reason.lower()}: cannot listen on"
    return BadConfigError(f"broker.port={port}: {what} {_HOST}:{port}; choose another port or stop it")


def _free_ports(requested: int | None) -> tuple[int, int]:
    """Return the ports for clients and for the controller; both held at once, so that they differ."""
    with _listen(0) as first, _listen(0) as second:
        return requested or first.getsockname()[1], second.getsockname()[1]


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        # As the JVM does: connections of a broker that was here a minute ago do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
    except BaseException:
        listener.close()
        raise
    return listener


def _await_producer_ids(port: int) -> None:
    """Wait until the broker has ids for idempotent producers, or give up silently.

    It gets its first block of them from the controller only when somebody asks, and refuses until then; a client
    library that meets the refusal logs a warning and waits for half a second. So this asks first, in Kafka's protocol:
    InitProducerId (22) version 0, without transactions.
    """
    body = struct.pack(">hhihhi", 22, 0, 1, -1, -1, 60_000)
    request = struct.pack(">i", len(body)) + body
    answer_layout = struct.Struct(">iiihqh")  # length, correlation, throttle time, error, producer id, epoch
    deadline = time.monotonic() + _PRODUCER_IDS_TIMEOUT_SECONDS
    try:
        with socket.create_connection((_HOST, port), timeout=1.0) as connection, connection.makefile("rb") as answers:
            while time.monotonic() < deadline:
                connection.sendall(request)
                if answer_layout.unpack(answers.read(answer_layout.size))[3] == 0:
                    return
                time.sleep(_POLL_SECONDS)
    except (OSError, struct.error):  # a courtesy to the log: clients get by without
        return
