"""Runs a plan: the aggregation, and beside it, once there is need, the query of the rejected records."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pipelines.checkpoint import CHECKPOINT
from pipelines.errors import UnreachableError
from pipelines.failures import condense
from pipelines.outputs import open_output
from pipelines.rejected import Rejected
from pipelines.sources import check_reachable, open_source
from pipelines.stream import Stream, StreamPlan
from pipelines.views import define_views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

    from pipelines.drain import EndOffsets
    from pipelines.plan import Plan
    from pipelines.progress import Report

_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Binding:
    """What a plan leaves open.

    Attributes:
        directory: of the run: checkpoints, and whatever paths the plan has.
        record: a folder that gets every batch's rows as Parquet, or None.
        show: takes the text of each batch that is printed. Called from another thread.
        earlier: the reports of batches that were done before, by a process that has ended.
    """

    directory: Path
    record: Path | None
    show: Callable[[str], None]
    earlier: tuple[Report, ...] = ()


@final
class Run:
    """A plan that runs from the moment this is made.

    Raises:
        UnreachableError: no broker answers, or Spark refuses the query.
    """

    def __init__(self, spark: SparkSession, plan: Plan, binding: Binding) -> None:
        check_reachable(plan.source.options)
        check_reachable(plan.output.options)
        check_reachable(plan.dead_letters.output.options)
        # A session of its own in the same Spark: views and settings are gone with it.
        self._spark = spark.newSession()
        self._plan = plan
        self._directory = binding.directory
        self._reports: list[Report] = []
        self._end_offsets: EndOffsets | None = None
        self._main_is_drained = False
        try:
            self._main = self._start(binding)
            try:
                letters = open_output(plan.dead_letters.output, self._directory, binding.show)
                self._rejected = Rejected(self._spark, plan, letters, self._directory / CHECKPOINT)
                self._rejected.follow(list(binding.earlier))
            except BaseException:
                self._main.stop()
                raise
        except Exception as error:  # noqa: BLE001  # whatever it was, the user gets one line and the log the rest
            _log.exception("Spark refused the query")
            raise UnreachableError(f"Spark refused the query: {condense(error)}") from None

    def reports(self) -> list[Report]:
        """The reports of the micro-batches that have ended since the last call."""
        self._collect()
        reports, self._reports = self._reports, []
        return reports

    def check(self) -> None:
        """See that the queries have not failed.

        Raises:
            UnreachableError: one has; one line with the root cause.
        """
        failure = self._main.failure() or self._rejected.failure()
        if failure is not None:
            raise UnreachableError(f"the Spark query failed: {failure}")

    def is_listening(self) -> bool:
        """Whether what comes to the source from now on will be read."""
        return self._main.is_listening()

    def begin_drain(self, end_offsets: EndOffsets | None) -> None:
        """Start to process all up to the given end; None: all that is there."""
        self._end_offsets = end_offsets
        self._main.begin_drain(end_offsets)

    def is_drained(self) -> bool:
        """Whether the drain has come to its end, with the rejected records set aside; to be asked again and again."""
        if not self._main_is_drained:
            if not self._main.is_drained():
                return False
            self._main.stop()
            self._collect()  # the last reports, which may be the first to tell of rejected records
            self._main_is_drained = True
            self._rejected.begin_drain(self._end_offsets)
        return self._rejected.is_drained()

    def stop(self) -> None:
        """Stop the queries at once. The reports of what they did can still be read."""
        self._main.stop()
        self._rejected.stop()

    def _collect(self) -> None:
        reports = self._main.read()
        self._reports += reports
        self._rejected.follow(reports)

    def _start(self, binding: Binding) -> Stream:
        output = open_output(self._plan.output, self._directory, binding.show)
        if binding.record is not None:
            binding.record.mkdir(parents=True, exist_ok=True)
        records = open_source(self._spark, self._plan.source, self._directory)
        rows = define_views(self._spark, records, self._plan)
        checkpoint = self._directory / CHECKPOINT
        return Stream(rows, StreamPlan(output, binding.record, checkpoint, self._plan.output.mode, self._plan.trigger))
