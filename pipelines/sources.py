"""Opens the source of a plan as a streaming DataFrame."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from pipelines.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from pipelines.plan import Source

SERVERS_OPTION = "kafka.bootstrap.servers"

_REACH_SECONDS = 5.0
_RETRY_SECONDS = 0.2


def open_source(spark: SparkSession, source: Source, directory: Path) -> DataFrame:
    """The records of a source, not yet read.

    A source of files has the column `file`, each record's file name, beside its own: Spark's hidden column `_metadata`
    would not pass through a view. Its folder is created when it is missing: a pipeline can start before its producer.
    """
    reader = spark.readStream.format(source.format).options(**source.options)
    if source.ddl is not None:
        reader = reader.schema(source.ddl)
    if source.path is None:
        return reader.load()
    folder = directory / source.path
    folder.mkdir(parents=True, exist_ok=True)
    return reader.load(str(folder)).selectExpr("*", "_metadata.file_name AS file")


def check_reachable(options: Mapping[str, str]) -> None:
    """Check that one of the Kafka servers named in some options, if any is, takes connections.

    Spark itself would retry for minutes.

    Raises:
        UnreachableError: none did within 5 seconds.
    """
    servers = options.get(SERVERS_OPTION)
    if servers is None:
        return
    deadline = time.monotonic() + _REACH_SECONDS
    while not any(_connects(server.strip()) for server in servers.split(",")):
        if time.monotonic() > deadline:
            raise UnreachableError(f"no Kafka broker takes connections at {servers}")
        time.sleep(_RETRY_SECONDS)


def _connects(server: str) -> bool:
    host, _, port = server.rpartition(":")
    try:
        # Some brokers are written with the name of their protocol, and an IPv6 address stands in brackets.
        with socket.create_connection((host.rpartition("/")[2].strip("[]"), int(port)), timeout=_REACH_SECONDS / 4):
            return True
    except (OSError, ValueError, OverflowError):
        return False
