"""Where records went: murmur2 against published values, and places and offsets against a plain count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from simulator.answers.placement import NOWHERE, Placement, placed_records
from simulator.faults.records import joined
from simulator.faults.stream import records_of
from simulator.market import stream
from simulator.partitioning import murmur2, partition_of
from simulator.plan import Plan
from simulator.produce.deliveries import Deliveries

MakePlan = Callable[..., Plan]
Runs = list[list[int]]

START = 1_735_828_201_234_567
MARKET = ("symbols.count=5", "rate=60", "duration=10", "clock=accelerated")
SHAKEN = ("faults=[drop,late,duplicate]", "faults.drop.rate=0.2", "faults.late.delay.mean=1")

# `UtilsTest.testMurmur2` of Apache Kafka, as signed integers of 32 bits.
PUBLISHED = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize("key", PUBLISHED)
def test_murmur2_is_kafkas(key: str) -> None:
    assert murmur2(key.encode()) == PUBLISHED[key] % 2**32


def test_partitions_are_java_clients() -> None:
    """`BuiltInPartitioner.partitionForKey`: toPositive(murmur2(key)) % partitions."""
    for key, signed in PUBLISHED.items():
        for partitions in (1, 2, 3, 4, 7, 12, 1000):
            assert partition_of(key, partitions) == (signed & 0x7FFFFFFF) % partitions


def test_keys_are_utf8() -> None:
    assert partition_of("Ü€", 1000) == (murmur2(b"\xc3\x9c\xe2\x82\xac") & 0x7FFFFFFF) % 1000


def test_deliveries_are_runs() -> None:
    deliveries = Deliveries()
    for place, offset in [(1, 7), (0, 3), (1, 8), (1, 10), (0, 4), (1, 11), (1, 9)]:
        deliveries.add(place, offset)
    deliveries.add("part-0.ndjson", 0, 12)
    deliveries.add("part-0.ndjson", 12, 3)
    assert deliveries.runs == {"1": [[7, 2], [10, 2], [9, 1]], "0": [[3, 2]], "part-0.ndjson": [[0, 15]]}


def counted(plan: Plan, partitions: int) -> tuple[dict[tuple[str, int, int], tuple[int, int]], dict[str, Runs]]:
    """Places and offsets by a count record by record, where every seventh offset of a partition is not a record."""
    places, deliveries, last = {}, Deliveries(), dict.fromkeys(range(partitions), 40)
    for block in records_of(plan, START):
        events = block.events
        rows = zip(events.symbol.tolist(), events.seq.tolist(), block.copy.tolist(), block.withheld.tolist(), strict=True)
        for symbol, seq, copy, withheld in rows:
            name = plan.market.symbols[symbol].name
            if withheld:
                places[name, seq, copy] = (NOWHERE, NOWHERE)
                continue
            partition = partition_of(name, partitions)
            last[partition] += 1 + (last[partition] % 7 == 6)
            deliveries.add(partition, last[partition])
            places[name, seq, copy] = (partition, last[partition])
    return places, deliveries.runs


@pytest.mark.parametrize("block", [1, 50, None])
@pytest.mark.parametrize("partitions", [1, 3, 4, 16])
def test_records_have_the_places_of_a_plain_count(partitions: int, block: int | None, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, *SHAKEN)
    places, runs = counted(plan, partitions)
    placement = Placement(plan, runs, partitions)
    found = {}
    for records in records_of(plan, START, block):
        placed = placement.of(records)
        events, names = placed.records.events, [symbol.name for symbol in plan.market.symbols]
        keys = zip((names[symbol] for symbol in events.symbol), events.seq.tolist(), records.copy.tolist(), strict=True)
        found.update(zip(keys, zip(placed.place.tolist(), placed.offset.tolist(), strict=True), strict=True))
    assert found == places
    assert (NOWHERE, NOWHERE) in found.values()


def test_records_without_a_delivery_are_nowhere(make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET)
    ((records),) = records_of(plan, START)
    placed = Placement(plan, {"2": [[5, 2], [10, 1]]}, 4).of(records)
    there = placed.place != NOWHERE
    mine = np.array([partition_of(symbol.name, 4) == 2 for symbol in plan.market.symbols])[records.events.symbol]
    assert np.flatnonzero(there).tolist() == np.flatnonzero(mine)[:3].tolist()
    assert placed.offset[there].tolist() == [5, 6, 10]
    assert np.all(placed.offset[~there] == NOWHERE)


@pytest.mark.parametrize("block", [1, 50, None])
def test_files_hold_the_records_in_the_order_of_sending(block: int | None, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, *SHAKEN, "sink=file")
    total = sum(len(records.present) for records in records_of(plan, START))
    sizes = [total // 3, 1, 0, total // 2]  # and some that are in none
    placement = Placement(plan, {f"part-{number}": [[0, size]] for number, size in enumerate(sizes)}, None)
    found = []
    for records in records_of(plan, START, block):
        placed = placement.of(records)
        assert np.all(placed.place[records.withheld] == NOWHERE)
        assert np.array_equal(placed.place == NOWHERE, placed.offset == NOWHERE)
        found += list(zip(placed.place[~records.withheld].tolist(), placed.offset[~records.withheld].tolist(), strict=True))
    expected = [(number, line) for number, size in enumerate(sizes) for line in range(size)]
    assert found == expected + [(NOWHERE, NOWHERE)] * (total - len(expected))
    nothing = Placement(plan, {}, None).of(records)
    assert np.all(nothing.place == NOWHERE)


@pytest.mark.parametrize("limit", [0, 1, 100, 10**9])
def test_a_limit_counts_the_records_that_were_sent(limit: int, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, *SHAKEN)
    whole = joined(list(records_of(plan, START)))
    taken = [placed.records for placed in placed_records(plan, START, Placement(plan, {}, 4), limit)]
    records = joined(taken)
    count = len(records)
    assert len(records.present) == min(limit, len(whole.present))
    assert np.array_equal(records.events.seq, whole.events.seq[:count])
    # Those withheld before the next that would have been sent are among them.
    assert count == len(whole) or not whole.withheld[count]


def test_blocks_of_withheld_records_at_the_end_are_among_them(make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have ledger rows like all others, although nothing is sent any more."""
    monkeypatch.setattr(stream, "BLOCK_EVENTS", 1)
    plan = make_plan(*MARKET, "faults=stall", "faults.stall.start=5", "faults.stall.end=100", "faults.stall.release=lost")
    blocks = list(records_of(plan, START))
    sent = sum(len(block.present) for block in blocks)
    assert not len(blocks[-1].present)
    placed = list(placed_records(plan, START, Placement(plan, {}, 4), sent))
    assert sum(len(part.records) for part in placed) == sum(map(len, blocks))
