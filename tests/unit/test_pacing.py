"""Pacing follows the events' own times, whatever sleeping and sending cost."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.produce.clock import ManualClock, WallClock
from simulator.produce.pacing import _LONGEST_SLEEP, Paced, Unpaced, pace

MILLISECOND = 1_000_000


def sent_at(times: list[int], speed: float, clock: ManualClock, cost: int = 0) -> list[int]:
    """When each event is sent, for a sender that takes `cost` nanoseconds a time."""
    pacer, moments, position = Paced(speed, clock), [], 0
    while position < len(times):
        due = pacer.due(np.array(times), position)
        moments += [clock.now()] * (due - position)
        if due > position:
            clock.advance(cost)
        position = due
    return moments


@pytest.mark.parametrize("speed", [1.0, 10.0, 0.1, 3.7])
@pytest.mark.parametrize("oversleep", [0, 57_000, 3 * MILLISECOND])
def test_event_k_is_sent_at_its_own_time(speed: float, oversleep: int) -> None:
    times = [k * 100 * MILLISECOND for k in range(200)]
    moments = sent_at(times, speed, ManualClock(oversleep), cost=200_000)
    lateness = [moment - time / speed for time, moment in zip(times, moments, strict=True)]
    assert min(lateness) >= 0
    # The last is no later than the first may be: nothing adds up.
    assert max(lateness) <= oversleep + 200_000 + 2


def test_an_oversleep_longer_than_the_gaps_sends_in_bursts_and_loses_no_time() -> None:
    times = [k * MILLISECOND for k in range(2000)]
    moments = sent_at(times, 1.0, ManualClock(oversleep=50 * MILLISECOND))
    lateness = [moment - time for time, moment in zip(times, moments, strict=True)]
    assert min(lateness) >= 0
    assert max(lateness) <= 51 * MILLISECOND
    assert len(set(moments)) < 60


def test_events_of_one_moment_are_sent_together() -> None:
    assert sent_at([5, 5, 5, 9], 1.0, ManualClock()) == [6, 6, 6, 10]


def test_a_long_wait_is_cut_so_that_a_stop_is_seen() -> None:
    clock = ManualClock()
    assert Paced(1.0, clock).due(np.array([10**12]), 0) == 0
    assert clock.now() == _LONGEST_SLEEP


def test_the_origin_is_the_moment_of_construction() -> None:
    clock = ManualClock()
    clock.advance(10**15)
    pacer = Paced(2.0, clock)
    assert pacer.due(np.array([0, 100]), 0) == 1
    clock.advance(50)
    assert pacer.due(np.array([0, 100]), 1) == 2
    clock.advance(7)
    assert pacer.lag(100) == 7


def test_without_a_pace_everything_is_due() -> None:
    clock = ManualClock()
    assert isinstance(pace(None, clock), Unpaced)
    assert pace(None, clock).due(np.array([1, 10**18]), 0) == 2
    assert pace(None, clock).lag(5) == 0
    assert clock.now() == 0


def test_the_wall_clock_moves_on() -> None:
    clock = WallClock()
    before = clock.now()
    clock.sleep(MILLISECOND)
    assert clock.now() - before >= MILLISECOND
