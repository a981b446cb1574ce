"""Halts: exact timelines of hand-made prices. A step is a second; a reference of 1000 has the band 950 to 1050."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from simulator.market.conditions import Condition
from simulator.market.halts import HaltBlock, Halting, Halts, LimitUpLimitDown
from simulator.market.stream import events_of
from simulator.market.timeline import Timeline
from simulator.plan import Plan

CONF = Path(__file__).resolve().parents[2] / "conf" / "halts"
SECOND = 1_000_000_000
Integers = NDArray[np.int64]


def rules(**changes: object) -> LimitUpLimitDown:
    content = {
        "kind": "luld",
        "band": 0.05,
        "reference_window": 30.0,
        "reference_update": 10.0,
        "limit_state": 3.0,
        "pause": 5.0,
        "market_wide": [],
    }
    return LimitUpLimitDown.model_validate({**content, **changes})


def prices_of(*stretches: tuple[int, int]) -> Integers:
    """One symbol's prices: (price, steps) after (price, steps)."""
    return np.concatenate([np.full(steps, price, dtype=np.int64) for price, steps in stretches])[None, :]


def flat_levels(prices: Integers) -> Integers:
    return np.zeros_like(prices)


def run(prices: Integers, levels: Integers | None = None, **changes: object) -> HaltBlock:
    return Halts(len(prices), rules(**changes), SECOND).advance(prices, flat_levels(prices) if levels is None else levels)


def told(events: Timeline) -> list[tuple[int, int, str, int]]:
    """Step, symbol, condition and price of each event."""
    columns = zip(events.step.tolist(), events.symbol.tolist(), events.condition.tolist(), events.price.tolist(), strict=True)
    return [(step, symbol, Condition(condition).label, price) for step, symbol, condition, price in columns]


@pytest.mark.parametrize("name", ["none", "luld"])
def test_every_option_is_of_its_kind(name: str) -> None:
    content = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    halting: Halting = TypeAdapter(Halting).validate_python(content)
    assert halting.kind == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference_window": 25.0}, "multiple"),
        ({"market_wide": [[0.2, 5.0], [0.1, 5.0]]}, "increasing"),
        ({"market_wide": [[0.2]]}, "pairs"),
        ({"market_wide": [[1.0, 5.0]]}, "pairs"),
        ({"market_wide": [[0.2, 0.0]]}, "pauses"),
        ({"band": 0.0}, "greater"),
    ],
)
def test_faulty_rules_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        rules(**change)


def test_prices_inside_the_band_are_left_alone() -> None:
    prices = prices_of((1000, 5), (1049, 4), (951, 1))
    block = run(prices)
    assert np.array_equal(block.grid.prices, prices)
    assert block.grid.trading.all()
    assert told(block.events) == []


def test_a_limit_state_that_ends_in_time() -> None:
    # Enters at 4; 7 is the last step at which the price may come back.
    block = run(prices_of((1000, 4), (1070, 3), (1049, 2)))
    assert told(block.events) == [(4, 0, "limit_state", 1050), (7, 0, "limit_state_ended", 1049)]
    assert block.grid.prices[0].tolist() == [1000] * 4 + [1050] * 3 + [1049] * 2
    assert block.grid.trading.all()


def test_a_limit_state_that_ends_in_a_pause_and_an_auction() -> None:
    block = run(prices_of((1000, 2), (900, 8), (800, 3)))
    assert told(block.events) == [
        (2, 0, "limit_state", 950),
        (5, 0, "halted", 950),
        (10, 0, "reopening_auction", 800),
        (10, 0, "resumed", 800),
    ]
    assert block.grid.trading[0].tolist() == [True] * 5 + [False] * 5 + [True] * 3
    assert block.grid.prices[0].tolist()[:5] + block.grid.prices[0].tolist()[10:] == [1000, 1000, 950, 950, 950, 800, 800, 800]


