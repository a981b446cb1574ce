"""Ten minutes at 50,000 events/s with every fault, a whole run: memory, handles, schedule and accounts.

`python -m benchmarks.soak [--seconds 600] [--rate 50000]`; results: `benchmarks/results/soak.json`. Exit 1 without a `match`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.measure import keep
from benchmarks.processes import descendants, open_handles, resident_megabytes
from simulator.faults.model import FAULTS

_LOOK_SECONDS = 5
_KINDS = {"producer": "", "broker": "kafka.Kafka", "Spark": "org.apache.spark.deploy.SparkSubmit"}

Samples = dict[str, list[tuple[float, int]]]
"""By process: megabytes and handles, in the order of time."""


def watch(process: subprocess.Popen[bytes]) -> Samples:
    """Look at a run and at what it has started, until it ends."""
    samples: Samples = {kind: [] for kind in _KINDS}
    while process.poll() is None:
        time.sleep(_LOOK_SECONDS)
        found = {process.pid: ""} | {child: line for child, line in descendants(process.pid).items() if "java" in line}
        for kind, words in _KINDS.items():
            for child, line in found.items():
                is_kind = child == process.pid if not words else words in line and "child.py" not in line
                if is_kind and (sample := _sample(child)) is not None:
                    samples[kind].append(sample)
    return samples


def _sample(process_id: int) -> tuple[float, int] | None:
    try:
        return resident_megabytes(process_id), open_handles(process_id)
    except (OSError, StopIteration):  # it has just ended
        return None


def halves(values: list[float]) -> list[float]:
    """The medians of the first and the second half, without the first tenth, which warms up."""
    warm, middle = len(values) // 10, len(values) // 2
    return [statistics.median(values[warm:middle]), statistics.median(values[middle:])]


def main() -> None:
    """Run, watch, show, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate", type=int, default=50_000)
    given = parser.parse_args()
    rates = [f"faults.{name}.rate=0.01" for name in FAULTS]
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        run = Path(name) / "run"
        words = [
            f"rate={given.rate}",
            f"duration={given.seconds}",
            f"hydra.run.dir={run}",
            "reproducer.attempts=0",
            "output=parquet",
        ]
        faults = [
            f"faults=[{','.join(FAULTS)}]",
            *rates,
            "faults.stall.start=60",
            "faults.stall.end=65",
            "faults.drift.start=120",
        ]
        with (Path(name) / "said.log").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "simulator", *words, *faults, "broker.heap=1024"], stdout=said, stderr=said
            )
            samples = watch(process)
        if not (run / "verdict.json").is_file():
            sys.exit((Path(name) / "said.log").read_text(encoding="utf-8")[-2000:])
        verdict: dict[str, Any] = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
        pace = pl.read_parquet(run / "pace.parquet")
    seconds = pace["elapsed"].max()
    late = {part: float(rows["lag"].median() or 0.0) for part, rows in _by_half(pace, float(seconds or 0.0)).items()}  # type: ignore[arg-type]  # seconds
    table = Table("process", "MB, first half", "second half", "largest", "handles, first half", "second half", title="soak")
    kept = {}
    for kind, values in samples.items():
        memory, handles = halves([megabytes for megabytes, _ in values]), halves([float(count) for _, count in values])
        largest = max(megabytes for megabytes, _ in values)
        table.add_row(kind, *(f"{value:,.0f}" for value in (*memory, largest, *handles)))
        kept[kind] = {"megabytes": memory, "largest": largest, "handles": handles}
    console = Console(width=140)
    console.print(table)
    console.print(f"lag behind the schedule: median {late['first'] * 1000:.1f} ms, then {late['second'] * 1000:.1f} ms")
    console.print(f"rate held {verdict['rate']['achieved']:,.1f} of {given.rate:,}/s; lag {verdict['lag_seconds']}")
    console.print(f"{verdict['status']}: {verdict['audit']} {verdict['audit_faults']}")
    told = {key: verdict[key] for key in ("status", "windows", "audit", "audit_faults", "faults", "rate", "lag_seconds")}
    keep("soak", {"processes": kept, "median_lag": late, "verdict": told}, {"seconds": given.seconds, "rate": given.rate})
    sys.exit(0 if verdict["status"] == "match" else 1)


def _by_half(pace: pl.DataFrame, seconds: float) -> dict[str, pl.DataFrame]:
    return {
        "first": pace.filter(pl.col("elapsed") <= seconds / 2),
        "second": pace.filter(pl.col("elapsed") > seconds / 2),
    }


if __name__ == "__main__":
    main()
