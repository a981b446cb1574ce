"""Samples of the pace: few, in order, and no peak is lost."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from simulator.produce.producer import Progress
from simulator.report.samples import _MOST, PaceSamples


@pytest.mark.parametrize("count", [0, 1, 100, 50_000])
def test_peaks_survive_and_memory_is_bounded(count: int, tmp_path: Path) -> None:
    samples = PaceSamples()
    for number in range(count):
        peak = number == count // 2
        samples.add(Progress(number, number, 0, 9 if peak else 1, number / 4, number / 4, 5.0 if peak else 0.01, 5.0))
    samples.write(tmp_path / "pace.parquet")
    kept = pl.read_parquet(tmp_path / "pace.parquet")
    assert kept.height <= min(count, _MOST)
    assert kept["elapsed"].is_sorted()
    assert kept["generated"].is_sorted()
    if 0 < count <= _MOST:
        assert kept.height == count
        assert (kept["lag"].max(), kept["queued"].max()) == (5.0, 9)
    if count:
        assert kept["generated"][-1] >= count * 0.99 - 1


def test_neighbours_become_one_with_the_larger_lag() -> None:
    samples = PaceSamples()
    for number in range(_MOST + 1):
        samples.add(Progress(number, number, 0, 0, number, float(number), 7.0 if number == 1000 else 0.0, 7.0))
    assert len(samples._samples) == (_MOST + 1) // 2
    assert max(sample.lag for sample in samples._samples) == 7.0
