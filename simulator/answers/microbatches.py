"""The log of a run's micro-batches: how far each read, and the watermark that it ran with.

It is what Spark's checkpoint holds (`offsets/N`: the offsets and `batchWatermarkMs`), but taken from the reports of the batches:
they, unlike the checkpoint, are never cleaned up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Report = Mapping[str, Any]

UNREAD = -1
"""The batch of a record that no batch has read."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class MicroBatches:
    """The batches in their order, those without data among them.

    Attributes:
        ends: by place: the offset after the last record that each batch had read; for files: see `files`.
        files: by place: the batch that read the whole file; None for a topic.
        watermarks: milliseconds since 1970, the watermark of each batch; 0 before the first event.
        reports: what Spark counted in each batch.
    """

    ends: list[Integers]
    files: Integers | None
    watermarks: Integers
    reports: list[Report]

    def batch_of(self, place: Integers, offset: Integers) -> Integers:
        """The number of the batch that read each record; UNREAD for one that none has."""
        batch = np.full(place.size, UNREAD, dtype=np.int64)
        known = place >= 0
        if self.files is not None:
            batch[known] = self.files[place[known]]
            return batch
        for number, ends in enumerate(self.ends):
            rows = np.flatnonzero(place == number)
            found = ends.searchsorted(offset[rows], side="right")
            batch[rows] = np.where(found < ends.size, found, UNREAD)
        return batch

    @property
    def late_before(self) -> Integers:
        """By batch: what is not after this time, microseconds since 1970, is late.

        Spark compares with the watermark of the batch *before* (`PropagateWatermarkSimulator.getInputWatermarkForLateEvents`);
        a first batch has none.
        """
        return np.concatenate([[0], self.watermarks[:-1]]) * 1000 if self.watermarks.size else self.watermarks

    @property
    def closed(self) -> int:
        """Windows that end by this time, microseconds since 1970, are closed: the watermark of the last batch."""
        return int(self.watermarks[-1]) * 1000 if self.watermarks.size else 0


def topic_log(reports: Iterable[Report], topic: str, partitions: int) -> MicroBatches:
    """The log of a run that read a topic."""
    ordered = sorted(reports, key=lambda report: report["batch_id"])
    ends = np.zeros((partitions, len(ordered)), dtype=np.int64)
    for batch, report in enumerate(ordered):
        for source in report["sources"]:
            for partition, offset in ((source["end_offset"] or {}).get(topic) or {}).items():
                if int(partition) < partitions:
                    ends[int(partition), batch] = offset
    return MicroBatches(list(ends), None, _watermarks(ordered), ordered)


def file_log(reports: Iterable[Report], checkpoint: Path, names: list[str]) -> MicroBatches:
    """The log of a run that read files; which batch read which file is in the checkpoint of the source."""
    ordered = sorted(reports, key=lambda report: report["batch_id"])
    log_numbers = [_log_offset(report) for report in ordered]
    read_in = _file_batches(checkpoint / "sources" / "0")
    found = [read_in.get(name) for name in names]
    # The source numbers its own additions; a batch has read all up to its end offset.
    batches = [UNREAD if number is None else int(np.searchsorted(log_numbers, number)) for number in found]
    files = np.array([UNREAD if batch == len(ordered) else batch for batch in batches], dtype=np.int64)
    return MicroBatches([], files, _watermarks(ordered), ordered)


def _log_offset(report: Report) -> int:
    offsets = [source["end_offset"] for source in report["sources"] if source["end_offset"]]
    return int(offsets[0]["logOffset"]) if offsets else -1


def _file_batches(folder: Path) -> dict[str, int]:
    """File name to the number of the source's addition that brought it, from plain and compacted logs."""
    numbers: dict[str, int] = {}
    for log in sorted(folder.glob("[0-9]*")):
        for line in log.read_text(encoding="utf-8").splitlines()[1:]:
            entry = json.loads(line)
            numbers[entry["path"].rsplit("/", 1)[-1]] = entry["batchId"]
    return numbers


def _watermarks(reports: list[Report]) -> Integers:
    return np.array([_milliseconds(report["watermark"]) for report in reports], dtype=np.int64)


def _milliseconds(text: str | None) -> int:
    if text is None:
        return 0
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - _EPOCH) // timedelta(milliseconds=1)
