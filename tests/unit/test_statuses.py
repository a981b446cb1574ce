"""Auctions and statuses: every event of tiny markets whose prices stand still but for shocks by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import jsonschema
import pytest

from simulator.encode.json import encode
from simulator.market.conditions import Condition
from simulator.market.stream import events_of
from simulator.plan import Plan

MakePlan = Callable[..., Plan]
Row = tuple[float, str, str, float]

STILL = ("dynamics.volatility=0", "arrivals=fixed", "symbols.mean_volume=10", "clock=unpaced")
DAY = ("session=equity_day", "session.pre_open=0.5", "session.continuous=1", "session.closed=0.5", "session.closing_auction=30")
LULD = (
    *("halts=luld", "halts.band=0.05", "halts.reference_window=2", "halts.reference_update=1"),
    *("halts.limit_state=0.3", "halts.pause=0.5", "halts.market_wide=[]"),
)
BREAKER = ("halts=luld", "halts.band=0.5", "halts.market_wide=[[0.07,0.5],[0.5,null]]")
START = 1_735_828_200_000_000
AUCTIONS = {"opening_auction": 500, "closing_auction": 300, "reopening_auction": 10}


def payloads(plan: Plan, block: int | None = None) -> list[dict[str, object]]:
    found = [json.loads(line) for events in events_of(plan, block) for line in encode(events, plan, START)]
    for event in found:
        jsonschema.validate(event, plan.event.json_schema)
    return found


def told(plan: Plan, block: int | None = None) -> Iterator[Row]:
    """Seconds from the start, symbol, condition and price; the volumes of all but regular trades are looked at on the way."""
    for event in payloads(plan, block):
        second, condition = float(str(event["event_time"])[17:-1]), str(event["condition"])
        if condition != "regular":
            assert event["volume"] == AUCTIONS.get(condition, 0)
        yield second, str(event["symbol"]), condition, float(str(event["price"]))


def of(symbol: str, rows: list[tuple[float, str, float]]) -> list[Row]:
    return [(time, symbol, condition, price) for time, condition, price in rows]


def in_order(*rows: list[Row]) -> list[Row]:
    """Python sorts stably: what happens to a symbol at one instant keeps its order."""
    return sorted((row for each in rows for row in each), key=lambda row: row[:2])


@pytest.mark.parametrize("block", [1, 3, None])
def test_two_days_with_auctions(block: int | None, make_plan: MakePlan) -> None:
    plan = make_plan(*STILL, *DAY, "symbols.count=1", "rate=2", "duration=3")
    expected = [
        (0.0, "pre_open", 100.0),
        *[(0.5, condition, 100.0) for condition in ("open", "opening_auction", "regular")],
        (1.0, "regular", 100.0),
        *[(1.5, condition, 100.0) for condition in ("closing_auction", "closed")],
        (2.0, "pre_open", 100.0),
        *[(2.5, condition, 100.0) for condition in ("open", "opening_auction", "regular")],
    ]
    assert list(told(plan, block)) == of("SYM000", expected)


@pytest.mark.parametrize(("second", "last"), [("3.5", "closing_auction"), ("3.500001", "closed")])
def test_a_run_that_ends_at_the_close_does_not_see_it(second: str, last: str, make_plan: MakePlan) -> None:
    rows = list(told(make_plan(*STILL, *DAY, "symbols.count=1", "rate=2", f"duration={second}")))
    assert (rows[-1][2] == last) == (second != "3.5")
    assert rows[-1][0] == (3.0 if second == "3.5" else 3.5)


@pytest.mark.parametrize("block", [1, 3, None])
def test_a_fall_out_of_the_band_halts_one_symbol(block: int | None, make_plan: MakePlan) -> None:
    shock = "shocks=[{at:1,target:SYM000,move:-0.1}]"
    plan = make_plan(*STILL, *LULD, shock, "symbols.count=2", "rate=4", "duration=2.4")
    halted = [
        *[(time, "regular", 100.0) for time in (0.0, 0.5)],
        *[(1.0, condition, 95.0) for condition in ("limit_state", "regular")],
        (1.3, "halted", 95.0),
        *[(1.8, condition, 90.0) for condition in ("reopening_auction", "resumed")],
        (2.0, "regular", 90.0),
    ]
    other = [(time, "regular", 100.0) for time in (0.25, 0.75, 1.25, 1.75, 2.25)]
    assert list(told(plan, block)) == in_order(of("SYM000", halted), of("SYM001", other))


def test_a_price_that_comes_back_ends_the_limit_state(make_plan: MakePlan) -> None:
    shock = "shocks=[{at:1,move:0.1,recover:1,recover_over:0.2}]"
    rows = told(make_plan(*STILL, *LULD, shock, "symbols.count=1", "rate=1", "duration=1.9"))
    # Half the recovery is a price of 104.88; the upper band is 105.
    expected = [(0.0, "regular", 100.0), (1.0, "limit_state", 105.0), (1.0, "regular", 105.0), (1.1, "limit_state_ended", 104.88)]
    assert list(rows) == of("SYM000", expected)


@pytest.mark.parametrize("block", [1, 3, None])
def test_a_fall_of_the_market_halts_everyone(block: int | None, make_plan: MakePlan) -> None:
    plan = make_plan(*STILL, *BREAKER, "shocks=[{at:1,move:-0.08}]", "symbols.count=2", "rate=4", "duration=1.8")
    halt = [
        (1.0, "market_halted", 92.0),
        *[(1.5, condition, 92.0) for condition in ("reopening_auction", "resumed")],
    ]
    first = [(0.0, "regular", 100.0), (0.5, "regular", 100.0), *halt, (1.5, "regular", 92.0)]
    second = [(0.25, "regular", 100.0), (0.75, "regular", 100.0), *halt, (1.75, "regular", 92.0)]
    assert list(told(plan, block)) == in_order(of("SYM000", first), of("SYM001", second))


@pytest.mark.parametrize("night", ["0.5", "0"])
@pytest.mark.parametrize("block", [1, 3, None])
def test_a_halt_for_the_session_has_no_closing_auction(night: str, block: int | None, make_plan: MakePlan) -> None:
    """Also where the close is the next opening. The price fell on to 40, but until the opening nobody could know."""
    plan = make_plan(
        *(*STILL, *DAY, *BREAKER, "session.pre_open=0", f"session.closed={night}"),
        *("shocks=[{at:0.6,move:-0.6}]", "symbols.count=1", "rate=2", f"duration={2.2 + float(night)}"),
    )
    close, opening = 1.0, 1.0 + float(night)
    expected = [
        *[(0.0, condition, 100.0) for condition in ("open", "opening_auction", "regular")],
        (0.5, "regular", 100.0),
        (0.6, "market_halted", 50.0),
        (close, "closed", 50.0),
        *[(opening, condition, 40.0) for condition in ("open", "opening_auction", "regular")],
        (opening + 0.5, "regular", 40.0),
        *[(opening + 1, condition, 40.0) for condition in ("closing_auction", "closed")],
    ]
    rows = [
        row
        for row in told(plan, block)
        if row[0] < opening + 1.1 and not (night == "0" and row[0] == 2 and row[2] in {"open", "opening_auction", "regular"})
    ]
    assert rows == of("SYM000", expected)


def test_every_condition_has_its_name_in_the_schema(make_plan: MakePlan) -> None:
    schema = make_plan("session=equity_day").event.json_schema
    assert schema["properties"]["condition"]["enum"] == [condition.label for condition in Condition]
    assert "condition" in schema["required"]
    plain = make_plan()
    assert "condition" not in plain.event.json_schema["properties"]
    with pytest.raises(jsonschema.ValidationError, match="0 is less than the minimum of 1"):
        jsonschema.validate({**payloads_of_default(plain), "volume": 0}, plain.event.json_schema)


@pytest.mark.parametrize("session", ["24x7", "equity_day"])
@pytest.mark.parametrize("halts", ["none", "luld"])
@pytest.mark.parametrize("quotes", [("quotes=none",), ("quotes=bid_ask",), ("quotes=bid_ask", "quotes.publish=false")])
def test_the_plan_names_what_events_have(session: str, halts: str, quotes: tuple[str, ...], make_plan: MakePlan) -> None:
    plan = make_plan(f"session={session}", f"halts={halts}", *quotes, "symbols.count=1")
    events = next(events_of(plan))
    assert ("condition" in plan.event.names) == (events.condition is not None) == (session != "24x7" or halts != "none")
    assert ("bid" in plan.event.names) == (events.quotes is not None) == (quotes == ("quotes=bid_ask",))


def payloads_of_default(plan: Plan) -> dict[str, object]:
    events = next(events_of(plan))
    (line,) = encode(events.rows(0, 1), plan, START)
    content: dict[str, object] = json.loads(line)
    jsonschema.validate(content, plan.event.json_schema)
    return content
