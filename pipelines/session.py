"""The Spark session of this process: one at a time, kept while it can serve what plans ask for."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pyspark import SparkConf, SparkContext, java_gateway
from pyspark.sql import SparkSession

from pipelines.errors import JavaEndedError, UnreachableError
from pipelines.failures import condense

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEFAULTS = {
    "spark.ui.showConsoleProgress": "false",
    # The reports that Spark keeps for `ProgressReader`, which comes for them many times a second.
    "spark.sql.streaming.numRecentProgressUpdates": "1000",
    # Microseconds that say they are UTC, in place of an old format of nanoseconds that does not.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Hadoop gives files its own permissions, whatever this process's mask is: what a run writes is for its user alone.
    "spark.hadoop.fs.permissions.umask-mode": "077",
    # Options of sources and outputs that Spark's messages and pages show as stars: beside its own, those of Kafka with secrets.
    "spark.sql.redaction.options.regex": "(?i)url|jaas|password|keystore",
}
_PACKAGES, _IVY, _MASTER, _NAME = "spark.jars.packages", "spark.jars.ivy", "spark.master", "spark.app.name"
_DEFAULT_IVY = "~/.ivy2.5.2"
# What a plan for one machine says of it.
_ONE_MACHINE = ("spark.driver.host", "spark.driver.bindAddress", "spark.sql.streaming.checkpointFileManagerClass")
_JAVA_END_SECONDS = 5.0
_JAVA_DIES_SECONDS = 0.5
_PAGE_ADDRESS, _LOOPBACK = "SPARK_LOCAL_IP", "127.0.0.1"

_log = logging.getLogger(__name__)


def is_submitted() -> bool:
    """Whether `spark-submit` started this process: then the JVM is there already, and is not ours to end."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


@final
class Sessions:
    """Starts, keeps and ends the session."""

    def __init__(self) -> None:
        self._properties: dict[str, str] = {}
        self._spark: SparkSession | None = None

    def get(self, properties: Mapping[str, str]) -> SparkSession:
        """A session with the given Spark properties: the present one, where Spark lets what differs be set while it runs.

        Otherwise another JVM: some properties, such as packages and memory, only count when it starts.

        Raises:
            UnreachableError: there is no Java, or Spark did not start.
        """
        wanted = _effective({**_DEFAULTS, **properties})
        if self._spark is not None and _is_alive(self._spark) and _adapt(self._spark, self._properties, wanted):
            self._properties = wanted
            return self._spark
        self.stop()
        self._spark, self._properties = _start(wanted), wanted
        return self._spark

    def has_lost_java(self) -> bool:
        """Whether the JVM of the session has ended without being asked to; waits a little for one that is about to."""
        gateway = SparkContext._gateway  # noqa: SLF001  # see `_end_java`
        if self._spark is None or gateway is None or is_submitted() or _is_alive(self._spark):
            return False
        try:
            gateway.proc.wait(_JAVA_END_SECONDS)
        except subprocess.TimeoutExpired:  # Spark was stopped in a JVM that lives on
            return False
        return True

    def stop(self) -> None:
        """End the session and its JVM, if there is one."""
        spark, self._spark = self._spark, None
        if spark is not None:
            with suppress(Exception):  # a JVM that died has nothing left to stop
                spark.stop()
        _end_java()


