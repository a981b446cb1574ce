"""However many workers share a market's symbols, together they give the same stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.market.digest import StreamDigest, combined
from simulator.market.shards import owned
from simulator.market.stream import events_of
from simulator.plan import Plan

ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIOS = sorted(path.stem for path in (ROOT / "conf" / "scenario").glob("*.yaml"))
# What does not fall apart by symbol: turns, a recording without symbols, a breaker of the whole market, shared regimes.
JOINT = {
    "turns": ("arrivals=fixed",),
    "breaker": ("halts=luld", "halts.market_wide=[[0.01,3]]", "shocks=[{at:3,move:-0.02}]"),
    "regime": ("dynamics=regime", "correlation=factor", "arrivals=mmpp", "session=equity_day"),
}
CASES = {**{name: (f"+scenario={name}",) for name in SCENARIOS}, **JOINT}


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
    plan = make_plan(*CASES[name], "duration=20")
    alone = digest_and_count(plan, 1)
    assert alone[1] > 20
    assert digest_and_count(plan, 2) == alone
    assert digest_and_count(plan, 5) == alone


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
