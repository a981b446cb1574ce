"""The figures of a run for Prometheus: conventional names, base units, made anew at each scrape."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from typing import final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from simulator.errors import BadConfigError
from simulator.report.live.figures import Figures, Reading
from simulator.report.live.microbatches import DURATIONS, Totals
from simulator.report.live.server import Answer, serving


@contextmanager
def serving_metrics(figures: Figures, host: str, port: int) -> Iterator[str]:
    """Serve the metrics within the context; gives their address.

    Raises:
        BadConfigError: nobody can listen there.
    """
    registry = registry_of(figures)
    routes = {"/metrics": lambda _: Answer(CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry))}
    with ExitStack() as stack:
        try:
            address = stack.enter_context(serving(routes, host, port))
        except OSError as error:
            raise BadConfigError(_fault(error, host, port)) from None
        yield f"{address}/metrics"


def _fault(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"metrics_port={port}: something already listens on {host}:{port}; take another, or 0 for any free one"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"metrics_host={host}: must be an address of this machine ({error.strerror})"
    return f"metrics_port={port}: nobody can listen on {host}:{port} ({error.strerror})"


def registry_of(figures: Figures) -> CollectorRegistry:
    """A registry of its own, with nothing of this process or of other runs in it."""
    registry = CollectorRegistry()
    registry.register(_RunCollector(figures))
    return registry


@final
class _RunCollector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: which metrics there are follows from the run."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        reading = self._figures.read()
        yield from _of_the_producer(reading)
        if reading.spark is not None:
            yield from _of_spark(reading.spark)


def _of_the_producer(reading: Reading) -> Iterator[Metric]:
    progress = reading.progress
    yield _counter("simulator_events_generated", "Events handed to the sink.", progress.generated)
    yield _counter("simulator_events_acked", "Events whose arrival is certain.", progress.acked)
    yield _counter("simulator_events_failed", "Events that are known not to have arrived.", progress.failed)
    yield _gauge("simulator_queue_events", "Events handed over and not acknowledged yet.", progress.queued)
    yield _gauge("simulator_lag_seconds", "Time by which the last event was sent after its moment.", max(progress.lag, 0.0))
    yield _gauge("simulator_lag_seconds_max", "The largest such time of the run.", progress.largest_lag)
    yield _gauge("simulator_market_time_seconds", "Simulated time done.", progress.market_time)
    if reading.asked is not None:
        yield _gauge("simulator_rate_asked", "Events per second of wall time that were asked for, the mean.", reading.asked)


def _of_spark(spark: Totals) -> Iterator[Metric]:
    yield _counter("spark_streaming_batches", "Micro-batches that have ended.", spark.batches)
    yield _counter("spark_streaming_input_rows", "Rows read from the source.", spark.rows)
    dropped = spark.counts["late_dropped"]
    yield _counter("spark_streaming_rows_dropped_by_watermark", "Rows that came after their watermark.", dropped)
    bounds = [*map(str, DURATIONS), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(spark.durations)), strict=True))
    name = "spark_streaming_batch_duration_seconds"
    yield HistogramMetricFamily(name, "How long micro-batches took.", buckets=buckets, sum_value=spark.duration)
    yield _gauge("spark_streaming_state_memory_bytes", "Memory of the state.", spark.state_bytes)
    last = spark.last
    yield _gauge("spark_streaming_state_rows", "Rows that the state holds.", 0 if last is None else last.state_rows)
    if last is not None and last.watermark_delay is not None:
        name = "spark_streaming_watermark_delay_seconds"
        yield _gauge(name, "Time from the watermark to the newest event.", last.watermark_delay)


def _counter(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(name, documentation, value=value)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)
