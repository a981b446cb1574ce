"""Sessions: real hours, the map between trading and market time, and what happens at openings and closes."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from simulator.errors import BadConfigError
from simulator.market.conditions import LABELS, Condition
from simulator.market.session import Continuous, EquityDay, Exchange, Session, SessionPlan, TradingHours, plan_hours

CONF = Path(__file__).resolve().parents[2] / "conf" / "session"
SECOND = 1_000_000_000
HOUR = 3600 * 1_000_000
DAY = 24 * HOUR


def exchange(calendar: str = "XNYS", pre_open: float = 60.0) -> Exchange:
    return Exchange(
        kind="exchange", calendar=calendar, pre_open=pre_open, u_shape=0.35, opening_auction=50.0, closing_auction=20.0
    )


def day(pre_open: float = 5.0, continuous: float = 100.0, closed: float = 20.0, auction: float = 50.0) -> EquityDay:
    return EquityDay(
        kind="equity_day",
        pre_open=pre_open,
        continuous=continuous,
        closed=closed,
        u_shape=0.0,
        opening_auction=auction,
        closing_auction=auction,
    )


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()) * 1_000_000


def hours_from(start: str, days: float, calendar: str = "XNYS") -> SessionPlan:
    plan = plan_hours(exchange(calendar), int(days * DAY), instant(start))
    assert plan is not None
    return plan


def spans(start: str, plan: SessionPlan) -> list[tuple[str, str]]:
    """Opening and close of each session, as UTC times."""

    def text(value: int) -> str:
        return datetime.fromtimestamp((instant(start) + value) / 1e6, tz=timezone.utc).strftime("%m-%dT%H:%M")

    return [(text(opening), text(close)) for opening, close in zip(plan.opens, plan.closes, strict=True)]


@pytest.mark.parametrize("name", ["24x7", "equity_day", "exchange"])
def test_every_option_is_a_session_of_its_kind(name: str) -> None:
    content = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    session: Session = TypeAdapter(Session).validate_python(content)
    assert session.kind == name


def test_an_early_close_a_holiday_and_a_weekend() -> None:
    start = "2025-07-02T00:00:00"
    assert spans(start, hours_from(start, 6)) == [
        ("07-02T13:30", "07-02T20:00"),
        ("07-03T13:30", "07-03T17:00"),
        ("07-07T13:30", "07-07T20:00"),
    ]


def test_the_clocks_change_and_the_opening_moves_in_utc() -> None:
    start = "2025-03-07T00:00:00"
    assert spans(start, hours_from(start, 4)) == [("03-07T14:30", "03-07T21:00"), ("03-10T13:30", "03-10T20:00")]


def test_a_lunch_break_ends_a_session() -> None:
    start = "2025-01-08T00:00:00"
    assert spans(start, hours_from(start, 1, "XHKG")) == [("01-08T01:30", "01-08T04:00"), ("01-08T05:00", "01-08T08:00")]


def test_sessions_without_a_gap_are_one() -> None:
    plan = hours_from("2025-01-02T00:00:00", 10, "24/7")
    assert (plan.opens, len(plan.closes)) == ([-DAY], 1)
    assert plan.closes[0] >= 10 * DAY


def test_a_run_in_mid_session_begins_with_trading() -> None:
    plan = hours_from("2025-07-03T15:30:00", 4.5)
    assert (plan.opens, plan.closes) == (
        [-2 * HOUR, 4 * DAY - 2 * HOUR],
        [3 * HOUR // 2, 4 * DAY + 9 * HOUR // 2],
    )
    hours = TradingHours(plan)
    edge = 3 * HOUR // 2 * 1000
    assert hours.to_market(np.array([0, edge - 1, edge])).tolist() == [0, edge - 1, (4 * DAY - 2 * HOUR) * 1000]
    assert hours.trading_time_before(5 * DAY * 1000) == 8 * HOUR * 1000
    assert [(phase.time // 1000, phase.condition.label) for phase in hours.phases(0, 2 * DAY * 1000)] == [
        (3 * HOUR // 2, "closing_auction"),
        (3 * HOUR // 2, "closed"),
    ]


def test_a_run_before_the_opening_waits_for_it() -> None:
    hours = TradingHours(hours_from("2025-07-03T13:29:30", 0.01))
    assert hours.to_market(np.array([0, 7])).tolist() == [30 * SECOND, 30 * SECOND + 7]
    assert hours.trading_time_before(30 * SECOND) == 0
    assert [(phase.time, phase.condition.label) for phase in hours.phases(0, 31 * SECOND)] == [
        (0, "pre_open"),
        (30 * SECOND, "open"),
        (30 * SECOND, "opening_auction"),
    ]


def test_a_weekend_has_no_trading() -> None:
    with pytest.raises(BadConfigError) as raised:
        hours_from("2025-07-04T00:00:00", 3)
    assert str(raised.value) == (
        "session.calendar=XNYS: no trading between 2025-07-04T00:00:00Z and 2025-07-07T00:00:00Z; "
        "next opening is at 2025-07-07T13:30:00Z"
    )


def test_a_long_holiday_has_no_trading() -> None:
    with pytest.raises(BadConfigError, match=r"no trading between .*; next opening is at 2025-10-09T01:30:00Z$"):
        hours_from("2025-10-03T00:00:00", 2, "XSHG")


def test_the_last_days_of_a_calendar_have_hours() -> None:
    assert spans("2029-12-30T00:00:00", hours_from("2029-12-30T00:00:00", 0.5, "XSAU")) == [("12-30T07:00", "12-30T12:00")]


def test_an_unknown_calendar_is_refused_in_one_line() -> None:
    with pytest.raises(BadConfigError, match=r"^session\.calendar=XNYSS: no such calendar; did you mean XNYS\?$"):
        plan_hours(exchange("XNYSS"), DAY, instant("2025-07-02T00:00:00"))


def test_dates_outside_of_a_calendar_are_refused_in_one_line() -> None:
    with pytest.raises(BadConfigError, match=r"^session\.calendar=XSAU: has no hours for this run: .*$"):
        plan_hours(exchange("XSAU"), DAY, instant("1980-01-02T00:00:00"))


def test_an_exchange_needs_a_fixed_start() -> None:
    with pytest.raises(BadConfigError, match=r"^session\.kind=exchange: needs a fixed clock\.start"):
        plan_hours(exchange(), DAY, None)


def test_a_run_without_end_has_the_hours_of_ten_years() -> None:
    plan = plan_hours(exchange(), None, instant("2025-01-02T00:00:00"))
    assert plan is not None
    assert 2500 < len(plan.opens) < 2530


def test_a_market_that_never_closes_has_no_hours() -> None:
    assert plan_hours(Continuous(kind="24x7"), DAY, None) is None


def test_a_day_that_ends_before_its_opening_is_refused() -> None:
    with pytest.raises(BadConfigError, match=r"^session\.pre_open=5: no trading in the run"):
        plan_hours(day(), 5_000_000, None)


def test_a_plan_survives_json() -> None:
    plan = hours_from("2025-07-02T00:00:00", 6)
    assert SessionPlan.model_validate_json(plan.model_dump_json()) == plan


def equity_hours(**values: float) -> TradingHours:
    plan = plan_hours(day(**values), None, None)
    assert plan is not None
    return TradingHours(plan)


def test_days_repeat_without_end() -> None:
    hours = equity_hours()
    assert hours.total is None
    times = np.array([0, 99, 100, 250, 20_000 * 100], dtype=np.int64) * SECOND
    assert (hours.to_market(times) // SECOND).tolist() == [5, 104, 130, 305, 20_000 * 125 + 5]
    assert [hours.trading_time_before(seconds * SECOND) // SECOND for seconds in (0, 5, 6, 104, 105, 130, 131)] == [
        0,
        0,
        1,
        99,
        100,
        100,
        101,
    ]


@pytest.mark.parametrize("hours", [equity_hours(), TradingHours(hours_from("2025-07-02T15:00:00", 40))], ids=["days", "exchange"])
def test_trading_time_to_market_time_and_back(hours: TradingHours) -> None:
    top = hours.total or 1000 * SECOND
    trading = np.unique(np.random.default_rng(1).integers(0, top, 500))
    market = hours.to_market(trading)
    assert np.all(np.diff(market) >= np.diff(trading))
    assert [hours.trading_time_before(time) for time in market.tolist()] == trading.tolist()


def test_a_day_in_order() -> None:
    hours = equity_hours()
    assert [
        (phase.time // SECOND, phase.trading_time // SECOND, phase.condition.label) for phase in hours.phases(0, 131 * SECOND)
    ] == [
        (0, 0, "pre_open"),
        (5, 0, "open"),
        (5, 0, "opening_auction"),
        (105, 100, "closing_auction"),
        (105, 100, "closed"),
        (125, 100, "pre_open"),
        (130, 100, "open"),
        (130, 100, "opening_auction"),
    ]
    assert [hours.next_opening(time * SECOND) for time in (0, 1, 100, 101)] == [0, 100 * SECOND, 100 * SECOND, 200 * SECOND]


def test_no_auctions_and_no_pre_open_when_there_are_none() -> None:
    labels = [phase.condition.label for phase in equity_hours(pre_open=0.0, auction=0.0).phases(0, 121 * SECOND)]
    assert labels == ["open", "closed", "open"]


@pytest.mark.parametrize("hours", [equity_hours(), TradingHours(hours_from("2025-07-02T15:00:00", 9))], ids=["days", "exchange"])
@pytest.mark.parametrize("pieces", [1, 2, 7, 100, 1371])
def test_cuts_give_each_phase_once(hours: TradingHours, pieces: int) -> None:
    end = 375 * SECOND if hours.total is None else 9 * DAY * 1000
    cuts = sorted({0, end, *(number * end // pieces for number in range(pieces))})
    joined = [phase for begin, stop in pairwise(cuts) for phase in hours.phases(begin, stop)]
    assert joined == hours.phases(0, end)
    assert len(joined) > 10


def test_the_table_of_conditions() -> None:
    assert LABELS[0] == "regular"
    trades = [LABELS[condition] for condition in Condition if condition.is_trade]
    assert trades == ["regular", "opening_auction", "closing_auction", "reopening_auction"]
