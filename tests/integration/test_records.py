"""Reading a part of a topic to its end, also where transactions of others hold it back."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import Producer

from simulator.broker import records
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.records import read_records
from simulator.broker.topics import end_offsets, ensure_topic
from simulator.errors import UnreachableError

pytestmark = pytest.mark.integration


def held_back(broker: EmbeddedBroker, topic: str) -> Producer:
    """A producer whose transaction is open; behind its record there is one of another."""
    ensure_topic(broker.cluster, topic, 1, 1)
    holding = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": topic})
    holding.init_transactions()
    holding.begin_transaction()
    holding.produce(topic, b"held", partition=0)
    holding.flush()
    plain = Producer({"bootstrap.servers": broker.bootstrap_servers})
    plain.produce(topic, b"behind", partition=0)
    plain.flush()
    return holding


def read(broker: EmbeddedBroker, topic: str, isolation: str, end: dict[int, int]) -> list[tuple[int, bytes | None]]:
    client = {"bootstrap.servers": broker.bootstrap_servers, "isolation.level": isolation}
    return [(offset, record.value()) for _, offset, record in read_records(client, topic, {0: 0}, end)]


@pytest.mark.parametrize(("ending", "seen"), [("commit", [(0, b"held"), (1, b"behind")]), ("abort", [(1, b"behind")])])
def test_what_lies_behind_an_open_transaction_is_waited_for(
    ending: str, seen: list[tuple[int, bytes]], broker: EmbeddedBroker
) -> None:
    topic = f"held-back-{ending}"
    holding = held_back(broker, topic)
    end = end_offsets(broker.cluster, topic)
    # Whoever reads everything does not wait: the transaction is still open.
    assert read(broker, topic, "read_uncommitted", end) == [(0, b"held"), (1, b"behind")]
    assert read(broker, topic, "read_uncommitted", {0: 1}) == [(0, b"held")]
    threading.Timer(2.0, getattr(holding, f"{ending}_transaction")).start()
    assert read(broker, topic, "read_committed", end) == seen


def test_a_transaction_that_does_not_end_is_told(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    holding = held_back(broker, "held-back-for-good")
    monkeypatch.setattr(records, "_PATIENCE_SECONDS", 3.0)
    with pytest.raises(UnreachableError, match=r"nothing came for 3 s .*an open transaction of another producer"):
        read(broker, "held-back-for-good", "read_committed", end_offsets(broker.cluster, "held-back-for-good"))
    holding.abort_transaction()


def test_records_that_are_gone_are_told(broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "short", 1, 1)
    with pytest.raises(UnreachableError, match="topic=short: its records cannot be read: "):
        list(read_records({"bootstrap.servers": broker.bootstrap_servers}, "short", {0: 5}, {0: 9}))
