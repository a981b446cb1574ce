"""Pacing follows the events' own times, whatever sleeping and sending cost."""

from __future__ import annotations

import time

import numpy as np
import pytest

from simulator.plan import ClockPlan
from simulator.produce.clock import ManualClock, WallClock
from simulator.produce.pacing import _LONGEST_SLEEP, _SHORTEST_SLEEP, Paced, Unpaced, pace

MILLISECOND = 1_000_000


def sent_at(
    times: list[int], speed: float, clock: ManualClock, cost: int = 0, stall: tuple[int, int] = (-1, 0), *, catch_up: bool = False
) -> list[int]:
    """When each event is sent, for a sender that takes `cost` nanoseconds a time, and so long at one of the events."""
    pacer, moments, position = Paced(speed, clock, clock.now(), catch_up=catch_up), [], 0
    while position < len(times):
        due = pacer.due(np.array(times), position)
        moments += [clock.now()] * (due - position)
        if position <= stall[0] < due:
            clock.advance(stall[1])
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
    times = [5 * MILLISECOND] * 3 + [9 * MILLISECOND]
    assert sent_at(times, 1.0, ManualClock()) == [time + 1 for time in times]


def test_events_that_are_due_soon_are_sent_together() -> None:
    moments = sent_at(list(range(0, 10 * MILLISECOND, 1000)), 1.0, ManualClock())
    assert len(set(moments)) <= 10 * MILLISECOND // _SHORTEST_SLEEP + 1
    assert max(np.diff(moments)) <= _SHORTEST_SLEEP


def test_after_a_stall_the_rate_is_the_one_asked_and_no_burst() -> None:
    times = [k * 10 * MILLISECOND for k in range(1000)]
    moments = sent_at(times, 1.0, ManualClock(), stall=(300, 3000 * MILLISECOND))
    gaps = np.diff(moments)
    assert gaps[300] == 3000 * MILLISECOND
    assert np.delete(gaps, 300).min() > 9 * MILLISECOND
    assert moments[-1] - times[-1] == pytest.approx(2990 * MILLISECOND, abs=MILLISECOND)


@pytest.mark.parametrize("catch_up", [False, True])
def test_a_hiccup_is_made_up_for(catch_up: bool) -> None:  # noqa: FBT001  # pytest's way
    times = [k * 10 * MILLISECOND for k in range(1000)]
    moments = sent_at(times, 1.0, ManualClock(), stall=(300, 200 * MILLISECOND), catch_up=catch_up)
    assert moments[-1] - times[-1] <= MILLISECOND


def test_a_burst_is_sent_to_those_who_ask_for_it() -> None:
    times = [k * 10 * MILLISECOND for k in range(1000)]
    moments = sent_at(times, 1.0, ManualClock(), stall=(300, 3000 * MILLISECOND), catch_up=True)
    assert moments[600] == moments[301]
    assert moments[-1] - times[-1] <= MILLISECOND


def test_the_lag_counts_from_the_schedule_that_was_asked_for() -> None:
    clock = ManualClock()
    pacer = Paced(2.0, clock, clock.now(), catch_up=False)
    clock.advance(10**9)
    assert pacer.due(np.array([0, 10**9]), 0) == 1
    assert pacer.lags(np.array([0, 10**9])).tolist() == [10**9, 5 * 10**8]


def test_a_long_wait_is_cut_so_that_a_stop_is_seen() -> None:
    clock = ManualClock()
    assert Paced(1.0, clock, clock.now(), catch_up=False).due(np.array([10**12]), 0) == 0
    assert clock.now() == _LONGEST_SLEEP


def test_the_origin_is_where_it_is_put() -> None:
    clock = ManualClock()
    clock.advance(10**15)
    pacer = Paced(2.0, clock, clock.now(), catch_up=False)
    assert pacer.due(np.array([0, 100]), 0) == 1
    clock.advance(50)
    assert pacer.due(np.array([0, 100]), 1) == 2


def test_without_a_pace_everything_is_due() -> None:
    clock = ManualClock()
    unpaced = pace(ClockPlan(speed=None, start=0, catch_up=False), clock, 0)
    assert isinstance(unpaced, Unpaced)
    assert unpaced.due(np.array([1, 10**18]), 0) == 2
    assert unpaced.lags(np.array([5])).size == 0
    assert clock.now() == 0


def test_the_wall_clock_moves_on() -> None:
    clock = WallClock()
    before = clock.now()
    clock.sleep(MILLISECOND)
    assert clock.now() - before >= MILLISECOND


def test_a_wall_clock_that_is_set_back_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule is kept by the monotonic clock: an hour back on the wall does not show."""
    clock = WallClock()
    paced = Paced(1.0, clock, clock.now(), catch_up=False)
    times = np.arange(0, 200_000_000, 1_000_000, dtype=np.int64)
    before, position = time.monotonic(), 0
    while position < times.size:
        if position > times.size // 2:
            monkeypatch.setattr(time, "time", lambda: 1.0)
            monkeypatch.setattr(time, "time_ns", lambda: 10**9)
        position = paced.due(times, position)
    assert 0.19 < time.monotonic() - before < 2.0
    assert int(paced.lags(times[-1:])[0]) >= 0
