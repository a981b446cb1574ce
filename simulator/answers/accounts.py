"""The accounts of a run by micro-batch: what the known records and the log lead to, beside what Spark counted."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from simulator.answers.audit import is_recovered
from simulator.answers.foreign import Foreign
from simulator.answers.microbatches import UNREAD, MicroBatches
from simulator.answers.reader import Fate, Reading
from simulator.plan import Plan

Integers = NDArray[np.int64]
_NEVER = np.iinfo(np.int64).min


@final
class Accounts:
    """Counts of each fate, by batch; and the watermark that the events of each batch lead to.

    Args:
        plan: of the run.
        log: the run's micro-batches.
    """

    def __init__(self, plan: Plan, log: MicroBatches) -> None:
        self._plan, self._log = plan, log
        batches = len(log.reports)
        self._counts: dict[Fate, Integers] = {fate: np.zeros(batches, dtype=np.int64) for fate in Fate}
        self._newest = np.full(batches, _NEVER, dtype=np.int64)
        self._late_groups: list[Integers] = []

    def add(self, reading: Reading) -> None:
        """Take account of the next records."""
        batch = reading.batch
        read = batch != UNREAD
        for fate in Fate:
            self._counts[fate] += np.bincount(batch[read & (reading.fate == fate)], minlength=len(self._log.reports))
        trades = read & reading.trade
        np.maximum.at(self._newest, batch[trades], reading.event_time[trades] // 1000)
        if not self._plan.answers.deduplicate:
            self._note_late_groups(reading, batch, trades)

    @property
    def read(self) -> int:
        """Records in all batches."""
        return sum(map(self.total, Fate))

    def total(self, fate: Fate) -> int:
        """Records of a fate in all batches."""
        return int(self._counts[fate].sum())

    def faults(self, foreign: Foreign) -> list[str]:
        """Where Spark's own counts or watermarks are not what the known records lead to, one line each.

        Foreign records that were rejected are known, too. One that the job took for an event may have led to anything from there
        on: then only the number of records that were read is held against the known ones.
        """
        found = []
        expected, others = self._expected_reports(), foreign.by_batch(self._log).tolist()
        ticks = 0
        for number, (report, counts) in enumerate(zip(self._log.reports, expected, strict=True)):
            # Of a recovered report only the watermark is known: the checkpoint has it.
            told = {} if is_recovered(report) else _told(report)
            told["watermark"], counts["watermark"] = int(self._log.watermarks[number]), self._watermark_before(number)
            ticks += max(0, others[number] - max(0, told.get("rejected", 0) - counts["rejected"]))
            counts["read"] += others[number]
            counts["rejected"] += others[number]
            found += [
                f"micro-batch {report['batch_id']}: {name}={told[name]}, but the records give {count}"
                for name, count in counts.items()
                if name in told and told[name] != count and (name == "read" or not ticks)
            ]
        return found

    def _expected_reports(self) -> list[dict[str, int]]:
        counts = self._counts
        every = np.sum(list(counts.values()), axis=0)
        groups = self._groups_by_batch()
        deduplicates = self._plan.answers.deduplicate
        entering = counts[Fate.AGGREGATED] + (0 if deduplicates else counts[Fate.LATE])
        late = counts[Fate.LATE] if deduplicates else groups
        columns = {
            "read": every,
            "rejected": counts[Fate.REJECTED],
            "status": counts[Fate.STATUS],
            "accepted": entering,
            "duplicates_dropped": counts[Fate.DUPLICATE],
            "rows_dropped_by_watermark": late,
        }
        return [{name: int(column[batch]) for name, column in columns.items()} for batch in range(len(self._log.reports))]

    def _watermark_before(self, batch: int) -> int:
        """The watermark that a batch should run with, milliseconds since 1970: from the events of all batches before."""
        newest = self._newest[:batch].max(initial=_NEVER)
        return 0 if newest == _NEVER else max(0, int(newest) - self._plan.answers.window.watermark // 1000)

    def _note_late_groups(self, reading: Reading, batch: Integers, trades: NDArray[np.bool_]) -> None:
        """Windows by symbol that a batch drops: Spark counts them after it has aggregated the batch's own rows.

        Sessions it counts before it has brought the rows of all its tasks together; each task reads a place of its own.
        """
        window = self._plan.answers.window
        time, late_before = reading.event_time, reading.late_before
        is_session = window.kind == "session"
        last = time if is_session else time // window.slide * window.slide
        for back in range(1 if is_session else -(-window.size // window.slide)):
            begin = last - back * window.slide
            rows = trades & (begin + window.size <= late_before) & (time < begin + window.size)
            if rows.any():
                symbols = reading.placed.records.events.symbol[rows].astype(np.int64)
                places = reading.placed.place[rows] if is_session else np.zeros_like(symbols)
                self._late_groups.append(np.stack([batch[rows], begin[rows], symbols, places], axis=1))

    def _groups_by_batch(self) -> Integers:
        batches = len(self._log.reports)
        if not self._late_groups:
            return np.zeros(batches, dtype=np.int64)
        groups = np.unique(np.concatenate(self._late_groups), axis=0)
        return np.bincount(groups[:, 0], minlength=batches)


def _told(report: Any) -> dict[str, int]:  # noqa: ANN401  # a report of the pipeline
    parsed, events = report["observed"].get("parsed") or {}, report["observed"].get("events") or {}
    state = report["state"]
    return {
        "read": parsed.get("read") or 0,
        "rejected": parsed.get("rejected") or 0,
        "status": parsed.get("status") or 0,
        "accepted": events.get("accepted") or 0,
        "duplicates_dropped": sum(operator["duplicates_dropped"] for operator in state),
        "rows_dropped_by_watermark": sum(operator["rows_dropped_by_watermark"] for operator in state),
    }
