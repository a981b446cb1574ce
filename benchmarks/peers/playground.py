"""The producer that this project grew from: a dictionary, a `json.dumps` and a `produce` an event, and a sleep after each."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from itertools import cycle

from confluent_kafka import Producer

SYMBOLS = [f"SYM{number:03d}" for number in range(100)]


def events(count: int) -> Iterator[tuple[str, bytes]]:
    """Key and value of ticks over rotating symbols, each price a step from its last."""
    prices = dict.fromkeys(SYMBOLS, 100.0)
    for number, symbol in zip(range(count), cycle(SYMBOLS), strict=False):
        prices[symbol] = round(prices[symbol] * (1 + random.gauss(0, 0.0001)), 2)  # a market, not a secret
        event = {
            "symbol": symbol,
            "seq": number // len(SYMBOLS),
            "event_time": datetime.now(timezone.utc).isoformat(),
            "price": prices[symbol],
            "volume": random.randint(1, 200),  # noqa: S311  # as above
        }
        yield symbol, json.dumps(event).encode()


def send(servers: str, topic: str, count: int, properties: Mapping[str, object]) -> float:
    """Send events as fast as possible; seconds until all have arrived."""
    begun = time.perf_counter()
    producer = Producer({**properties, "bootstrap.servers": servers})
    for symbol, value in events(count):
        _produce(producer, topic, symbol, value)
    producer.flush()
    return time.perf_counter() - begun


def send_paced(servers: str, topic: str, rate: float, seconds: float, properties: Mapping[str, object]) -> list[float]:
    """Send events for so long, a sleep of 1 / rate after each; when each was handed over, seconds from the start."""
    producer = Producer({**properties, "bootstrap.servers": servers})
    begun = time.perf_counter()
    moments: list[float] = []
    for symbol, value in events(round(rate * seconds)):
        _produce(producer, topic, symbol, value)
        moments.append(time.perf_counter() - begun)
        if moments[-1] >= seconds:
            break
        time.sleep(1 / rate)
    producer.flush()
    return moments


def _produce(producer: Producer, topic: str, symbol: str, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, key=symbol, value=value)
            break
        except BufferError:
            producer.poll(0.01)
    producer.poll(0)
