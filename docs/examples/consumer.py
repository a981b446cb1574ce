"""A streaming job in plain Python: trades from Kafka, averages by symbol in windows of 10 seconds, to a CSV file.

`python docs/examples/consumer.py BROKER TOPIC RESULTS.csv`. It is the example of docs/guide.md, where it is found to be wrong.
"""

# ruff: noqa: INP001  # a script

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SIZE = timedelta(seconds=10)
QUIET_SECONDS = 5.0


def trades(broker: str, topic: str) -> Iterator[dict[str, Any]]:
    """The trades of a topic from its beginning, until it is quiet; what is no trade is left out."""
    # A group of its own: one that has read before would go on from where it was.
    consumer = Consumer({"bootstrap.servers": broker, "group.id": f"averages-{uuid4()}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    while (message := consumer.poll(QUIET_SECONDS)) is not None:
        trade = parsed(message.value())
        if trade is not None:
            yield trade
    consumer.close()


def parsed(value: bytes | None) -> dict[str, Any] | None:
    """A trade; None where the bytes are not one."""
    try:
        trade = json.loads((value or b"").decode(), parse_constant=int)  # which refuses NaN and Infinity
        return {
            "symbol": str(trade["symbol"]),
            "time": datetime.fromisoformat(trade["event_time"].replace("Z", "+00:00")),
            "price": trade["price"] + 0.0,
            "volume": trade["volume"] + 0,
            "seq": trade["seq"] + 0,
        }
    except (ValueError, KeyError, TypeError):
        return None


def averages(stream: Iterator[dict[str, Any]]) -> dict[tuple[datetime, str], list[float]]:
    """Sum of prices, sum of volumes and number of trades by window and symbol."""
    windows: dict[tuple[datetime, str], list[float]] = defaultdict(lambda: [0.0, 0, 0])
    for trade in stream:
        start = EPOCH + (trade["time"] - EPOCH) // SIZE * SIZE
        window = windows[start, trade["symbol"]]
        window[0] += trade["price"]
        window[1] += trade["volume"]
        window[2] += 1
    return windows


def main() -> None:
    """Read, aggregate, write."""
    broker, topic, results = sys.argv[1:]
    with open(results, "w", newline="", encoding="utf-8") as file:  # noqa: PTH123  # as anybody would
        writer = csv.writer(file)
        writer.writerow(["begin", "ticker", "mean_price", "shares", "trades"])
        for (start, symbol), (prices, volume, count) in sorted(averages(trades(broker, topic)).items()):
            writer.writerow([start.isoformat(), symbol, prices / count, volume, count])


if __name__ == "__main__":
    main()