def test_the_reopening_price_is_the_new_reference() -> None:
    # From 10 the reference is 800: band 760 to 840. At 20 it is 808, the mean of what has traded since the pause.
    block = run(prices_of((1000, 2), (900, 8), (800, 4), (839, 1), (840, 1), (800, 4), (768, 1)))
    assert told(block.events)[4:] == [
        (15, 0, "limit_state", 840),
        (16, 0, "limit_state_ended", 800),
        (20, 0, "limit_state", 768),
    ]


def test_the_band_itself_is_over_it() -> None:
    assert told(run(prices_of((1000, 3), (1049, 1), (1050, 1))).events) == [(4, 0, "limit_state", 1050)]
    assert told(run(prices_of((1000, 3), (951, 1), (950, 1))).events) == [(4, 0, "limit_state", 950)]


def test_the_reference_is_the_mean_of_the_window() -> None:
    # Means after 10, 20, 30, 40 steps: 1000, 1020, 1030 (of 1000, 1040, 1050), 1047 (of 1040, 1050, 1050).
    path = prices_of((1000, 10), (1040, 10), (1050, 20))
    for price, over in ((1098, []), (1099, [(40, 0, "limit_state", 1099)])):
        assert told(run(np.concatenate((path, prices_of((price, 1))), axis=1)).events) == over


def test_the_band_stands_still_in_a_limit_state() -> None:
    # The renewal at 10 falls in the limit state from 8 to 11, and would raise the band (of 1010) over 1051.
    block = run(prices_of((1000, 3), (1049, 5), (1051, 3), (1000, 1)))
    assert told(block.events) == [(8, 0, "limit_state", 1050), (11, 0, "limit_state_ended", 1000)]


def test_a_price_of_one_tick_has_a_band_of_one_tick() -> None:
    block = run(prices_of((1, 3), (2, 1), (1, 1)))
    assert told(block.events) == [(3, 0, "limit_state", 2), (4, 0, "limit_state_ended", 1)]


def test_large_prices_have_exact_bands() -> None:
    price = 2**49 + 12_345_678
    upper = price + price * 50_000 // 1_000_000
    assert told(run(prices_of((price, 2), (upper - 1, 1), (upper, 1))).events) == [(3, 0, "limit_state", upper)]


def test_an_opening_clears_everything() -> None:
    halts = Halts(1, rules(), SECOND)
    halts.advance(prices_of((1000, 2), (900, 6)), np.zeros((1, 8), dtype=np.int64))
    halts.reopen()
    block = halts.advance(prices_of((900, 3), (944, 1), (945, 1)), np.zeros((1, 5), dtype=np.int64))
    assert told(block.events) == [(12, 0, "limit_state", 945)]
    assert block.grid.trading.all()


def levels_of(*falls: tuple[float, int], symbols: int = 2) -> Integers:
    """Log levels of a market that has fallen by (fraction, steps) since the run's start."""
    row = np.concatenate([np.full(steps, round(math.log(1 - fall) * 2**40), dtype=np.int64) for fall, steps in falls])
    return np.tile(row, (symbols, 1))


LEVELS = [[0.07, 4.0], [0.13, 4.0], [0.20, None]]


def market(levels: Integers) -> HaltBlock:
    """A market whose two symbols keep their prices, so that only the levels halt it."""
    return run(np.array([[1000], [500]]) + np.zeros_like(levels), levels, market_wide=LEVELS)


def test_the_market_halts_and_reopens() -> None:
    block = market(levels_of((0.0, 2), (0.069, 1), (0.071, 6)))
    assert told(block.events) == [
        (3, 0, "market_halted", 1000),
        (3, 1, "market_halted", 500),
        (7, 0, "reopening_auction", 1000),
        (7, 0, "resumed", 1000),
        (7, 1, "reopening_auction", 500),
        (7, 1, "resumed", 500),
    ]
    assert block.grid.trading.tolist() == [[True] * 3 + [False] * 4 + [True] * 2] * 2


def halts_of(block: HaltBlock) -> list[tuple[int, str]]:
    return [(step, label) for step, symbol, label, _ in told(block.events) if symbol == 0 and label != "reopening_auction"]


