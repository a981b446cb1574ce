"""The producer, from model to acknowledgement, against its peers, in turn on one embedded broker.

Asked, of one worker: 0.75 of kafka-producer-perf-test, 4 times the playground's loop, 65 % of prebuilt messages; with the best
number of workers: as much as kafka-producer-perf-test.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.measure import measure, pair_ratios, plan_of, publish
from benchmarks.peers import playground, prebuilt
from benchmarks.peers.perf_test import perf_test
from simulator.broker.cluster import Cluster
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import ensure_topic
from simulator.encode.json import encode
from simulator.market.events import Events
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.produce.kafka import KafkaSink
from simulator.produce.local import LocalProduction
from simulator.produce.production import Production
from simulator.produce.signals import StopRequest
from simulator.produce.workers import WorkerProduction

EVENTS = 3_000_000
LOOP_EVENTS = 600_000
RATE = 200_000
PARTITIONS = 4
BROKER_HEAP = 1024


def generate_and_encode(plan: Plan) -> float:
    """JSON lines a second, not sent."""
    begun = time.perf_counter()
    count = sum(len(encode(events, plan, plan.clock.start or 0)) for events in events_of(plan))
    return count / (time.perf_counter() - begun)


def production_of(plan: Plan, servers: str, workers: int) -> Production:
    """The producer runtime, as `sink.workers` makes it."""
    if workers > 1:
        return WorkerProduction(plan, Cluster(servers), PARTITIONS, workers)
    return LocalProduction(plan, lambda start: KafkaSink(plan, start, Cluster(servers), PARTITIONS))


def ours(plan: Plan, servers: str, workers: int) -> float:
    """Model, digest, encoding, delivery, acknowledgement of every event, in processes that are started before, as the peer is."""
    with production_of(plan, servers, workers) as production:
        begun = time.perf_counter()
        outcome = production.run(plan.clock.start or 0, StopRequest(), lambda _: None)
        return outcome.progress.acked / (time.perf_counter() - begun)


def some_messages(plan: Plan) -> list[tuple[bytes, bytes]]:
    """Keys and values of the plan's first blocks."""
    keys = [symbol.name.encode() for symbol in plan.market.symbols]

    def of(events: Events) -> list[tuple[bytes, bytes]]:
        lines = encode(events, plan, plan.clock.start or 0)
        return [(keys[symbol], line) for symbol, line in zip(events.symbol.tolist(), lines, strict=True)]

    blocks = events_of(plan)
    return [message for _ in range(6) for message in of(next(blocks))]


def main() -> None:
    """Measure, print, keep. The rate is high enough that the order bound between partitions does not bind."""
    plan = plan_of(f"rate={RATE}", f"duration={EVENTS / RATE}", f"sink.partitions={PARTITIONS}")
    topic, client = plan.sink.topic or "", plan.sink.client
    messages = some_messages(plan)
    size = round(sum(len(value) for _, value in messages) / len(messages))
    many = max(2, os.cpu_count() or 2)
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder), heap_megabytes=BROKER_HEAP) as broker:
        servers = broker.bootstrap_servers
        ensure_topic(Cluster(servers), topic, PARTITIONS, 1)
        rates = measure(
            {
                "generate and encode": lambda: generate_and_encode(plan),
                "ours, 1 worker": lambda: ours(plan, servers, 1),
                f"ours, {many} workers": lambda: ours(plan, servers, many),
                "playground loop": lambda: LOOP_EVENTS / playground.send(servers, topic, LOOP_EVENTS, client),
                "kafka-producer-perf-test": lambda: perf_test(servers, topic, EVENTS, size, client),
                "prebuilt messages": lambda: prebuilt.send(servers, topic, messages, EVENTS, client),
                "prebuilt messages, with reports": lambda: prebuilt.send_with_reports(servers, topic, messages, EVENTS, client),
            }
        )
    peers = ("kafka-producer-perf-test", "playground loop", "prebuilt messages", "prebuilt messages, with reports")
    own = ("ours, 1 worker", f"ours, {many} workers")
    ratios = {f"{mine} / {peer}": pair_ratios(rates, mine, peer) for mine in own for peer in peers}
    conditions = {
        "events": EVENTS,
        "record_bytes": size,
        "partitions": PARTITIONS,
        "client": client,
        "heap_megabytes": BROKER_HEAP,
    }
    publish("producer", rates, ratios, conditions)
