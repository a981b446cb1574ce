"""How a producer stood over time, in constant memory: what the report's pace is drawn from."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import final

import polars as pl

from simulator.produce.producer import Progress

_MOST = 2_000
_INTERVAL = 0.1


@dataclass(frozen=True)
class Sample:
    """How a producer stood at one moment; the fields are those of `Progress`."""

    elapsed: float
    market_time: float
    generated: int
    acked: int
    queued: int
    lag: float
    largest_lag: float


@final
class PaceSamples:
    """Takes a sample a tenth of a second; of too many, every two neighbours become one with the larger lag and queue."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._interval = _INTERVAL

    def add(self, progress: Progress) -> None:
        """Look at the producer; called often."""
        last = self._samples[-1].elapsed if self._samples else -self._interval
        if progress.elapsed - last < self._interval:
            return
        lag = max(progress.lag, 0.0)
        counts = (progress.generated, progress.acked, progress.queued)
        self._samples.append(Sample(progress.elapsed, progress.market_time, *counts, lag, progress.largest_lag))
        if len(self._samples) > _MOST:
            self._thin()

    def _thin(self) -> None:
        pairs = zip(self._samples[::2], self._samples[1::2], strict=False)
        self._samples = [
            Sample(
                late.elapsed,
                late.market_time,
                late.generated,
                late.acked,
                max(early.queued, late.queued),
                max(early.lag, late.lag),
                late.largest_lag,
            )
            for early, late in pairs
        ]
        self._interval *= 2

    def after(self, elapsed: float) -> list[Sample]:
        """Those of later than so many seconds, oldest first."""
        return self._samples[bisect_right(self._samples, elapsed, key=lambda sample: sample.elapsed) :]

    def write(self, path: Path) -> None:
        """Keep them as Parquet."""
        names = list(Sample.__dataclass_fields__)
        columns = {name: [getattr(sample, name) for sample in self._samples] for name in names}
        types = {name: pl.Int64 if name in {"generated", "acked", "queued"} else pl.Float64 for name in names}
        pl.DataFrame(columns, schema=types).write_parquet(path)
