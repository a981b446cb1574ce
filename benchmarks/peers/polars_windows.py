"""The limit: the same windows by polars, without streaming, state or a watermark; consuming the topic is part of it.

`python polars_windows.py SERVERS TOPIC COUNT`: stands alone. Prints how many rows are in its windows.
"""

from __future__ import annotations

import io
import sys

import polars as pl
from confluent_kafka import Consumer

BATCH = 500_000
PATIENCE_SECONDS = 5.0


def windows(servers: str, topic: str, count: int) -> int:
    """Consume that many records, aggregate them, and count the rows of all windows."""
    settings = {
        "bootstrap.servers": servers,
        "group.id": "limit",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "queued.max.messages.kbytes": 262_144,
        "fetch.max.bytes": 104_857_600,
        "max.partition.fetch.bytes": 33_554_432,
    }
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    frames, left = [], count
    while left and (messages := consumer.consume(min(BATCH, left), PATIENCE_SECONDS)):
        frames.append(pl.read_ndjson(io.BytesIO(b"\n".join(message.value() or b"" for message in messages))))
        left -= len(messages)
    consumer.close()
    table = (
        pl.concat(frames)
        .with_columns(pl.col("event_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ"))
        .sort("event_time")
        .group_by_dynamic("event_time", every="5s", period="10s", group_by="symbol")
        .agg(pl.col("price").mean().alias("avg_price"), pl.col("volume").sum(), pl.len().alias("msg_ct"))
    )
    return int(table["msg_ct"].sum())


if __name__ == "__main__":
    print(windows(sys.argv[1], sys.argv[2], int(sys.argv[3])))
