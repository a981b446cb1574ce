"""The reports of a run's micro-batches in a file, a line each: they outlive the process that made them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, final

from pipelines.checkpoint import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.progress import Report

_log = logging.getLogger(__name__)


@final
class Journal:
    """Takes reports as they come; a line is with the kernel before anybody is told of it, so that a kill does not lose it.

    Args:
        path: the file. What it holds from earlier processes of the same run is kept.
        checkpoint: of the run's query, which does not run yet.
    """

    def __init__(self, path: Path, checkpoint: Path) -> None:
        self._path = path
        self._checkpoint = Checkpoint(checkpoint)

    def resume(self) -> list[Report]:
        """The reports of all batches that will not be done again, in their order; each once, and those that are lost recovered.

        The last committed batch will be done again, see `Checkpoint.uncommit_last`: of the others, a report can be missing
        only where a process was killed right after two batches had ended at once.
        """
        self._checkpoint.uncommit_last()
        committed = self._checkpoint.committed
        following = committed[-1] + 1 if committed else 0
        reports = {report["batch_id"]: report for report in self._lines() if report["batch_id"] < following}
        for number in committed:
            if number not in reports:
                _log.warning("the report of micro-batch %d is lost; the checkpoint gives its offsets and watermark", number)
                reports[number] = self._checkpoint.report(number)
        kept = [reports[number] for number in sorted(reports)]
        part = self._path.with_name(f".{self._path.name}.part")
        part.write_text("".join(map(_line, kept)), encoding="utf-8")
        part.replace(self._path)
        return kept

    def append(self, report: Report) -> None:
        """Add the report of a batch that has ended."""
        with self._path.open("ab", buffering=0) as file:
            file.write(_line(report).encode())

    def _lines(self) -> list[Report]:
        try:
            lines = self._path.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return []
        # What is after the last end of a line is the half of one, at which the process was killed.
        return [json.loads(line) for line in lines[:-1]]


def _line(report: Report) -> str:
    return json.dumps(report) + "\n"