def _adapt(spark: SparkSession, present: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Set what differs between two sets of properties; False, and nothing done, where that takes another JVM."""
    # The application's name is only shown: a session keeps that of its first plan.
    different = {key for key in {**present, **wanted} if present.get(key) != wanted.get(key)} - {_NAME}
    if not all(spark.conf.isModifiable(key) for key in different):
        return False
    for key in different:
        if key in wanted:
            spark.conf.set(key, wanted[key])
        else:
            spark.conf.unset(key)
    return True


def _effective(properties: dict[str, str]) -> dict[str, str]:
    if is_submitted():
        SparkContext._ensure_initialized()  # noqa: SLF001  # until it is connected to the JVM, PySpark sees no properties
        # What was said to spark-submit goes before the plan; but its name for the application is only the script's.
        given = {key: value for key, value in SparkConf().getAll() if key != _NAME}
        properties = {**properties, **given}
    if not properties.get(_MASTER, "local").startswith("local"):
        # A plan for one machine binds the driver to it alone, where the executors of a cluster could not reach it, and has the
        # checkpoint on its disk.
        properties = {key: value for key, value in properties.items() if key not in _ONE_MACHINE}
    return properties


def _start(properties: dict[str, str]) -> SparkSession:
    _check_java()
    _bind_page(properties)
    builder = SparkSession.builder
    for key, value in properties.items():
        builder = builder.config(key, value)
    on_interrupt = signal.getsignal(signal.SIGINT)
    started: list[subprocess.Popen[bytes]] = []
    try:
        with _ivy_lock(properties) if _PACKAGES in properties else nullcontext(), _noting_java(started):
            spark = builder.getOrCreate()
        spark.sparkContext.setLogLevel("WARN")
    except Exception as error:  # noqa: BLE001  # whatever it was, the user gets one line and the log the rest
        _log.exception("Spark did not start")
        was_killed = any(_ended_by_signal(java) for java in started)
        _end_java()
        if was_killed:
            raise JavaEndedError("Java was killed while Spark started") from None
        packages = f" (are {properties[_PACKAGES]} within reach?)" if _PACKAGES in properties else ""
        raise UnreachableError(f"Spark did not start{packages}: {condense(error)}") from None
    finally:
        # The builder would hand properties on to the next session, and PySpark takes Ctrl-C for itself.
        builder._options.clear()  # noqa: SLF001  # there is no public way
        signal.signal(signal.SIGINT, on_interrupt)
    return spark


@contextmanager
def _noting_java(started: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Note the process of Java that PySpark starts: where it ends before it has answered, PySpark does not say how."""
    names = vars(java_gateway)
    popen = names["Popen"]

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401  # as Popen has them
        process: subprocess.Popen[bytes] = popen(*arguments, **options)
        started.append(process)
        return process

    names["Popen"] = start
    try:
        yield
    finally:
        names["Popen"] = popen


def _ended_by_signal(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has; one that is about to end is waited for a moment, as its sockets are closed before it is gone."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_JAVA_DIES_SECONDS)
    return process.returncode is not None and process.returncode < 0


def _bind_page(properties: Mapping[str, str]) -> None:
    """Spark's web page listens where this variable says, and nowhere else can it be told to keep to the loopback."""
    address = properties.get("spark.driver.bindAddress")
    if os.environ.get(_PAGE_ADDRESS) == _LOOPBACK:
        del os.environ[_PAGE_ADDRESS]  # of an earlier session; a cluster's executors have to reach the next
    if address == _LOOPBACK:
        os.environ.setdefault(_PAGE_ADDRESS, address)


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if home is not None and not os.access(Path(home) / "bin" / "java", os.X_OK):
        raise UnreachableError(f"JAVA_HOME={home} has no bin/java; Spark needs Java 17 or 21")
    if home is None and shutil.which("java") is None:
        raise UnreachableError("no java on PATH and no JAVA_HOME; Spark needs Java 17 or 21")


def _is_alive(spark: SparkSession) -> bool:
    try:
        return not spark.sparkContext._jsc.sc().isStopped()  # noqa: SLF001  # PySpark has no public question for it
    except Exception:  # noqa: BLE001  # whatever goes wrong in asking, the answer is no
        return False


@contextmanager
def _ivy_lock(properties: Mapping[str, str]) -> Iterator[None]:
    """Hold Ivy's cache alone: two Sparks that resolve packages into it at once spoil each other's files."""
    folder = Path(properties.get(_IVY, _DEFAULT_IVY)).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".pipelines.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _end_java() -> None:
    gateway = SparkContext._gateway  # noqa: SLF001  # PySpark keeps the JVM until its process ends
    if gateway is None or is_submitted():
        return
    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001  # the next session starts another
    java: subprocess.Popen[bytes] = gateway.proc
    with suppress(Exception):
        gateway.shutdown()
    # The JVM ends, and tidies up, when its stdin does.
    if java.stdin is not None:
        java.stdin.close()
    try:
        java.wait(_JAVA_END_SECONDS)
    except subprocess.TimeoutExpired:
        java.kill()
        java.wait()
