"""One running query: start, reports, drain, stop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pipelines.batches import Batch, record
from pipelines.checkpoint import Checkpoint
from pipelines.drain import Drain
from pipelines.failures import query_failure
from pipelines.progress import ProgressReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame

    from pipelines.drain import EndOffsets
    from pipelines.outputs import BatchOutput
    from pipelines.progress import Report

# A first batch over a large backlog may take minutes, but by then it reads: its offsets are fixed.
_FIRST_BATCH_PATIENCE_SECONDS = 10.0


@final
@dataclass(frozen=True)
class StreamPlan:
    """How a query runs.

    Attributes:
        output: where its batches go.
        record: a folder that gets a copy of every batch, or None.
        checkpoint: where Spark keeps what it needs to go on after a restart.
        mode: Spark's output mode.
        trigger: time between micro-batches.
    """

    output: BatchOutput
    record: Path | None
    checkpoint: Path
    mode: str
    trigger: str


@final
class Stream:
    """A query that runs from the moment this is made."""

    def __init__(self, frame: DataFrame, plan: StreamPlan) -> None:
        Checkpoint(plan.checkpoint).clear_unplanned()
        self._query = (
            frame.writeStream.outputMode(plan.mode)
            .trigger(processingTime=plan.trigger)
            .option("checkpointLocation", str(plan.checkpoint))
            .foreachBatch(_writer(plan))
            .start()
        )
        self._reader = ProgressReader(self._query)
        self._started = time.monotonic()
        self._last: Report | None = None
        self._drain: Drain | None = None

    def read(self) -> list[Report]:
        """The reports of the batches that have ended since the last call."""
        reports = self._reader.read()
        if reports:
            self._last = reports[-1]
        if self._drain is not None:
            for report in reports:
                self._drain.note(report)
        return reports

    def is_listening(self) -> bool:
        """Whether the source's first offsets are fixed: what comes from now on will be read.

        Usually that is when the first micro-batch has ended, with Java warm and the state stores open.
        """
        if self._last is not None:
            return True
        status = self._query.status
        if status["message"].startswith("Waiting"):  # for data or for the next trigger: the source was looked at
            return True
        return status["message"] == "Processing new data" and time.monotonic() - self._started > _FIRST_BATCH_PATIENCE_SECONDS

    def failure(self) -> str | None:
        """Why the query ended by itself, as one line; None if it did not."""
        return query_failure(self._query)

    def begin_drain(self, end_offsets: EndOffsets | None) -> None:
        """Start to wait until all up to the given end is processed; None: all that is there."""
        self._drain = Drain(self._query, end_offsets, self._last)

    def is_drained(self) -> bool:
        """Whether a drain was begun and has come to its end."""
        return self._drain is not None and self._drain.is_done()

    def stop(self) -> None:
        """Stop the query, at once; a micro-batch that is under way will be done again after a restart."""
        self._query.stop()


def _writer(plan: StreamPlan) -> Callable[[DataFrame, int], None]:
    def write(frame: DataFrame, number: int) -> None:
        batch = Batch(frame, number)
        if not plan.output.distributed:
            _write(batch, plan, empty=batch.table.num_rows == 0)
            return
        frame.persist()
        try:
            _write(batch, plan, empty=frame.isEmpty())
        finally:
            frame.unpersist()

    return write


def _write(batch: Batch, plan: StreamPlan, *, empty: bool) -> None:
    if empty:
        return
    if plan.record is not None:
        record(batch, plan.record)
    plan.output.write(batch)
