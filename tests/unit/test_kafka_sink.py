"""Why records were not delivered: the first reason, as one line. No broker is needed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError

from simulator.broker.cluster import Cluster
from simulator.errors import DeliveryError
from simulator.produce.kafka import KafkaSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.plan import Plan

GIVEN_UP = [KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT]
TOO_LARGE = KafkaError.MSG_SIZE_TOO_LARGE
FATAL = "ProduceRequest for ticks [3] with 5 message(s) failed: Broker: Message size too large"


@pytest.fixture
def sink(make_plan: Callable[..., Plan]) -> KafkaSink:
    return KafkaSink(make_plan(), 0, Cluster("127.0.0.1:1"), 4)


def failure(sink: KafkaSink, *codes: int) -> str:
    for code in codes:
        sink._delivered(KafkaError(code), None)  # type: ignore[arg-type]  # of a record that failed, nothing is asked
    with pytest.raises(DeliveryError) as caught:
        sink.flush()
    return str(caught.value)


@pytest.mark.parametrize(
    "codes", [[TOO_LARGE], [*GIVEN_UP, TOO_LARGE], [TOO_LARGE, *GIVEN_UP], [TOO_LARGE, KafkaError.NOT_LEADER_FOR_PARTITION]]
)
def test_the_reason_is_the_first_that_is_one(codes: list[int], sink: KafkaSink) -> None:
    assert failure(sink, *codes) == (
        f"topic ticks: {len(codes)} events were not delivered, the first because: Broker: Message size too large"
    )


def test_where_all_were_given_up_the_reason_is_what_ended_the_client(sink: KafkaSink) -> None:
    sink._refusals(KafkaError(KafkaError._GAPLESS_GUARANTEE, FATAL, fatal=True))
    assert failure(sink, *GIVEN_UP) == f"topic ticks: 2 events were not delivered, the first because: {FATAL}"


def test_where_there_is_no_other_reason_that_is_said(sink: KafkaSink) -> None:
    assert failure(sink, GIVEN_UP[0]) == "topic ticks: 1 events were not delivered, the first because: Local: Purged in queue"
