"""`python -m pipelines.archive plan.json FILE SERVERS` runs a plan over what is there, and has Java archive the classes it took.

`-XX:SharedArchiveFile=FILE` in `SPARK_SUBMIT_OPTS` then makes later starts a good deal quicker.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark import SparkContext

from pipelines.errors import PipelineError
from pipelines.plan import Options
from pipelines.reading import read_plan
from pipelines.runner import Binding, Run
from pipelines.session import Sessions

if TYPE_CHECKING:
    from pipelines.plan import Plan

_SUBMIT_OPTIONS = "SPARK_SUBMIT_OPTS"
_POLL_SECONDS = 0.1


def main(plan: str, archive: str, servers: str) -> int:
    """Run the plan, with its source at some brokers, in a JVM that archives its classes when it ends; return the exit code."""
    logging.basicConfig()
    os.environ[_SUBMIT_OPTIONS] = f'{os.environ.get(_SUBMIT_OPTIONS, "")} "-XX:ArchiveClassesAtExit={archive}"'
    try:
        _run(read_plan(Path(plan)).with_options(Options(source={"kafka.bootstrap.servers": servers})), Path(plan).parent)
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _run(plan: Plan, directory: Path) -> None:
    sessions = Sessions()
    try:
        run = Run(sessions.get(plan.spark), plan, Binding(directory, directory / "batches", lambda _: None))
        run.begin_drain(None)
        while not run.is_drained():
            run.reports()
            run.check()
            time.sleep(_POLL_SECONDS)
        java = SparkContext._gateway.proc  # type: ignore[union-attr]  # noqa: SLF001  # PySpark ends it by SIGKILL at last
        with suppress(Exception):  # the answer to this call never comes
            SparkContext._jvm.System.exit(0)  # type: ignore[union-attr]  # noqa: SLF001  # the archive is written then
        java.wait()
    finally:
        sessions.stop()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
