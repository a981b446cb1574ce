"""What Spark has reported so far of a run's micro-batches, summed up in constant memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, final

from simulator.answers.audit import tally

DURATIONS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of durations, seconds."""
_MOST = 2_000
_SPARK_COUNTS = ("read", "aggregated", "late_dropped", "duplicates_removed", "rejected", "status")


@dataclass(frozen=True)
class MicroBatch:
    """One micro-batch.

    Attributes:
        number: Spark's.
        time: when it was triggered, seconds since 1970.
        duration: how long it took, seconds.
        rows: how many it read.
        state_rows: rows that the state holds after it.
        watermark_delay: seconds from its watermark to the newest event read so far; None before the first watermark.
    """

    number: int
    time: float
    duration: float
    rows: int
    state_rows: int
    watermark_delay: float | None

    @property
    def rate(self) -> float:
        """Rows a second of its duration."""
        return self.rows / self.duration if self.duration > 0 else 0.0


@dataclass(frozen=True)
class Totals:
    """Of all micro-batches so far.

    Attributes:
        batches: how many have ended.
        rows: how many were read, as Spark counts the source's.
        counts: the audit's, of the stages that are Spark's.
        last: the latest that has read anything, else the latest.
        state_bytes: memory of the state after the latest.
        durations: how many took at most so many seconds as `DURATIONS` says, and in the last place all the others.
        duration: of all together, seconds.
    """

    batches: int = 0
    rows: int = 0
    counts: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(_SPARK_COUNTS, 0))
    last: MicroBatch | None = None
    state_bytes: int = 0
    durations: tuple[int, ...] = (0,) * (len(DURATIONS) + 1)
    duration: float = 0.0


@final
class MicroBatches:
    """Takes reports as `pipelines.progress` writes them; of too many batches, every two neighbours become one."""

    def __init__(self) -> None:
        self._kept: list[MicroBatch] = []
        self._newest: float | None = None
        self.totals = Totals()

    def add(self, report: Mapping[str, Any]) -> None:
        """Count a batch that has ended."""
        batch = self._read(report)
        before, counted = self.totals, tally(0, 0, None, [report])
        place = bisect_left(DURATIONS, batch.duration)
        has_news = batch.rows > 0 or before.last is None or before.last.rows == 0
        self.totals = Totals(
            batches=before.batches + 1,
            rows=before.rows + batch.rows,
            counts={name: count + (counted[name] or 0) for name, count in before.counts.items()},
            last=batch if has_news else before.last,
            state_bytes=sum(operator["memory_bytes"] for operator in report["state"]),
            durations=tuple(count + (number == place) for number, count in enumerate(before.durations)),
            duration=before.duration + batch.duration,
        )
        self._kept.append(batch)
        if len(self._kept) > _MOST:
            latest = self._kept.pop()
            self._kept = [_merged(*pair) for pair in zip(self._kept[::2], self._kept[1::2], strict=True)] + [latest]

    @property
    def last(self) -> int:
        """Number of the latest; -1 before the first."""
        return self._kept[-1].number if self._kept else -1

    def after(self, number: int) -> list[MicroBatch]:
        """Those of a higher number, oldest first."""
        return self._kept[bisect_right(self._kept, number, key=lambda batch: batch.number) :]

    def _read(self, report: Mapping[str, Any]) -> MicroBatch:
        newest, watermark = _seconds(report.get("newest")), _seconds(report["watermark"])
        if newest is not None:
            self._newest = max(newest, self._newest or newest)
        is_behind = self._newest is not None and watermark is not None and watermark > 0  # 1970 before the first event
        return MicroBatch(
            number=report["batch_id"],
            time=_seconds(report["timestamp"]) or 0.0,
            duration=report["duration_ms"].get("triggerExecution", 0) / 1000,
            rows=report["rows"],
            state_rows=sum(operator["rows_total"] for operator in report["state"]),
            watermark_delay=(self._newest or 0.0) - (watermark or 0.0) if is_behind else None,
        )


def _merged(early: MicroBatch, late: MicroBatch) -> MicroBatch:
    """The slower of the two with the rows of both: no peak is lost."""
    slower = max(early.duration, late.duration)
    return MicroBatch(late.number, late.time, slower, early.rows + late.rows, late.state_rows, late.watermark_delay)


def _seconds(time: str | None) -> float | None:
    """Seconds since 1970 of Spark's RFC 3339 times."""
    return None if time is None else datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()
