"""What a run has told so far: bounded, nothing lost in the counts, and the same words everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.progress import report
from simulator.modes.run import _follow
from simulator.plan import Plan
from simulator.produce.producer import Progress
from simulator.report.live.facts import producer_facts, run_fact, spark_facts
from simulator.report.live.figures import Figures
from simulator.report.live.microbatches import _MOST, DURATIONS, MicroBatches
from simulator.report.live.windows import WindowResults

MakePlan = Callable[..., Plan]


def reported(number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  # Spark's values
    """A report as it comes from `pipelines`, of a progress in Spark's own form."""
    progress = {
        "batchId": number,
        "timestamp": datetime.fromtimestamp(1000 + number, timezone.utc).isoformat().replace("+00:00", "Z"),
        "numInputRows": 10,
        "durationMs": {"triggerExecution": 400, "addBatch": 300},
        "eventTime": {"max": "1970-01-01T00:20:00.500Z", "watermark": "1970-01-01T00:19:50.000Z"},
        "stateOperators": [
            {"operatorName": "s", "numRowsTotal": 7, "memoryUsedBytes": 2048, "numRowsDroppedByWatermark": 1},
            {"operatorName": "t", "numRowsTotal": 5, "memoryUsedBytes": 1000, "numRowsDroppedByWatermark": 0},
        ],
        "observedMetrics": {"parsed": {"read": 10, "rejected": 2}, "events": {"accepted": 8}},
    }
    return {**report({**progress, **changes}), "event": "progress"}


def test_totals_are_of_all_batches_and_the_last_that_read_anything_is_shown() -> None:
    batches = MicroBatches()
    batches.add(reported(0))
    batches.add(reported(1, durationMs={"triggerExecution": 2500}))
    batches.add(reported(2, numInputRows=0, observedMetrics={}, durationMs={"triggerExecution": 70_000}))
    totals = batches.totals
    assert (totals.batches, totals.rows, totals.state_bytes) == (3, 20, 3048)
    counts = {"read": 20, "rejected": 4, "late_dropped": 3, "aggregated": 13, "duplicates_removed": 0, "status": 0}
    assert totals.counts == counts
    assert totals.last is not None
    assert (totals.last.number, totals.last.duration, totals.last.rate, totals.last.state_rows) == (1, 2.5, 4.0, 12)
    assert dict(zip([*DURATIONS, None], totals.durations, strict=True)) == {
        **dict.fromkeys(DURATIONS, 0),
        0.5: 1,
        2.5: 1,  # a bucket holds its upper bound
        None: 1,
    }
    assert totals.duration == pytest.approx(72.9)


def test_the_watermark_is_held_against_the_newest_event_so_far() -> None:
    batches = MicroBatches()
    batches.add(reported(0, eventTime={"watermark": "1970-01-01T00:00:00.000Z"}))
    batches.add(reported(1))
    batches.add(reported(2, eventTime={"watermark": "1970-01-01T00:19:58.000Z"}))
    batches.add(reported(3, eventTime={"max": "1970-01-01T00:19:00.000Z", "watermark": "1970-01-01T00:20:00.000Z"}))
    assert [batch.watermark_delay for batch in batches.after(-1)] == [None, 10.5, 2.5, 0.5]


def test_memory_is_bounded_and_no_peak_is_lost() -> None:
    batches, count = MicroBatches(), 5 * _MOST
    for number in range(count):
        batches.add(reported(number, durationMs={"triggerExecution": 9000 if number == 17 else 100}))
    kept = batches.after(-1)
    assert len(kept) <= _MOST
    assert max(batch.duration for batch in kept) == 9.0
    assert [batch.number for batch in kept] == sorted(batch.number for batch in kept)
    assert kept[-1].number == batches.last == count - 1
    assert sum(batch.rows for batch in kept) == batches.totals.rows == 10 * count
    assert [batch.number for batch in batches.after(count - 2)] == [count - 1]


def test_samples_are_few_and_only_new_ones_are_given(make_plan: MakePlan) -> None:
    figures = Figures(make_plan(), aggregates=True)
    assert figures.read().begin is None
    for number in range(30_000):
        figures.produced(Progress(number, number, 0, 0, number / 50, number / 50))
    whole = figures.samples_after(-1)
    assert 100 < len(whole) <= 2000
    assert figures.samples_after(whole[-3].elapsed) == whole[-2:]
    assert figures.samples_after(1e9) == []


