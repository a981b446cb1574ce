"""However many workers share a market's symbols, together they give the same stream."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from simulator.faults.digest import RecordDigest
from simulator.faults.stream import records_of
from simulator.market.digest import StreamDigest, combined
from simulator.market.shards import owned
from simulator.market.stream import events_of
from simulator.partitioning import partition_of
from simulator.plan import Plan

START = 1_735_828_200_000_000
ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIOS = sorted(path.stem for path in (ROOT / "conf" / "scenario").glob("*.yaml"))
# What does not fall apart by symbol: turns, a recording without symbols, a breaker of the whole market, shared regimes.
JOINT = {
    "turns": ("arrivals=fixed",),
    "breaker": ("halts=luld", "halts.market_wide=[[0.01,3]]", "shocks=[{at:3,move:-0.02}]"),
    "regime": ("dynamics=regime", "correlation=factor", "arrivals=mmpp", "session=equity_day"),
}
CASES = {**{name: (f"+scenario={name}",) for name in SCENARIOS}, **JOINT}


def sent_digest_and_count(plan: Plan, workers: int) -> tuple[str, int]:
    """The same of the records that are sent, faults and all."""
    names = [symbol.name for symbol in plan.market.symbols]
    chains: dict[str, str] = {}
    count = 0
    for worker in range(workers):
        digest = RecordDigest(plan)
        for records in records_of(plan, START, worker=worker, workers=workers):
            digest.add(records)
            count += len(records)
        mine = {names[place] for place in owned(plan, worker, workers)}
        chains |= {name: chain for name, chain in digest.chains().items() if name in mine}
    return combined(chains), count


def digest_and_count(plan: Plan, workers: int) -> tuple[str, int]:
    names = [symbol.name for symbol in plan.market.symbols]
    chains: dict[str, str] = {}
    count = 0
    for worker in range(workers):
        digest = StreamDigest(names)
        for events in events_of(plan, worker=worker, workers=workers):
            digest.update(events)
            count += len(events)
        mine = {names[place] for place in owned(plan, worker, workers)}
        assert not mine & chains.keys()
        chains |= {name: chain for name, chain in digest.chains().items() if name in mine}
    return combined(chains), count


@pytest.mark.parametrize("name", CASES)
def test_workers_leave_the_stream_alone(name: str, make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(*CASES[name], "duration=20", "sink.partitions=8")
    alone = digest_and_count(plan, 1)
    assert alone[1] > 20
    assert digest_and_count(plan, 2) == alone
    assert digest_and_count(plan, 5) == alone


@pytest.mark.parametrize("name", ["dirty_feed", "edge_cases", "late_feed", "idle_partition"])
def test_workers_leave_the_faults_alone(name: str, make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(f"+scenario={name}", "duration=20", "sink.partitions=8")
    alone = sent_digest_and_count(plan, 1)
    assert alone[1] > 200
    assert sent_digest_and_count(plan, 2) == alone
    assert sent_digest_and_count(plan, 5) == alone


def test_each_symbol_has_one_worker_and_each_partition_too(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("symbols.count=200", "sink.partitions=8")
    shares = [owned(plan, worker, 3).tolist() for worker in range(3)]
    assert sorted(place for share in shares for place in share) == list(range(200))
    names = [symbol.name for symbol in plan.market.symbols]
    writers = [{partition_of(names[place], 8) for place in share} for share in shares]
    assert not any(one & other for one, other in combinations(writers, 2))


@pytest.mark.parametrize("column", ["null", "who"])
def test_a_recording(column: str, make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    recording = tmp_path / "times.csv"
    rows = "\n".join(f"{number * 0.013:.3f},SYM00{number % 7}" for number in range(1500))
    recording.write_text(f"time,who\n{rows}\n", encoding="utf-8")
    plan = make_plan(
        "arrivals=trace", f"arrivals.path={recording}", f"arrivals.symbol={column}", "duration=20", "symbols.count=7"
    )
    assert digest_and_count(plan, 1) == digest_and_count(plan, 5)


def test_more_workers_than_symbols(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("symbols.count=2", "duration=5")
    assert digest_and_count(plan, 9) == digest_and_count(plan, 1)
