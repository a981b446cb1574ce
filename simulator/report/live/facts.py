"""The figures of a run in words: the same in the terminal and on the page."""

from __future__ import annotations

from simulator.report.live.figures import Reading


def run_fact(reading: Reading) -> str:
    """What goes on, and how much of the producer's time is over."""
    elapsed = reading.progress.elapsed
    if reading.seconds is None:
        return f"{reading.phase} · {elapsed:,.0f} s elapsed"
    left = max(0.0, reading.seconds - elapsed)
    return f"{reading.phase} · {elapsed:,.0f} s of {reading.seconds:,.0f} s elapsed, {left:,.0f} s left"


def producer_facts(reading: Reading) -> dict[str, str]:
    """Events, rate, lag and queue of the producer, by name."""
    progress, asked = reading.progress, reading.asked
    facts = {
        "events": f"{progress.generated:,}",
        "acknowledged": f"{progress.acked:,}",
        "rate": f"{progress.rate:,.0f}/s" + ("" if asked is None else f" of {asked:,.0f}/s asked"),
    }
    if asked is not None:
        facts["lag"] = f"{_duration(max(progress.lag, 0.0))}, largest {_duration(progress.largest_lag)}"
    facts["queue"] = f"{progress.queued:,}"
    return facts | ({"failed": f"{progress.failed:,}"} if progress.failed else {})


def spark_facts(reading: Reading) -> dict[str, str]:
    """Micro-batches, state and watermark, by name; none where nothing is aggregated, or nothing was yet."""
    spark = reading.spark
    if spark is None:
        return {}
    facts = {"batches": f"{spark.batches:,}", "rows read": f"{spark.rows:,}"}
    last = spark.last
    if last is None:
        return facts
    facts |= {"last batch": _duration(last.duration), "rows": f"{last.rate:,.0f}/s", "state": f"{last.state_rows:,} rows"}
    behind = last.watermark_delay
    return facts if behind is None else {**facts, "watermark": f"{behind:,.1f} s behind the newest event"}


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
