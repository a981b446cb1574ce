"""Opens the sink of a topic: plain or with transactions, from the beginning or where an earlier part of the run broke off."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.broker.cluster import Cluster
from simulator.plan import Plan
from simulator.produce.kafka import KafkaSink
from simulator.produce.transactional import TransactionalKafkaSink, is_transactional, with_own_id


def open_topic(
    plan: Plan,
    start: int,
    cluster: Cluster,
    partitions: int,
    earlier: Mapping[int, int] | None = None,
    worker: int = 0,
) -> KafkaSink:
    """The sink of a plan's topic.

    Args:
        plan: of the run.
        start: event time of the market's first instant, microseconds since 1970.
        cluster: where the brokers are, and how to connect.
        partitions: how many the topic has.
        earlier: of a run that is resumed: by partition that this sink writes to, where its records begin.
        worker: the number of the worker that writes.
    """
    kind = TransactionalKafkaSink if is_transactional(plan) else KafkaSink
    sink = kind(with_own_id(plan, worker), start, cluster, partitions)
    if earlier is not None:
        sink.resume(earlier)
    return sink
