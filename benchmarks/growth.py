"""Growth: events per second as symbols, partitions, the rate of the market and the duration grow: one worker, model to ack.

Drawn by `python -m benchmarks.plots` as `docs/pictures/growth.png`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import keep, plan_of
from simulator.broker.cluster import Cluster
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import ensure_topic
from simulator.plan import Plan
from simulator.produce.kafka import KafkaSink
from simulator.produce.local import LocalProduction
from simulator.produce.signals import StopRequest

ROUNDS = 3
EVENTS = 1_000_000
RATE = 200_000
PATTERN = "symbols.pattern=SYM%06d"
SYMBOLS = (10, 100, 1_000, 10_000)
PARTITIONS = (1, 4, 16, 64)
RATES = (1_000, 10_000, 100_000, 1_000_000)
DURATIONS = (5, 20, 80, 320)
"""Simulated seconds at RATE / 4."""


def overrides_of(axis: str, value: int) -> list[str]:
    """The run at one point of an axis; everything else as it is at the origin: 100 symbols, 4 partitions, RATE."""
    if axis == "symbols":
        return [f"symbols.count={value}", PATTERN, f"rate={RATE}", f"duration={EVENTS / RATE}"]
    if axis == "partitions":
        return [f"sink.partitions={value}", f"topic=partitions-{value}", f"rate={RATE}", f"duration={EVENTS / RATE}"]
    if axis == "rate":
        return [f"rate={value}", f"duration={min(EVENTS, 300 * value) / value}"]
    return [f"rate={RATE // 4}", f"duration={value}"]


def sent_per_second(plan: Plan, servers: str) -> float:
    """Events per second from the first block to the last acknowledgement, and the block before it."""
    partitions = plan.sink.partitions or 1
    ensure_topic(Cluster(servers), plan.sink.topic or "", partitions, 1)
    with LocalProduction(plan, lambda start: KafkaSink(plan, start, Cluster(servers), partitions)) as production:
        begun = time.perf_counter()
        outcome = production.run(plan.clock.start or 0, StopRequest(), lambda _: None)
        return outcome.progress.acked / (time.perf_counter() - begun)


def main() -> None:
    """Measure in turn, print, keep."""
    axes = {"symbols": SYMBOLS, "partitions": PARTITIONS, "rate": RATES, "duration": DURATIONS}
    rates: dict[str, dict[int, list[float]]] = {axis: {value: [] for value in values} for axis, values in axes.items()}
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder), heap_megabytes=1024) as broker:
        for number in range(ROUNDS + 1):
            for axis, values in axes.items():
                for value in values:
                    rate = sent_per_second(plan_of(*overrides_of(axis, value)), broker.bootstrap_servers)
                    if number:
                        rates[axis][value].append(rate)
    table = Table("axis", "value", "median events/s", title="growth", title_justify="left")
    for axis, points in rates.items():
        for value, measured in points.items():
            table.add_row(axis, f"{value:,}", f"{statistics.median(measured):,.0f}")
    Console().print(table)
    keep("growth", {"events_per_second": rates}, {"events": EVENTS, "rate": RATE, "rounds_of_growth": ROUNDS, "workers": 1})
