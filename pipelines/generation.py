"""Generates a plan's records on Spark and sends them to Kafka, for a parent process: `python -m pipelines.generation`.

It is spoken to in JSON lines, as `python -m pipelines --serve` is:

    {"command": "warm", "properties": {…}}           start Spark with these properties; gives `warm`
    {"command": "start", "options": {…}, "kafka": {…}, "checkpoint": …}
                                                     options of the source and of the sink; gives `progress` …, then `done`
    {"command": "stop"}                              let the micro-batch that is under way be the last
    {"command": "forget"}                            remove the states of the last start; gives `forgotten`

`progress` has `records`, sent and acknowledged so far, the `instant` of the market up to before which they are, and `elapsed`,
seconds since the first micro-batch began. `done` has the last of these, `stopped`, and `symbols`: of each its name, its
partition, the number of its records, and their hash chain. `error` has a message and an exit code.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, final

from pipelines.errors import EXIT_OK, EXIT_UNREACHABLE, BadPlanError, PipelineError, UnreachableError
from pipelines.failures import condense, query_failure
from pipelines.protocol import Channel, Exit
from pipelines.serving import listen
from pipelines.sources import check_reachable
from pipelines.stdio import take_stdout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from pipelines.progress import Report

_TICK_SECONDS = 0.05

_log = logging.getLogger(__name__)


@final
class Generation:
    """The query that generates, from the moment this is made, and the job that computes the digest at its end.

    Raises:
        UnreachableError: Spark refuses the query.
    """

    def __init__(self, spark: SparkSession, start: Mapping[str, Any], channel: Channel) -> None:
        from pipelines.market import INSTANT, DigestSource, MarketSource  # noqa: PLC0415  # needs pyspark, which takes a second
        from pipelines.progress import ProgressReader  # noqa: PLC0415  # as above

        check_reachable(start["kafka"])
        self._spark, self._options, self._channel = spark, start["options"], channel
        self._stop = Path(self._options["stop"])
        spark.dataSource.register(MarketSource)
        spark.dataSource.register(DigestSource)
        records = spark.readStream.format("market").options(**self._options).load()
        writer = records.writeStream.format("kafka").options(**start["kafka"])
        self._query: StreamingQuery = writer.option("checkpointLocation", start["checkpoint"]).start()
        self._reader = ProgressReader(self._query)
        self._first: datetime | None = None
        self._standing: dict[str, Any] = {"records": 0, INSTANT: 0, "elapsed": 0.0}

    def request_stop(self) -> None:
        """Let the micro-batch that is under way be the last."""
        self._stop.touch()

    def end(self) -> None:
        """Break it off."""
        self._query.stop()

    def advance(self) -> bool:
        """Pass on what the query has done; tells whether it is over, with its digest.

        Raises:
            UnreachableError: the query has failed; one line with the root cause.
        """
        from pipelines.market import OVER, STOPPED  # noqa: PLC0415  # as above

        for report in self._reader.read():
            over = self._note(report).get(OVER)
            self._channel.send("progress", **self._standing)
            if over is not None:
                self._query.stop()
                self._channel.send("done", **self._standing, stopped=over == STOPPED, symbols=self._symbols())
                return True
        failure = query_failure(self._query)
        if failure is not None:
            raise UnreachableError(f"the Spark job that generates failed: {failure}")
        return False

    def _note(self, report: Report) -> dict[str, Any]:
        """Take account of a micro-batch that has ended; gives the source's offset after it."""
        begun = datetime.fromisoformat(report["timestamp"].replace("Z", "+00:00"))
        self._first = self._first or begun
        took = report["duration_ms"].get("triggerExecution", 0) / 1000
        offset: dict[str, Any] = report["sources"][0]["end_offset"]
        if report["rows"]:
            self._standing["elapsed"] = (begun - self._first).total_seconds() + took
        self._standing |= {"records": self._standing["records"] + report["rows"], "instant": offset["instant"]}
        return offset

    def _symbols(self) -> list[list[Any]]:
        options = {**self._options, "until": str(self._standing["instant"])}
        table = self._spark.read.format("market_digest").options(**options).load().toArrow()
        return [list(row.values()) for row in table.to_pylist()]


@final
class GenerationServer:
    """Obeys commands; all of Spark is called from its one thread."""

    def __init__(self, channel: Channel, commands: queue.SimpleQueue[dict[str, Any] | Exit]) -> None:
        from pipelines.session import Sessions  # noqa: PLC0415  # needs pyspark

        self._channel, self._commands = channel, commands
        self._sessions = Sessions()
        self._properties: dict[str, str] = {}
        self._options: dict[str, str] = {}
        self._generation: Generation | None = None

    def serve(self) -> None:
        """Obey until told to exit."""
        while not isinstance(command := self._next(), Exit):
            self._obey(command)
        self._end()
        self._sessions.stop()

    def _obey(self, command: dict[str, Any] | None) -> None:
        try:
            self._step(command)
        except PipelineError as error:
            self._give_up(str(error), error.exit_code)
        except Exception as error:  # noqa: BLE001  # whatever it was, the user gets one line and the log the rest
            _log.exception("unexpected failure")
            self._give_up(condense(error), EXIT_UNREACHABLE)

    def _next(self) -> dict[str, Any] | Exit | None:
        try:
            return self._commands.get(timeout=None if self._generation is None else _TICK_SECONDS)
        except queue.Empty:
            return None

    def _step(self, command: dict[str, Any] | None) -> None:
        name = None if command is None else command.get("command")
        if command is not None and name == "warm":
            self._properties = command["properties"]
            self._channel.send("warm", version=self._sessions.get(self._properties).version)
        elif command is not None and name == "start":
            self._options = command["options"]
            self._generation = Generation(self._sessions.get(self._properties), command, self._channel)
        elif name == "stop":
            if self._generation is not None:
                self._generation.request_stop()
        elif name == "forget":
            self._forget()
        elif name is not None:
            raise BadPlanError(f"unknown command {name!r}")
        if self._generation is not None and self._generation.advance():
            self._generation = None

    def _forget(self) -> None:
        from pipelines.market import job_of  # noqa: PLC0415  # as above

        states = job_of(self._options).states
        if states is not None:
            states.remove()
        self._channel.send("forgotten")

    def _give_up(self, message: str, exit_code: int) -> None:
        self._end()
        self._channel.send("error", message=message, exit_code=exit_code)

    def _end(self) -> None:
        generation, self._generation = self._generation, None
        if generation is not None:
            generation.end()


def serve(lines: Iterable[str], stream: TextIO) -> int:
    """Serve until the lines end (the parent closed the pipe or died) or SIGTERM; return the exit code."""
    GenerationServer(Channel(stream), listen(lines, json.loads)).serve()
    return EXIT_OK


if __name__ == "__main__":
    taken = take_stdout()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("py4j").setLevel(logging.ERROR)
    sys.exit(serve(sys.stdin, taken))
