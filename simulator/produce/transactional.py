"""The Kafka sink with transactions: a reader with `isolation.level=read_committed` sees whole blocks of events only."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import final

from confluent_kafka import KafkaError, KafkaException

from simulator.broker.cluster import Cluster
from simulator.broker.refusals import FENCED, denial
from simulator.plan import Plan
from simulator.produce.kafka import KafkaSink
from simulator.produce.sink import Integers, Items

_LOG = logging.getLogger(__name__)
_TRANSACTIONAL_ID = "transactional.id"
_LONGEST_BLOCK = 0.1
"""Seconds between two commits while events are sent: as long as Kafka Streams takes under exactly-once."""


def is_transactional(plan: Plan) -> bool:
    """Whether a plan asks for transactions."""
    return _TRANSACTIONAL_ID in plan.sink.client


def with_own_id(plan: Plan, worker: int) -> Plan:
    """The plan with a transactional id of one worker: writers of the same id put an end to each other."""
    if not is_transactional(plan):
        return plan
    client = {**plan.sink.client, _TRANSACTIONAL_ID: f"{plan.sink.client[_TRANSACTIONAL_ID]}-{worker}"}
    return plan.model_copy(update={"sink": plan.sink.model_copy(update={"client": client})})


@final
class TransactionalKafkaSink(KafkaSink):
    """Sends in transactions of at most a tenth of a second; an event counts as arrived when its transaction is committed.

    The first one waits for what an earlier producer of the same `transactional.id` has left open, and ends it.
    """

    def __init__(self, plan: Plan, start: int, cluster: Cluster, partitions: int) -> None:
        """As every Kafka sink."""
        super().__init__(plan, start, cluster, partitions)
        self._is_initialised = self._is_open = False
        self._begun = 0.0

    def resume(self, begin: Mapping[int, int]) -> None:
        """End what the earlier part has left open, then find what it has committed."""
        self._initialise()
        super().resume(begin)

    def send(self, sent: Integers, items: Items) -> None:  # noqa: D102  # inherited
        if not self._is_open:
            self._begin()
        super().send(sent, items)
        self._commit_when_due()

    def poll(self) -> None:  # noqa: D102  # inherited
        super().poll()
        self._commit_when_due()

    def flush(self) -> None:  # noqa: D102  # inherited
        super().flush()
        self._commit()

    def close(self) -> None:
        """Abort what is open: it never becomes visible."""
        super().close()
        if self._is_open:
            self._is_open = False
            try:
                self._producer.abort_transaction(self._timeout)
            except KafkaException as error:  # the broker ends it by itself after `transaction.timeout.ms`
                _LOG.warning("a transaction was left open: %s", error)

    def _count(self) -> None:
        """Reported is not arrived: that comes with the commit."""

    @property
    def _isolation(self) -> str:
        """Of a transaction that was never committed nothing has arrived."""
        return "read_committed"

    @property
    def queued(self) -> int:
        """Also what is delivered, but not committed yet."""
        return super().queued + sum(map(len, self._arrived.values()))

    def _initialise(self) -> None:
        if not self._is_initialised:
            with self._told():
                self._producer.init_transactions(self._timeout)
            self._is_initialised = True

    def _begin(self) -> None:
        self._initialise()
        with self._told():
            self._producer.begin_transaction()
        self._is_open, self._begun = True, time.monotonic()

    def _commit_when_due(self) -> None:
        if self._is_open and time.monotonic() - self._begun >= _LONGEST_BLOCK:
            self._commit()

    def _commit(self) -> None:
        if not self._is_open:
            return
        with self._told():
            self._producer.commit_transaction(self._timeout)
        self._is_open = False
        self._raise_latched()
        super()._count()

    def _explained(self, fault: KafkaError) -> str:
        if fault.code() == KafkaError._FENCED:  # noqa: SLF001  # its only name
            return FENCED
        refused = denial(fault, self._cluster, self._topic, "WRITE, in transactions,")
        return refused or f"topic {self._topic}: the transaction failed: {fault.str()}"
