"""The aggregation beside the job that this project grew from: micro-batch latency, and catching up; and the limit, by polars.

Asked: latency at 500 events/s 15 times lower and under 0.4 s; catching up over 5 M rows 5 times as fast, the whole process
from its start counted. Cases run in turn on one broker. A latency is the median of the micro-batches with records, the first
five aside.
`python -m benchmarks.aggregation [--latencies 5] [--catch-ups 3]`; results: `benchmarks/results/aggregation.json`.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.jobs import PEERS, Job, OurJob, SeedJob
from benchmarks.measure import keep, pair_ratios, plan_of
from simulator.broker.cluster import Cluster
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import ensure_topic
from simulator.produce.clock import WallClock
from simulator.produce.horizon import Alone
from simulator.produce.kafka import KafkaSink
from simulator.produce.producer import Producer
from simulator.produce.signals import StopRequest

ROWS, BACKLOG_RATE, LIVE_RATE = 5_000_000, 200_000, 500
LATENCY_ROUNDS, CATCH_UP_ROUNDS = 5, 3
SKIPPED, COUNTED, LIVE_SECONDS = 5, 6, 60
BACKLOG = (f"rate={BACKLOG_RATE}", f"duration={ROWS / BACKLOG_RATE}")
LIVE = (f"rate={LIVE_RATE}", "clock=realtime")


def latency(job: Job) -> float:
    """Median seconds of a micro-batch with records after the first few, of a minute or, where that has too few, of longer."""
    with job:
        batches = job.until(batches=SKIPPED + COUNTED, seconds=LIVE_SECONDS)
    return statistics.median(batch.seconds for batch in batches[SKIPPED:])


def catch_up(job: Job, rows: int) -> float:
    """Rows per second from the start of the process until the micro-batch that read the last row has ended."""
    begun = time.perf_counter()
    with job:
        job.until(rows=rows)
        return rows / (time.perf_counter() - begun)


def limit(servers: str, topic: str, rows: int) -> float:
    """Rows per second of polars, its process counted whole."""
    begun = time.perf_counter()
    words = [sys.executable, str(PEERS / "polars_windows.py"), servers, topic, str(rows)]
    counted = int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    seconds = time.perf_counter() - begun
    assert counted >= rows, "not all were read"  # noqa: S101  # each is in two windows, but for the edges
    return rows / seconds


def fill(servers: str, topic: str, *overrides: str) -> int:
    """A backlog of a market that the overrides describe; gives its rows."""
    plan = plan_of(*overrides, f"topic={topic}")
    ensure_topic(Cluster(servers), topic, 4, 1)
    start = plan.clock.start or 0
    sink = KafkaSink(plan, start, Cluster(servers), 4)
    return Producer(plan, start, sink, WallClock()).run(Alone(StopRequest()), lambda _: None).progress.acked


@contextmanager
def feed(servers: str, topic: str) -> Iterator[None]:
    """Our producer at its pace, as long as the block."""
    ensure_topic(Cluster(servers), topic, 4, 1)
    with TemporaryDirectory(prefix="feed-") as folder:
        address = ("broker=external", f"broker.bootstrap_servers={servers}", f"topic={topic}", f"hydra.run.dir={folder}")
        words = [sys.executable, "-m", "simulator", "mode=produce", "duration=null", *LIVE, *address]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def latencies(servers: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of a micro-batch, round by round."""
    seconds: dict[str, list[float]] = {"seed": [], "ours": []}
    with feed(servers, "live"):
        for _ in range(rounds):
            seconds["seed"].append(latency(SeedJob(servers, "live", "latest")))
            seconds["ours"].append(latency(OurJob(servers, "live", "latest", *LIVE)))
    return seconds


def catch_ups(servers: str, rounds: int) -> dict[str, list[float]]:
    """Rows per second, round by round."""
    rows = fill(servers, "backlog", *BACKLOG)
    rates: dict[str, list[float]] = {"seed": [], "ours": [], "limit (polars)": []}
    for _ in range(rounds):
        rates["seed"].append(catch_up(SeedJob(servers, "backlog", "earliest"), rows))
        rates["ours"].append(catch_up(OurJob(servers, "backlog", "earliest", *BACKLOG), rows))
        rates["limit (polars)"].append(limit(servers, "backlog", rows))
    return rates


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latencies", type=int, default=LATENCY_ROUNDS, metavar="ROUNDS")
    parser.add_argument("--catch-ups", type=int, default=CATCH_UP_ROUNDS, metavar="ROUNDS")
    given = parser.parse_args(arguments or [])
    before = os.getloadavg()
    with TemporaryDirectory() as folder, EmbeddedBroker(Path(folder), heap_megabytes=1024) as broker:
        servers = broker.bootstrap_servers
        rates, seconds = catch_ups(servers, given.catch_ups), latencies(servers, given.latencies)
    ratios = {
        "catching up, ours / seed": pair_ratios(rates, "ours", "seed"),
        "catching up, limit / ours": pair_ratios(rates, "limit (polars)", "ours"),
        "latency, seed / ours": pair_ratios(seconds, "seed", "ours"),
    }
    show(seconds, rates, ratios)
    content = {"micro_batch_seconds": seconds, "rows_per_second": rates, "ratios": ratios}
    conditions = {
        "rounds": {"latency": given.latencies, "catch_up": given.catch_ups},
        "rows": ROWS,
        "backlog_rate": BACKLOG_RATE,
        "live_rate": LIVE_RATE,
        "partitions": 4,
        "load_averages": {"before": before, "after": os.getloadavg()},
    }
    keep("aggregation", content, conditions)


def show(seconds: dict[str, list[float]], rates: dict[str, list[float]], ratios: dict[str, list[float]]) -> None:
    """A table of medians, least and most."""
    table = Table("case", "median", "least", "most", title="aggregation", title_justify="left")
    for unit, figures, form in (
        ("micro-batch, s", seconds, ".2f"),
        ("catching up, rows/s", rates, ",.0f"),
        ("ratio", ratios, ".1f"),
    ):
        for case, values in figures.items():
            spread = (statistics.median(values), min(values), max(values))
            table.add_row(f"{unit}: {case}", *(format(value, form) for value in spread))
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
