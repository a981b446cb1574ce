"""Moves and bursts by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from simulator.market.exact import FRACTION_BITS, fixed_point, logarithm
from simulator.market.prices import Prices
from simulator.market.shocks import Shock, burst, displacement
from simulator.market.stream import events_of
from simulator.plan import Plan

MakePlan = Callable[..., Plan]

SECOND = 1_000_000_000
STILL = ("dynamics.volatility=0", "symbols.count=12", "symbols.tick_size=0.0001")
FALL = "{at:'00:10:00',move:-0.08,over:30,recover:0.5,recover_over:300}"
WHOLE = math.log(0.92)
# Log price by the second: a straight line down in 30 s, half of it back in 300 s.
KNOTS = ([600.0, 630.0, 930.0], [0.0, WHOLE, WHOLE / 2])


def paths(plan: Plan, steps: int) -> NDArray[np.float64]:
    """Log prices over their opening, shape (symbols, steps); in two pieces."""
    prices = Prices(plan.market, plan.seed, round(plan.market.dynamics.step * SECOND), int)
    ticks = np.concatenate([prices.advance(piece).ticks for piece in (steps // 3, steps - steps // 3)], axis=1)
    return np.log(ticks / 1_000_000)


def test_a_fall_and_its_recovery() -> None:
    shock = Shock(at="00:10:00", move=-0.08, over=30, recover=0.5, recover_over=300)
    times = np.array([0.0, 599.9, 600.0, 600.3, 615.0, 630.0, 630.3, 780.0, 930.0, 1e6])
    expected = np.interp(times, *KNOTS)
    assert displacement(shock, shock.begin, (times * SECOND).astype(np.int64)) / 2.0**FRACTION_BITS == pytest.approx(
        expected, abs=1e-12
    )
    exact = fixed_point(logarithm(0.92) * np.array([0.5, 1.0, 0.5]))
    assert displacement(shock, shock.begin, np.array([615, 630, 930]) * SECOND).tolist() == exact.tolist()


def test_prices_take_the_path_of_the_shock(make_plan: MakePlan) -> None:
    found = paths(make_plan(*STILL, f"shocks=[{FALL}]"), 10_000)
    expected = np.interp(np.arange(10_000) / 10, *KNOTS)
    assert np.abs(found - expected).max() < 1e-11
    # Eight per cent down, half of the log price back.
    assert np.exp(found[:, [5999, 6000, 6300, 9300, 9999]]) == pytest.approx(
        np.tile([1, 1, 0.92, math.sqrt(0.92), math.sqrt(0.92)], (12, 1))
    )


def test_trades_are_made_on_the_path(make_plan: MakePlan) -> None:
    plan = make_plan("dynamics.volatility=0", "symbols.count=1", f"shocks=[{FALL}]", "arrivals=fixed", "rate=1", "duration=1000")
    prices = np.concatenate([events.price for events in events_of(plan)])
    assert prices.tolist() == np.rint(10_000 * np.exp(np.interp(np.arange(1000.0), *KNOTS))).astype(int).tolist()


def test_targets_are_the_market_a_sector_or_a_symbol(make_plan: MakePlan) -> None:
    factor = (
        *("correlation=factor", "correlation.market.dynamics.volatility=0", "correlation.sectors.dynamics.volatility=0"),
        *(
            "correlation.sectors.names=[a,b]",
            "+correlation.sectors.members={" + ",".join(f"SYM{n:03}:{'ab'[n % 2]}" for n in range(12)) + "}",
        ),
    )
    shocks = "shocks=[{at:1,move:0.1},{at:2,target:b,move:0.2},{at:3,target:SYM003,move:-0.3}]"
    found = np.exp(paths(make_plan(*STILL, *factor, shocks), 40))
    sector, symbol = np.arange(12) % 2 == 1, np.arange(12) == 3
    for second, expected in enumerate(
        (1.0, 1.1, 1.1 * np.where(sector, 1.2, 1), 1.1 * np.where(sector, 1.2, 1) * np.where(symbol, 0.7, 1))
    ):
        assert found[:, 10 * second : 10 * second + 10] == pytest.approx(np.broadcast_to(np.reshape(expected, (-1, 1)), (12, 10)))


def test_a_shock_in_closed_hours_moves_the_opening(make_plan: MakePlan) -> None:
    plan = make_plan(
        *(
            "dynamics.volatility=0",
            "symbols.count=1",
            "arrivals=fixed",
            "rate=1",
            "duration=25",
            "shocks=[{at:15,move:-0.5,rate:3,rate_over:5}]",
        ),
        *("session=equity_day", "session.pre_open=1", "session.continuous=9", "session.closed=10", "session.u_shape=0"),
    )
    events = list(events_of(plan))
    time, price, condition = (np.concatenate([getattr(each, name) for each in events]) for name in ("time", "price", "condition"))
    assert price[time < 15 * SECOND].tolist() == [10_000] * int((time < 15 * SECOND).sum())
    assert set(price[time >= 21 * SECOND].tolist()) == {5_000}
    # The burst begins with the opening at 21 s: three trades a second.
    assert (condition[time > 21 * SECOND] == 0).sum() == pytest.approx(12, abs=1)


@pytest.mark.parametrize("factor", [0.0, 0.25, 6.0])
@pytest.mark.parametrize("arrivals", ["poisson", "ramp"])
def test_a_burst_multiplies_the_rate_inside_and_leaves_it_outside(arrivals: str, factor: float, make_plan: MakePlan) -> None:
    growth = ("arrivals.growth=1",) if arrivals == "ramp" else ()
    shock = f"shocks=[{{at:20,rate:{factor},rate_over:15.5}}]"
    plan = make_plan(f"arrivals={arrivals}", *growth, shock, "rate=200", "duration=60", "symbols.count=5")
    time = np.concatenate([events.time for events in events_of(plan)]) / 1e9
    inside = (time >= 20) & (time < 35.5)
    for number, expected in ((int(inside.sum()), 200 * factor * 15.5), (int((~inside).sum()), 200 * 44.5)):
        assert abs(number - expected) <= 4.5 * math.sqrt(expected)
    # Each half of the burst has its half.
    half = ((time >= 20) & (time < 27.75)).sum()
    assert abs(half - 200 * factor * 7.75) <= 4.5 * math.sqrt(200 * factor * 7.75)


def test_a_burst_leaves_what_came_before_alone(make_plan: MakePlan) -> None:
    common = ("rate=50", "duration=9", "symbols.count=3", "dynamics.volatility=5")
    plain, burst_ = (
        np.concatenate([np.stack((e.time, e.price, e.volume)) for e in events_of(make_plan(*common, *more))], axis=1)
        for more in ((), ("shocks=[{at:5,rate:9,rate_over:2}]",))
    )
    before = int((plain[0] < 5 * SECOND).sum())
    assert np.array_equal(plain[:, :before], burst_[:, :before])
    assert burst_[0, before] >= 5 * SECOND


def test_a_move_alone_is_no_burst_and_a_rate_of_nothing_is_one() -> None:
    assert burst(Shock(at=1, move=0.1), 0) is None
    assert burst(Shock(at=1, rate=0, rate_over=2), 7) == (7, 7 + 2 * SECOND, 0.0)


@pytest.mark.parametrize(
    ("at", "seconds"),
    [("00:00:00", 0), ("00:10:00", 600), ("100:00:01.5", 360_001.5), (2.5, 2.5), ("00:00:59.000000001", 59.000000001)],
)
def test_times_are_seconds_or_a_clock(at: str | float, seconds: float) -> None:
    assert Shock(at=at, move=0.1).begin == round(seconds * SECOND)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "needs a move, or a rate with rate_over"),
        ({"rate": 2}, "needs rate and rate_over together"),
        ({"rate_over": 2}, "needs a move, or a rate with rate_over"),
        ({"rate": 2, "rate_over": 1, "over": 3}, "has over or recover without a move"),
        ({"rate": 2, "rate_over": 1, "target": "SYM001"}, "has a rate for SYM001"),
    ],
)
def test_what_would_have_no_effect_is_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Shock.model_validate({"at": 1, **content})


@pytest.mark.parametrize("at", ["10:00", "00:60:00", "-00:00:01", "noon", "", -1, "1.5", "9999999:00:00", "9" * 5000 + ":00:00"])
def test_other_times_are_refused(at: str | float) -> None:
    with pytest.raises(ValueError, match=r"must be seconds from the start, or|must be 0 to"):
        Shock(at=at)