def test_each_level_halts_once_a_session() -> None:
    block = market(levels_of((0.0, 2), (0.08, 8), (0.14, 8), (0.0, 2), (0.15, 2), (0.21, 9)))
    assert halts_of(block) == [
        (2, "market_halted"),
        (6, "resumed"),
        (10, "market_halted"),
        (14, "resumed"),
        (22, "market_halted"),
    ]
    assert not block.grid.trading[:, 22:].any()


def test_a_jump_over_a_level_uses_up_both() -> None:
    block = market(levels_of((0.0, 2), (0.14, 6), (0.08, 4)))
    assert halts_of(block) == [(2, "market_halted"), (6, "resumed")]


def test_a_deeper_level_during_a_halt_counts_after_it() -> None:
    block = market(levels_of((0.0, 2), (0.08, 1), (0.14, 9)))
    assert halts_of(block) == [(2, "market_halted"), (6, "resumed"), (7, "market_halted"), (11, "resumed")]


def test_the_last_level_lasts_to_the_end_of_the_session() -> None:
    halts = Halts(2, rules(market_wide=LEVELS), SECOND)
    flat = np.full((2, 1000), 1000)
    first = halts.advance(flat, levels_of((0.0, 1), (0.25, 999)))
    assert not first.grid.trading[:, 1:].any()
    halts.reopen()
    # The fall counts from this session's opening: the market is where it has opened.
    second = halts.advance(flat[:, :9], levels_of((0.25, 9)))
    assert second.grid.trading.all()
    assert told(second.events) == []


def test_the_index_is_the_mean_of_all_symbols() -> None:
    levels = levels_of((0.0, 2), (0.13, 3))
    levels[1] = 0
    assert halts_of(market(levels)) == []
    levels[1] = levels_of((0.0, 2), (0.02, 3))[1]
    assert halts_of(market(levels)) == [(2, "market_halted")]


def test_a_market_halt_takes_the_place_of_a_pause() -> None:
    prices = np.concatenate((prices_of((1000, 2), (900, 10)), prices_of((1000, 12))))
    block = run(prices, levels_of((0.0, 6), (0.08, 6)), market_wide=LEVELS)
    assert [event for event in told(block.events) if event[1] == 0] == [
        (2, 0, "limit_state", 950),
        (5, 0, "halted", 950),
        (6, 0, "market_halted", 950),
        (10, 0, "reopening_auction", 900),
        (10, 0, "resumed", 900),
    ]
    assert block.grid.trading[0].tolist() == [True] * 5 + [False] * 5 + [True] * 2


def test_events_come_by_step_then_symbol() -> None:
    one = prices_of((1000, 5), (1060, 1), (1000, 3))
    block = run(np.concatenate((one, prices_of((1000, 4), (1060, 2), (1000, 3)))))
    assert [(step, symbol) for step, symbol, _, _ in told(block.events)] == [(4, 1), (5, 0), (6, 0), (6, 1)]


@pytest.mark.parametrize("spread", [0.0, 0.001, 0.02])
def test_no_trade_and_no_quote_leaves_the_band(spread: float, make_plan: Callable[..., Plan]) -> None:
    """The band of 2 % stands at the opening price: it is renewed later than the run ends."""
    luld = ("halts=luld", "halts.band=0.02", "halts.reference_update=100", "halts.reference_window=100", "halts.market_wide=[]")
    fall = "shocks=[{at:2,move:-0.05,over:1},{at:4,move:0.05,over:1}]"
    quotes = ("quotes=bid_ask", f"quotes.spread={spread}")
    plan = make_plan(*luld, *quotes, fall, "halts.limit_state=30", "symbols.count=2", "rate=500", "duration=10")
    columns = [
        np.stack((block.quotes.bid, block.price, block.quotes.ask))[:, block.volume > 0]
        for block in events_of(plan)
        if block.quotes is not None
    ]
    bid, price, ask = np.concatenate(columns, axis=1)
    assert bid.min() == price.min() == 9800
    assert ask.max() <= 10_200
    assert np.all((bid <= price) & (price <= ask) & (bid < ask))
