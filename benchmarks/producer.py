"""The producer, from model to acknowledgement, against a loop of `json.dumps` and `produce`, in turn on one embedded broker."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import confluent_kafka

from benchmarks.measure import measure, pair_ratios, plan_of, publish, rate_of
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import ensure_topic
from simulator.encode.json import encode
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.produce.clock import WallClock
from simulator.produce.horizon import Alone
from simulator.produce.kafka import KafkaSink
from simulator.produce.producer import Producer
from simulator.produce.signals import StopRequest

EVENTS = 500_000
RATE = 200_000


def generate_and_encode(plan: Plan) -> int:
    """JSON lines, not sent."""
    return sum(len(encode(events, plan, plan.clock.start or 0)) for events in events_of(plan))


def ours(plan: Plan, servers: str) -> int:
    """The producer runtime: model, digest, encoding, delivery, acknowledgement of every event."""
    sink = KafkaSink(plan, plan.clock.start or 0, servers, plan.sink.partitions or 1)
    outcome = Producer(plan, plan.clock.start or 0, sink, WallClock()).run(Alone(StopRequest()), lambda _: None)
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


def main() -> None:
    """Measure, print, keep. The rate is high enough that the order bound between partitions does not bind."""
    plan = plan_of(f"rate={RATE}", f"duration={EVENTS / RATE}")
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder), heap_megabytes=1024) as broker:
        servers = broker.bootstrap_servers
        ensure_topic(servers, plan.sink.topic or "", 4, 1)
        rates = measure(
            {
                "generate and encode": lambda: rate_of(lambda: generate_and_encode(plan)),
                "producer": lambda: rate_of(lambda: ours(plan, servers)),
                "json.dumps loop": lambda: rate_of(lambda: loop(plan, servers)),
            }
        )
    ratios = {"producer / json.dumps loop": pair_ratios(rates, "producer", "json.dumps loop")}
    publish("producer", rates, ratios, {"acks": "all", "idempotence": True, "compression": "lz4", "partitions": 4, "rate": RATE})
