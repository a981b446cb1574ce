"""Sets the rejected records aside, as they came: a second query, started when the first tells that there are any."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, final

from pipelines.checkpoint import RECOVERED
from pipelines.stream import Stream, StreamPlan

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from pipelines.drain import EndOffsets
    from pipelines.outputs import BatchOutput
    from pipelines.plan import Plan
    from pipelines.progress import Report

CHECKPOINT = "checkpoint-dead-letters"


@final
class Rejected:
    """The query of the rejected records, if there is need of it. A clean stream costs nothing more.

    It starts where the main query started, so it finds what that one met before; when its own checkpoint is there from
    an earlier run of the same directory, it goes on from that at once.
    """

    def __init__(self, spark: SparkSession, plan: Plan, output: BatchOutput, main_checkpoint: Path) -> None:
        self._spark = spark
        self._plan = plan
        self._output = output
        self._main_checkpoint = main_checkpoint
        self._checkpoint = main_checkpoint.with_name(CHECKPOINT)
        self._stream: Stream | None = None
        if self._checkpoint.exists():
            self._start()

    def follow(self, reports: list[Report]) -> None:
        """Take account of the main query's reports: start when one tells of rejected records."""
        if self._stream is not None:
            self._stream.read()
        elif any(self._tells_of_some(report) for report in reports):
            if self._plan.source.path is None:
                # Where the main query began, as Spark noted it: "latest" would mean another place by now. Whole or not at
                # all: a checkpoint that is there is gone on with after a kill.
                part = self._checkpoint.with_name(f".{CHECKPOINT}.part")
                shutil.rmtree(part, ignore_errors=True)
                shutil.copytree(self._main_checkpoint / "sources", part / "sources")
                part.replace(self._checkpoint)
            self._start()

    def failure(self) -> str | None:
        """Why the query ended by itself, as one line; None if it did not."""
        return None if self._stream is None else self._stream.failure()

    def begin_drain(self, end_offsets: EndOffsets | None) -> None:
        """Start to process all up to the given end; None: all that is there."""
        if self._stream is not None:
            self._stream.begin_drain(end_offsets)

    def is_drained(self) -> bool:
        """Whether there is nothing to do, or a drain has come to its end."""
        return self._stream is None or self._stream.is_drained()

    def stop(self) -> None:
        """Stop the query at once."""
        if self._stream is not None:
            self._stream.stop()

    def _tells_of_some(self, report: Report) -> bool:
        if report.get(RECOVERED):  # nobody knows; a query in vain does no harm
            return True
        watch = self._plan.dead_letters.observe
        counts = report["observed"].get(watch.name, {})
        return any(counts.get(metric) for metric in watch.metrics)

    def _start(self) -> None:
        letters = self._plan.dead_letters
        plan = StreamPlan(self._output, None, self._checkpoint, letters.output.mode, self._plan.trigger)
        self._stream = Stream(self._spark.sql(letters.sql), plan)
