"""A market that is laid aside and taken up again, in whatever process, goes on as if it had never stopped."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from simulator.encode.payload import Payloads
from simulator.faults.digest import RecordDigest
from simulator.faults.records import Records
from simulator.faults.stream import records_of
from simulator.faults.stretches import Stretches
from simulator.faults.tally import RecordTally
from simulator.plan import Plan

MakePlan = Callable[..., Plan]
FAULTS = "faults=[clock_skew,bad_tick,late,disorder,duplicate,drop,corrupt,correction,stall,drift,burst]"
SCENARIOS = sorted(path.stem for path in (Path(__file__).resolve().parent.parent.parent / "conf" / "scenario").glob("*.yaml"))
END = 2**62

few = settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
cuts = st.lists(st.integers(0, 12_000_000_000), max_size=6).map(sorted)


def written(plan: Plan, blocks: list[Records]) -> tuple[str, list[bytes | None]]:
    """The digest and the payloads of records, in their order."""
    digest, payloads = RecordDigest(plan), Payloads(plan, 0)
    lines: list[bytes | None] = []
    for block in blocks:
        digest.add(block)
        lines += payloads.of(block.present)
    return digest.hexdigest(), lines


def resumed(plan: Plan, instants: list[int]) -> list[Records]:
    """The records of a plan, with the state pickled and read again at each instant."""
    stretches, blocks = Stretches(plan, 0), []
    for instant in sorted([*instants, END]):
        part = list(stretches.until(instant))
        assert all(int(block.sent.max()) < instant for block in part)
        blocks += part
        stretches = pickle.loads(pickle.dumps(stretches))  # noqa: S301  # its own
        assert stretches.upcoming is None or stretches.upcoming >= instant
    assert stretches.upcoming is None
    return blocks


@pytest.mark.parametrize("faults", ["faults=none", FAULTS, "+scenario=edge_cases"])
@given(instants=cuts, rate=st.integers(50, 4000))
@few
def test_the_parts_are_the_whole(faults: str, instants: list[int], rate: int, make_plan: MakePlan) -> None:
    plan = make_plan(faults, f"rate={rate}", "duration=10", "symbols.count=7")
    assert written(plan, resumed(plan, instants)) == written(plan, list(records_of(plan, 0)))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_goes_on(scenario: str, make_plan: MakePlan) -> None:
    plan = make_plan(f"+scenario={scenario}", "duration=20")
    assert written(plan, resumed(plan, [1, 7_000_000_000, 7_000_000_000, 19_999_999_999])) == written(
        plan, list(records_of(plan, 0))
    )


@given(instants=cuts)
@few
def test_a_tally_does_not_depend_on_how_it_is_cut(instants: list[int], make_plan: MakePlan) -> None:
    plan = make_plan(FAULTS, "rate=800", "duration=10", "symbols.count=7")
    whole, parts = RecordTally(plan), RecordTally(plan)
    for block in records_of(plan, 0, 100_000):
        whole.add(block)
    for part in resumed(plan, [*instants, 3_000_000_000, 6_000_000_000]):
        for rows in (slice(0, 100), slice(100, None)):
            parts.add(part.take(rows))
    assert whole.counts.sum() > 5000
    assert whole.differing(parts) == []


def test_a_tally_tells_one_changed_record(make_plan: MakePlan) -> None:
    plan = make_plan(FAULTS, "rate=800", "duration=10", "symbols.count=7")
    (block, *_) = records_of(plan, 0)
    right, wrong = RecordTally(plan), RecordTally(plan)
    right.add(block)
    row = int(np.flatnonzero(~block.withheld)[123])
    block.events.price[row] += 1
    wrong.add(block)
    assert right.differing(wrong) == [plan.market.symbols[int(block.events.symbol[row])].name]
    np.testing.assert_array_equal(right.counts, wrong.counts)
