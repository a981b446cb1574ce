"""The job that this project grew from: Spark with its defaults, and a console.

`python seed_job.py SERVERS TOPIC OFFSETS`: stands alone, needs PySpark and a Java. Batches go to stdout as tables; the reports of
the micro-batches as JSON, one a line, too. It runs until it is stopped.
"""

from __future__ import annotations

import json
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql.functions import avg, col, count, from_json, lit, window
from pyspark.sql.functions import sum as total

CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"
SCHEMA = "symbol STRING, seq BIGINT, event_time TIMESTAMP, price DOUBLE, volume BIGINT"
POLL_SECONDS = 0.1


def main(servers: str, topic: str, offsets: str) -> None:
    """Run the query, and tell of its batches."""
    spark = SparkSession.builder.master("local[*]").appName("seed").config("spark.jars.packages", CONNECTOR).getOrCreate()
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", offsets)
        .load()
    )
    events = records.select(from_json(col("value").cast("string"), SCHEMA).alias("event")).select("event.*")
    windows = (
        events.withWatermark("event_time", "10 seconds")
        .groupBy(window("event_time", "10 seconds", "5 seconds"), "symbol")
        .agg(avg("price").alias("avg_price"), total("volume").alias("volume"), count(lit(1)).alias("msg_ct"))
    )
    query = windows.writeStream.outputMode("update").format("console").start()
    told = None
    while query.isActive:
        progress = query.lastProgress
        if progress is not None and (stamp := progress["timestamp"]) != told:
            told = stamp
            # One write, on a line of its own: the tables come from the JVM, through the same pipe.
            sys.stdout.write("\n" + json.dumps(json.loads(progress.json)) + "\n")
            sys.stdout.flush()
        time.sleep(POLL_SECONDS)
    query.awaitTermination()


if __name__ == "__main__":
    main(*sys.argv[1:])
