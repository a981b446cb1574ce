"""How busy the market is over time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from simulator.market.activity import market_intensity, session_shape
from simulator.market.shapes import Sequel
from simulator.market.stream import events_of
from simulator.plan import Plan

MakePlan = Callable[..., Plan]

SECOND = 1_000_000_000


def test_a_market_without_shape_or_bursts_is_even(make_plan: MakePlan) -> None:
    for overrides in ((), ("session=equity_day", "session.u_shape=0"), ("shocks=[{at:3,move:0.1}]",)):
        market = make_plan(*overrides).market
        assert market_intensity(market.shocks, market.session) is None


def test_a_day_has_the_same_trades_whatever_its_shape(make_plan: MakePlan) -> None:
    session = make_plan("session=equity_day", "session.continuous=100", "session.u_shape=0.7").market.session
    assert session is not None
    shape = session_shape(session)
    for day in (1, 2, 50):
        assert abs(shape.cumulative(day * 100 * SECOND) - day * 100 * SECOND) <= 390 * day
    # The ends have 1 + 2 u, the middle 1 - u.
    for second, level in ((0.0, 2.4), (50.0, 0.3), (99.9, 2.4)):
        begin = round(second * SECOND)
        assert (shape.cumulative(begin + SECOND // 10) - shape.cumulative(begin)) / (SECOND / 10) == pytest.approx(
            level, rel=0.01
        )


def test_a_run_that_begins_in_mid_session_has_the_rest_of_the_shape(make_plan: MakePlan) -> None:
    plan = make_plan(
        "session=exchange", "session.u_shape=1", "clock=unpaced", "clock.start=2025-01-02T17:45:00Z", "duration=11700"
    )
    assert plan.market.session is not None
    assert plan.market.session.opens == [-11_700_000_000]
    shape = session_shape(plan.market.session)
    hours = [shape.cumulative(round(1170 * SECOND * number)) for number in range(11)]
    # From the middle on the U only rises: 12 (u - 1/2)^2, whose integral goes with the cube.
    assert np.diff(hours) / (11_700 * SECOND) == pytest.approx(np.diff((np.arange(11) / 10) ** 3), abs=1e-4)


def test_ten_years_of_sessions_cost_no_more_than_their_kinds(make_plan: MakePlan) -> None:
    """Whole days, short ones, and the rest of the first; each has as many trades as it is long, so that years do not drift."""
    overrides = ("session=exchange", "clock=unpaced", "clock.start=2025-01-02T17:45:00Z")
    session = make_plan(*overrides, "duration=null", "mode=produce").market.session
    assert session is not None
    intensity = session_shape(session)
    assert isinstance(intensity.shape, Sequel)
    assert len({id(part) for part in intensity.shape._parts}) == 3
    assert "opening" not in vars(intensity.shape)  # nothing was tabulated day by day
    ends = np.cumsum([close - max(0, opening) for opening, close in zip(session.opens, session.closes, strict=True)]) * 1000
    assert ends.size > 2500
    assert [intensity.cumulative(end) for end in ends.tolist()] == ends.tolist()
    # What a shorter run has is its beginning.
    short = make_plan(*overrides, "duration=400000").market.session
    assert short is not None
    masses = np.random.default_rng(1).integers(0, 58_500 * SECOND, 2000)
    assert len(short.opens) == 3
    assert np.array_equal(session_shape(short).inverse(masses), intensity.inverse(masses))


def test_bursts_begin_in_trading_time(make_plan: MakePlan) -> None:
    shocks = "shocks=[{at:3,rate:4,rate_over:2},{at:4,rate:0.5,rate_over:2}]"
    market = make_plan(shocks, "session=equity_day", "session.pre_open=1", "session.u_shape=0").market
    intensity = market_intensity(market.shocks, market.session)
    assert intensity is not None
    assert [intensity.cumulative(second * SECOND) / SECOND for second in range(7)] == [0, 1, 2, 6, 8, 8.5, 9.5]


@pytest.mark.parametrize("growth", [0.001, 1, 1000])
@pytest.mark.parametrize("session", ["exchange", "equity_day"])
def test_a_ramp_goes_with_the_hours_of_a_session(session: str, growth: float, make_plan: MakePlan) -> None:
    start = ("clock=unpaced", "clock.start=2025-01-02T20:59:00Z")
    plan = make_plan(
        f"session={session}", "arrivals=ramp", f"arrivals.growth={growth}", *start, "duration=100", "symbols.count=2"
    )
    assert sum(len(events) for events in events_of(plan)) > 2000
