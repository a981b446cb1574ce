"""Runs one plan in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, final

from pipelines.checkpoint import CHECKPOINT
from pipelines.errors import EXIT_OK, EXIT_SIGNAL, EXIT_UNREACHABLE, BadPlanError, PipelineError
from pipelines.failures import condense
from pipelines.identity import claim_checkpoint
from pipelines.plan import Options
from pipelines.reading import read_plan
from pipelines.stdio import take_stderr, take_stdout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipelines.plan import Plan
    from pipelines.session import Sessions

LOG = "spark.log"

_TICK_SECONDS = 0.2

_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Job:
    """What the command line asks for.

    Attributes:
        plan: the plan file.
        directory: of the run; None: the plan's folder.
        source_options: options of the source that replace the plan's.
        master: Spark master that replaces the plan's, or None.
    """

    plan: Path
    directory: Path | None
    source_options: Mapping[str, str]
    master: str | None


@final
class _Interrupts:
    """Counts SIGINT and SIGTERM; until `hold` is called they also break off what is under way."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal: int | None = None
        self._held = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def hold(self) -> None:
        self._held = True

    def _note(self, number: int, _frame: object) -> None:
        self.signal = number
        self.event.set()
        if not self._held:
            raise KeyboardInterrupt


def run_job(job: Job, stderr: TextIO) -> int:
    """Run a plan until a signal comes or it fails; return the exit code.

    Printed batches go to stdout; Spark's own messages to `spark.log` in the run directory.
    """
    interrupts = _Interrupts()
    try:
        plan = read_plan(job.plan)
        directory = (job.directory or job.plan.parent).absolute()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            stdout, stderr = take_stdout(), take_stderr(directory / LOG)
        except OSError as error:
            raise BadPlanError(f"{directory}: cannot be written ({error.strerror})") from None
        logging.basicConfig()  # to the log, by now
        return _run(_adapt(plan, job), directory, stdout, interrupts) or _say_interrupted(interrupts, stderr)
    except KeyboardInterrupt:
        return _say_interrupted(interrupts, stderr)
    except Exception as error:  # noqa: BLE001  # whatever it was, the user gets one line and the log the rest
        if interrupts.signal is not None:  # spark-submit's JVM gets the terminal's Ctrl-C too, and ends under our hands
            return _say_interrupted(interrupts, stderr)
        return _say_failed(error, stderr)


def _say_failed(error: Exception, stderr: TextIO) -> int:
    if isinstance(error, PipelineError):
        stderr.write(f"{error}\n")
        return error.exit_code
    _log.error("unexpected failure", exc_info=error)
    stderr.write(f"{condense(error)}\n")
    return EXIT_UNREACHABLE


def _adapt(plan: Plan, job: Job) -> Plan:
    properties = {"spark.master": job.master} if job.master else {}
    return plan.with_options(Options(source=job.source_options)).with_properties(properties)


def _run(plan: Plan, directory: Path, stdout: TextIO, interrupts: _Interrupts) -> int:
    claim_checkpoint(plan, directory / CHECKPOINT)
    from pipelines.session import Sessions  # noqa: PLC0415  # needs pyspark, which a bad plan must not wait for

    sessions = Sessions()
    try:
        _watch(sessions, plan, directory, stdout, interrupts)
    finally:
        interrupts.hold()  # a second Ctrl-C must not leave a JVM behind
        sessions.stop()
    return EXIT_OK


def _watch(sessions: Sessions, plan: Plan, directory: Path, stdout: TextIO, interrupts: _Interrupts) -> None:
    spark = sessions.get(plan.spark)
    from pipelines.runner import Binding, Run  # noqa: PLC0415  # as above

    def show(text: str) -> None:
        try:
            stdout.write(text)
            stdout.flush()
        except BrokenPipeError:  # `| head` has seen enough
            interrupts.event.set()

    interrupts.hold()
    run = Run(spark, plan, Binding(directory, None, show))
    try:
        while not interrupts.event.wait(_TICK_SECONDS):
            run.reports()  # it starts the query of the rejected records when they tell of some
            run.check()
    finally:
        run.stop()


def _say_interrupted(interrupts: _Interrupts, stderr: TextIO) -> int:
    if interrupts.signal is None:
        return EXIT_OK
    with suppress(OSError):  # spark-submit may be gone, and the pipe to it
        stderr.write("stopped; the same command goes on from here\n")
    return EXIT_SIGNAL + interrupts.signal
