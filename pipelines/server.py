"""Serves runs to a parent process, one after the other, with Spark kept warm between them."""

from __future__ import annotations

import logging
import queue
import time
from typing import TYPE_CHECKING, final

from pipelines.checkpoint import CHECKPOINT
from pipelines.errors import BadPlanError, JavaEndedError, PipelineError, UnreachableError
from pipelines.failures import condense
from pipelines.identity import claim_checkpoint
from pipelines.journal import Journal
from pipelines.protocol import Channel, Command, DrainTo, Exit, Invalid, Start, Stop, Warm
from pipelines.reading import read_plan

if TYPE_CHECKING:
    from pipelines.progress import Report
    from pipelines.runner import Run
    from pipelines.session import Sessions

# The longest time between a batch's end and its report, and between a command and its beginning.
_TICK_SECONDS = 0.05
_LISTEN_SECONDS = 90.0

_log = logging.getLogger(__name__)


@final
class Server:
    """The loop that obeys commands and passes on what the run reports. All of Spark is called from its one thread."""

    def __init__(self, channel: Channel, commands: queue.SimpleQueue[Command]) -> None:
        self._channel = channel
        self._commands = commands
        self._sessions: Sessions | None = None
        self._run: Run | None = None
        self._journal: Journal | None = None
        self._listening = self._draining = False
        self._count = 0
        self._deadline = 0.0

    def serve(self) -> None:
        """Obey until told to exit."""
        while True:
            command = self._next()
            if isinstance(command, Exit):
                break
            try:
                if command is not None:
                    self._obey(command)
                self._advance()
            except PipelineError as error:
                self._give_up(error)
            except Exception as error:  # noqa: BLE001  # whatever it was, the user gets one line and the log the rest
                _log.exception("unexpected failure")
                self._give_up(UnreachableError(condense(error)))
        self._end_run()
        if self._sessions is not None:
            self._sessions.stop()

    def _next(self) -> Command | None:
        try:
            # With nothing running there is nothing to look after meanwhile.
            return self._commands.get(timeout=None if self._run is None else _TICK_SECONDS)
        except queue.Empty:
            return None

    def _obey(self, command: Command) -> None:
        if isinstance(command, Warm):
            spark = self._spark_sessions().get(read_plan(command.plan).spark)
            self._channel.send("warm", version=spark.version)
        elif isinstance(command, Start):
            self._start(command)
        elif isinstance(command, DrainTo):
            if self._run is None:
                raise UnreachableError("nothing runs that could be drained")
            self._run.begin_drain(command.end_offsets)
            self._draining = True
        elif isinstance(command, Stop):
            self._finish("stopped")
        elif isinstance(command, Invalid):
            raise BadPlanError(command.fault)

    def _start(self, command: Start) -> None:
        if self._run is not None:
            raise BadPlanError("a plan is running already")
        plan = read_plan(command.plan).with_options(command.options)
        command.directory.mkdir(parents=True, exist_ok=True)
        checkpoint = command.directory / CHECKPOINT
        claim_checkpoint(plan, checkpoint)
        spark = self._spark_sessions().get(plan.spark)
        from pipelines.runner import Binding, Run  # noqa: PLC0415  # needs pyspark, which a bad plan must not wait for

        self._count, self._listening, self._draining = 0, False, False
        self._journal = None if command.reports is None else Journal(command.reports, checkpoint)
        earlier = [] if self._journal is None else self._journal.resume()
        for report in earlier:
            self._pass_on(report)
        binding = Binding(command.directory, command.record, lambda text: self._channel.send("table", text=text), tuple(earlier))
        self._deadline = time.monotonic() + _LISTEN_SECONDS
        self._run = Run(spark, plan, binding)

    def _spark_sessions(self) -> Sessions:
        if self._sessions is None:
            from pipelines.session import Sessions  # noqa: PLC0415  # as above

            self._sessions = Sessions()
        return self._sessions

    def _advance(self) -> None:
        if self._run is None:
            return
        if not self._listening:
            self._run.check()
            if not self._run.is_listening():
                if time.monotonic() > self._deadline:
                    raise UnreachableError(f"Spark's source gave no answer within {_LISTEN_SECONDS:g} s")
                return
            self._listening = True
            self._channel.send("ready")
        self._pass_on_reports()
        self._run.check()
        if self._draining and self._run.is_drained():
            self._finish("drained")

    def _pass_on_reports(self) -> None:
        if self._run is not None:
            for report in self._run.reports():
                if self._journal is not None:
                    self._journal.append(report)
                self._pass_on(report)

    def _pass_on(self, report: Report) -> None:
        self._channel.send("progress", **report)
        self._count += 1

    def _finish(self, event: str) -> None:
        if self._run is not None:
            self._run.stop()
            self._pass_on_reports()
        self._run = None
        self._channel.send(event, progress_count=self._count)
        self._count = 0

    def _give_up(self, error: PipelineError) -> None:
        # Asked first: whatever is called of a JVM that has ended fails, in many ways.
        is_lost = self._sessions is not None and isinstance(error, UnreachableError) and self._sessions.has_lost_java()
        ended = is_lost or isinstance(error, JavaEndedError)
        self._end_run()
        self._channel.send("error", message=str(error), exit_code=error.exit_code, java_ended=ended)

    def _end_run(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            try:
                run.stop()
            except Exception:  # noqa: BLE001  # the loop goes on
                _log.exception("the run could not be stopped")