def test_counts_are_those_of_the_audit_and_of_the_halves_that_are_there(make_plan: MakePlan) -> None:
    figures = Figures(make_plan(), aggregates=True)
    figures.produced(Progress(12, 11, 1, 0, 1.0, 1.0))
    figures.reported(reported(0))
    spark = {"read": 10, "aggregated": 7, "late_dropped": 1, "duplicates_removed": 0, "rejected": 2, "status": 0}
    assert figures.read().counts == {"generated": 12, "acked": 11, "failed": 1, **spark}
    alone = Figures(make_plan(), aggregates=False)
    assert alone.read().counts == {"generated": 0, "acked": 0, "failed": 0}


def test_phases_lead_to_a_status(make_plan: MakePlan) -> None:
    figures = Figures(make_plan(), aggregates=True)
    assert (figures.read().phase, figures.read().status) == ("starting", None)
    figures.produced(Progress())
    assert figures.read().phase == "producing"
    figures.enter("waiting")
    figures.produced(Progress())
    assert figures.read().phase == "waiting"
    figures.end("match")
    assert figures.read().status == "match"


def test_figures_in_words(make_plan: MakePlan) -> None:
    figures = Figures(make_plan("clock=accelerated", "rate=50", "duration=300"), aggregates=True)
    figures.produced(Progress(6012, 6000, 0, 12, 120.0, 12.0, 0.0004, 1.25))
    figures.reported(reported(0, numInputRows=5000))
    reading = figures.read()
    assert run_fact(reading) == "producing · 12 s of 30 s elapsed, 18 s left"
    assert producer_facts(reading) == {
        "events": "6,012",
        "acknowledged": "6,000",
        "rate": "501/s of 500/s asked",
        "lag": "0 ms, largest 1.2 s",
        "queue": "12",
    }
    assert spark_facts(reading) == {
        "batches": "1",
        "rows read": "5,000",
        "last batch": "400 ms",
        "rows": "12,500/s",
        "state": "12 rows",
        "watermark": "10.5 s behind the newest event",
    }


def test_without_a_pace_there_is_no_lag_and_no_end(make_plan: MakePlan) -> None:
    figures = Figures(make_plan("clock=unpaced"), aggregates=False)
    figures.produced(Progress(10, 9, 1, 0, 1.0, 2.0))
    reading = figures.read()
    assert run_fact(reading) == "producing · 2 s elapsed"
    assert producer_facts(reading) == {"events": "10", "acknowledged": "9", "rate": "5/s", "queue": "0", "failed": "1"}
    assert spark_facts(reading) == {}


def test_windows_are_the_last_of_each_and_files_are_read_once(make_plan: MakePlan, tmp_path: Path) -> None:
    def record(number: int, rows: list[tuple[int, str, float]]) -> None:
        ends = pl.Series([end * 1_000_000 for end, _, _ in rows]).cast(pl.Datetime("us", "UTC"))
        symbols, values = [symbol for _, symbol, _ in rows], [value for _, _, value in rows]
        columns = {"window_start": ends, "window_end": ends, "symbol": symbols, "avg_price": values, "volume": 1, "msg_ct": 2}
        pl.DataFrame(columns).write_parquet(tmp_path / f"batch-{number:012d}.parquet")

    windows = WindowResults(tmp_path, make_plan("symbols.count=2"))
    assert windows.of("SYM000", "avg_price", -1) == ([], [])
    record(0, [(20, "SYM000", 1.0), (10, "SYM000", 2.0), (10, "SYM001", 9.0), (10, "other", 8.0)])
    record(2, [(20, "SYM000", 3.0), (30, "SYM000", float("nan"))])
    assert windows.of("SYM000", "avg_price", 0) == ([10_000, 20_000], [2.0, 1.0])
    assert windows.of("SYM000", "avg_price", 2) == ([10_000, 20_000, 30_000], [2.0, 3.0, None])
    for path in tmp_path.iterdir():
        path.unlink()
    assert windows.of("SYM001", "msg_ct", 2) == ([10_000], [2.0])
    for symbol, metric in (("other", "avg_price"), ("SYM000", "close"), ("", "")):
        assert windows.of(symbol, metric, 2) == ([], [])
    record(3, [(1000 + second, "SYM001", 1.0) for second in range(700)])
    ends, _ = windows.of("SYM001", "volume", 3)
    assert (len(ends), ends[-1]) == (500, 1_699_000)


def test_answers_of_a_run_that_sent_nothing_have_a_progress_too(make_plan: Callable[..., Plan]) -> None:
    figures = Figures(make_plan(), aggregates=True)
    _follow(figures, 0)(7)  # records that a fault withheld
    assert figures.read().phase == "computing the answers: 0%"
