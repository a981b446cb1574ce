"""Bid and ask around a price."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from simulator.market.quotes import BidAsk, QuoteDraws, QuoteProcess
from simulator.market.stream import events_of
from simulator.market.volumes import geometric_scale
from simulator.plan import Plan
from simulator.seeding import Draws


def process(**changes: float) -> QuoteProcess:
    defaults = {"spread": 0.01, "dispersion": 0.0, "volatility_power": 1, "mean_size": 3.0}
    return QuoteProcess(BidAsk.model_validate({"kind": "bid_ask", "publish": True, **defaults, **changes}), Draws(1, ["A", "B"]))


def draws(width: list[float]) -> QuoteDraws:
    ones = np.ones(len(width))
    return QuoteDraws(np.array(width), ones > 0, ones, ones)


@pytest.mark.parametrize(
    ("spread", "ticks", "volatility", "bid", "ask"),
    [
        (0.01, 1000.0, None, 995, 1005),
        (0.01, 1000.4, None, 995, 1006),
        (0.01, 1000.0, 2.0, 990, 1010),
        (0.0, 1000.0, None, 1000, 1001),
        (0.0, 1000.5, None, 1000, 1001),
        (0.01, 1.0, None, 1, 2),
        (1.0, 1.0, 10.0, 1, 6),
    ],
)
def test_quotes_are_rounded_outward(  # the case
    spread: float, ticks: float, volatility: float | None, bid: int, ask: int
) -> None:
    at = None if volatility is None else np.array([volatility])
    found = process(spread=spread).around(np.array([ticks]), at, draws([1.0]))
    assert [side.tolist() for side in found] == [[bid], [ask]]


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_the_width_grows_with_a_power_of_volatility(power: int) -> None:
    bid, ask = process(volatility_power=power).around(np.full(2, 1e6), np.array([1.0, 3.0]), draws([1.0, 1.0]))
    assert (ask - bid).tolist() == [10_000, 10_000 * 3**power]


def test_draws_are_grouped_by_symbol_and_do_not_depend_on_pieces() -> None:
    whole = process(dispersion=0.5).draw(np.array([3, 2]), np.array([4, 0, 1, 2, 3]))
    pieces = process(dispersion=0.5)
    first, second = pieces.draw(np.array([1, 2]), np.arange(3)), pieces.draw(np.array([2, 0]), np.arange(2))
    for name in ("width", "buys", "bid_size", "ask_size"):
        one, two = getattr(first, name), getattr(second, name)
        assert getattr(whole, name).tolist() == [one[2], one[0], two[0], two[1], one[1]]


def test_sizes_have_their_mean(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("quotes=bid_ask", "quotes.mean_size=4", "symbols.lot_size=10", "rate=2000", "duration=20", "symbols.count=2")
    quotes = [events.quotes for events in events_of(plan)]
    for name in ("bid_size", "ask_size"):
        lots = np.concatenate([getattr(each, name) for each in quotes]) / 10
        assert abs(lots.mean() - 4) < 4.5 * np.sqrt(4 * 3 / lots.size)
    assert geometric_scale(1.0) == 0.0
