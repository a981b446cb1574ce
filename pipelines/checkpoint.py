"""What Spark's checkpoint of a query tells, and what it can be asked to do again."""

from __future__ import annotations

import json
import logging
import shutil
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.progress import Report

CHECKPOINT = "checkpoint"
"""Folder of the main query's checkpoint, in that of the run."""

RECOVERED = "recovered"
"""Key of a report that was put together from the checkpoint: its counts are unknown."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NONE = "-"

_log = logging.getLogger(__name__)


@final
class Checkpoint:
    """The logs of a query that does not run: `offsets/N` planned batch N, `commits/N` says that it is done.

    Spark removes what is older than its last 100 batches.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def committed(self) -> list[int]:
        """Numbers of the batches that are done and still in the log, ascending."""
        return self._numbers("commits")

    def clear_unplanned(self) -> None:
        """Remove what is left of a first batch that was broken off while it was being planned.

        That is a file without a number. Spark goes by its name over all others, but wants to find nothing where it plans batch 0.
        """
        if not self._numbers("offsets"):
            shutil.rmtree(self._folder / "offsets", ignore_errors=True)

    def uncommit_last(self) -> None:
        """Have Spark do the last committed batch again, with the same records, state and watermark, unless a next one is begun.

        Of a driver that was killed, that batch may lack its report; and what the batch lets be done, such as closing
        windows without new data, Spark only does after a batch that it has run itself. It is what Spark does of its own
        accord when it was killed just before the commit.
        """
        committed, planned = self.committed, self._numbers("offsets")
        if not committed or not planned or planned[-1] != committed[-1]:
            return
        _log.info("micro-batch %d, the last that was committed, is done again", committed[-1])
        # Its checksum first: alone it would be held against the next file of that name.
        for name in (f".{committed[-1]}.crc", str(committed[-1])):
            (self._folder / "commits" / name).unlink(missing_ok=True)

    def report(self, number: int) -> Report:
        """What is known of a batch: its offsets and its watermark. What it counted is not; `rows` is null.

        Raises:
            OSError: Spark has removed it.
        """
        metadata, ends = self._offsets(number)
        begins = self._offsets(number - 1)[1] if number else []
        begins = begins or [None] * len(ends)
        return {
            "batch_id": number,
            "timestamp": _instant(metadata["batchTimestampMs"]),
            "rows": None,
            "duration_ms": {},
            "watermark": _instant(metadata["batchWatermarkMs"]),
            "newest": None,
            "sources": [
                {"description": "from the checkpoint", "rows": None, "start_offset": begin, "end_offset": end}
                for begin, end in zip(begins, ends, strict=True)
            ],
            "state": [],
            "observed": {},
            RECOVERED: True,
        }

    def _offsets(self, number: int) -> tuple[dict[str, Any], list[Any]]:
        _version, metadata, *ends = (self._folder / "offsets" / str(number)).read_text(encoding="utf-8").splitlines()
        return json.loads(metadata), [None if end == _NONE else json.loads(end) for end in ends]

    def _numbers(self, log: str) -> list[int]:
        folder = self._folder / log
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def _instant(milliseconds: int) -> str:
    instant = _EPOCH + timedelta(milliseconds=milliseconds)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
