"""`python -m benchmarks [EVENTS]`: generation, encoding, and the producer against a loop of `json.dumps` and `produce`.

The two producers run in turn against the same embedded broker, at least five times each; what counts is the median and the ratio
pair by pair. Results go to `benchmarks/results/producer.json` with the machine and the versions.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import confluent_kafka
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import ensure_topic
from simulator.checks import CHECKS
from simulator.cli import config_directory
from simulator.compiler import compile_plan
from simulator.encode.json import encode
from simulator.manifest import host, package_versions
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.produce.clock import WallClock
from simulator.produce.kafka import KafkaSink
from simulator.produce.producer import Producer
from simulator.produce.signals import StopRequest
from simulator.schema import read_specification

ROUNDS = 5
RESULTS = Path(__file__).parent / "results" / "producer.json"


def plan_of(events: int) -> Plan:
    """An unpaced market of 100 symbols, fast enough that the order bound between partitions does not bind."""
    with initialize_config_dir(config_directory(), version_base="1.3"):
        config = compose("config", ["clock=unpaced", "rate=200000", f"duration={events / 200_000}"])
    content = OmegaConf.to_container(config, resolve=True)
    return compile_plan(read_specification(content, CHECKS))  # type: ignore[arg-type]  # a mapping


def generate(plan: Plan) -> int:
    """Columns of events, no encoding."""
    return sum(len(events) for events in events_of(plan))


def generate_and_encode(plan: Plan) -> int:
    """JSON lines, not sent."""
    return sum(len(encode(events, plan, plan.clock.start or 0)) for events in events_of(plan))


def ours(plan: Plan, servers: str) -> int:
    """The producer runtime: model, digest, encoding, delivery, acknowledgement of every event."""
    sink = KafkaSink(plan, plan.clock.start or 0, servers)
    outcome = Producer(plan, sink, WallClock()).run(StopRequest(), lambda _: None)
    return outcome.progress.acked


def loop(plan: Plan, servers: str) -> int:
    """The playground's way: one dictionary, one `json.dumps` and one `produce` an event, with the same client properties."""
    properties = {**plan.sink.client, "bootstrap.servers": servers, "queue.buffering.max.messages": 500_000}
    producer = confluent_kafka.Producer(properties)
    symbols = [symbol.name for symbol in plan.market.symbols]
    count = round((plan.duration or 0) / 1e6 * plan.market.rate)
    for number in range(count):
        symbol = symbols[number % len(symbols)]
        event = {"symbol": symbol, "seq": number, "event_time": "2025-01-02T14:30:00.000000Z", "price": 100.25, "volume": 100}
        while True:
            try:
                producer.produce(plan.sink.topic, key=symbol, value=json.dumps(event))
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    producer.flush()
    return count


def measure(cases: dict[str, Callable[[], int]]) -> dict[str, list[float]]:
    """Events per second of each case, in turn, round by round, after one round that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(ROUNDS + 1):
        for name, case in cases.items():
            begun = time.perf_counter()
            events = case()
            if number:
                rates[name].append(events / (time.perf_counter() - begun))
    return rates


def main() -> None:
    """Measure, print, keep."""
    plan = plan_of(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder), heap_megabytes=1024) as broker:
        servers = broker.bootstrap_servers
        ensure_topic(servers, plan.sink.topic or "", 4, 1)
        rates = measure(
            {
                "generate": lambda: generate(plan),
                "generate and encode": lambda: generate_and_encode(plan),
                "producer": lambda: ours(plan, servers),
                "json.dumps loop": lambda: loop(plan, servers),
            }
        )
    ratios = [mine / theirs for mine, theirs in zip(rates["producer"], rates["json.dumps loop"], strict=True)]
    table = Table("case", "median events/s", "least", "most")
    for name, values in rates.items():
        table.add_row(name, *(f"{value:,.0f}" for value in (statistics.median(values), min(values), max(values))))
    Console().print(table, f"producer / json.dumps loop: median of {ROUNDS} pairs {statistics.median(ratios):.1f}")
    conditions = {"acks": "all", "idempotence": True, "compression": "lz4", "partitions": 4, "cores": os.cpu_count()}
    content = {
        "events_per_second": rates,
        "ratios": ratios,
        "conditions": conditions,
        "host": host(),
        "versions": package_versions(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
