"""Pacing: is the rate held that was asked for, and how long after its time is each event handed over?

Against the playground's loop, which sleeps 1 / rate between two events. The lag of an event counts from its own place in the
schedule (k / rate), for every event: no coordinated omission. Asked: an error of the rate of at most 0.1 % at each rate, and at
most 5 ms for 99 % of the events up to 50,000/s.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import ROUNDS, keep, plan_of
from benchmarks.peers import playground
from simulator.broker.cluster import Cluster
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import ensure_topic
from simulator.plan import Plan
from simulator.produce.kafka import KafkaSink
from simulator.produce.local import LocalProduction
from simulator.produce.signals import StopRequest

RATES = (500, 5_000, 50_000, 200_000)
SECONDS = 20
PARTITIONS = 4
SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}

Figures = dict[str, float]


def plan_at(rate: int) -> Plan:
    """A market of the exact schedule, at the speed of the wall clock."""
    pace = ("clock=accelerated", "clock.speed=1", "arrivals=fixed")
    return plan_of(f"rate={rate}", f"duration={SECONDS}", f"sink.partitions={PARTITIONS}", *pace)


def ours(plan: Plan, servers: str) -> Figures:
    """One worker."""
    start = plan.clock.start or 0
    with LocalProduction(plan, lambda first: KafkaSink(plan, first, Cluster(servers), PARTITIONS)) as production:
        outcome = production.run(start, StopRequest(), lambda _: None)
    progress = outcome.progress
    lags = {name: outcome.lags.quantile(share) or 0.0 for name, share in SHARES.items()}
    # The last event of the schedule is due one gap before its end.
    rate = progress.generated / (progress.elapsed + 1 / plan.market.rate)
    return {"rate": rate, **lags, "largest": progress.largest_lag}


def loop(plan: Plan, servers: str) -> Figures:
    """The playground's."""
    rate = plan.market.rate
    moments = np.array(playground.send_paced(servers, plan.sink.topic or "", rate, SECONDS, plan.sink.client))
    lags = moments - np.arange(moments.size) / rate
    quantiles = {name: float(np.quantile(lags, share)) for name, share in SHARES.items()}
    return {"rate": moments.size / (float(moments[-1]) + 1 / rate), **quantiles, "largest": float(lags.max())}


def main() -> None:
    """Measure in turn, print, keep."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder), heap_megabytes=1024) as broker:
        plans = {rate: plan_at(rate) for rate in RATES}
        ensure_topic(broker.cluster, plans[RATES[0]].sink.topic or "", PARTITIONS, 1)
        cases: dict[tuple[int, str], Callable[[], Figures]] = {}
        for rate, plan in plans.items():
            cases[rate, "ours"] = partial(ours, plan, broker.bootstrap_servers)
            cases[rate, "playground loop"] = partial(loop, plan, broker.bootstrap_servers)
        figures: dict[tuple[int, str], list[Figures]] = {key: [] for key in cases}
        for _ in range(ROUNDS):
            for key, case in cases.items():
                figures[key].append(case())
    table = Table("asked/s", "", "held/s", "error", "lag p50", "p99", "p99.9", "largest", title="pacing", title_justify="left")
    for (rate, name), runs in figures.items():
        held = _median(runs, "rate")
        lags = [f"{_median(runs, key) * 1000:,.1f} ms" for key in ("p50", "p99", "p999", "largest")]
        table.add_row(f"{rate:,}", name, f"{held:,.1f}", f"{(held / rate - 1) * 100:+.3f} %", *lags)
    Console(width=120).print(table)
    content: dict[str, Any] = {"runs": [{"asked": rate, "case": name, "runs": runs} for (rate, name), runs in figures.items()]}
    keep("pacing", content, {"seconds": SECONDS, "partitions": PARTITIONS, "rounds": ROUNDS})


def _median(runs: list[Figures], key: str) -> float:
    return statistics.median(run[key] for run in runs)
