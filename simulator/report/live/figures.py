"""What both halves of a run have told so far. Telling only stores; the work is done by those who look, in their own threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from simulator.plan import Plan
from simulator.produce.producer import Progress
from simulator.report.live.microbatches import MicroBatch, MicroBatches, Totals
from simulator.report.samples import PaceSamples, Sample


@dataclass(frozen=True)
class Reading:
    """How a run stands.

    Attributes:
        phase: what goes on, for people.
        status: how the run has ended; None while it goes on.
        asked: records a second of wall time, the mean; None without a pace.
        seconds: of wall time that the producer is to take; None without an end or a pace.
        progress: the producer's.
        spark: totals of the micro-batches; None where nothing is aggregated.
        begin: wall time of the first instant, seconds since 1970; None before it.
    """

    phase: str
    status: str | None
    asked: float | None
    seconds: float | None
    progress: Progress
    spark: Totals | None
    begin: float | None

    @property
    def counts(self) -> dict[str, int]:
        """The audit so far: by stage, how many records."""
        progress = self.progress
        counts = {"generated": progress.generated, "acked": progress.acked, "failed": progress.failed}
        return counts if self.spark is None else {**counts, **self.spark.counts}


@final
class Figures:
    """Fed by the producer's progress and by Spark's reports; bounded in memory, and safe to read from any thread.

    Args:
        plan: of the run.
        aggregates: whether Spark will report, too.
    """

    def __init__(self, plan: Plan, *, aggregates: bool) -> None:
        speed = plan.clock.speed
        self._asked = plan.market.rate * speed if speed else None
        self._seconds = plan.duration / 1e6 / speed if speed and plan.duration is not None else None
        self._aggregates = aggregates
        self._lock = threading.Lock()
        self._phase = "starting"
        self._status: str | None = None
        self._progress = Progress()
        self._begin: float | None = None
        self._samples = PaceSamples()
        self._batches = MicroBatches()

    def produced(self, progress: Progress) -> None:
        """Take in how the producer stands; called often, so that it only stores."""
        with self._lock:
            if self._begin is None:
                self._begin, self._phase = time.time() - progress.elapsed, "producing"
            self._progress = progress
            self._samples.add(progress)

    def reported(self, report: Mapping[str, Any]) -> None:
        """Take in a micro-batch's report, in the form of `pipelines.progress`."""
        with self._lock:
            self._batches.add(report)

    def enter(self, phase: str) -> None:
        """Say what goes on from now on."""
        with self._lock:
            self._phase = phase

    def end(self, status: str) -> None:
        """Say how the run has ended: match | mismatch | complete | incomplete | failed."""
        with self._lock:
            self._status = status

    def read(self) -> Reading:
        """How it stands now."""
        with self._lock:
            spark = self._batches.totals if self._aggregates else None
            return Reading(self._phase, self._status, self._asked, self._seconds, self._progress, spark, self._begin)

    @property
    def last_batch(self) -> int:
        """Number of the latest micro-batch that has ended; -1 before the first."""
        with self._lock:
            return self._batches.last

    def samples_after(self, elapsed: float) -> list[Sample]:
        """How the producer stood at moments later than so many seconds, at most 2,000 of them."""
        with self._lock:
            return self._samples.after(elapsed)

    def batches_after(self, number: int) -> list[MicroBatch]:
        """The micro-batches with a higher number, at most 2,000 of them."""
        with self._lock:
            return self._batches.after(number)
