"""Laws of halts: cut as one likes; no trade outside a band, none in a pause."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.market.conditions import Condition
from simulator.market.exact import FRACTION_BITS, exponential_of_fixed_point
from simulator.market.halts import HaltBlock, Halts, LimitUpLimitDown, Stretch

SECOND = 1_000_000_000
Integers = NDArray[np.int64]

few = settings(max_examples=60, deadline=None)

rules = st.builds(
    lambda band, update, buckets, limit, pause, market: LimitUpLimitDown(
        kind="luld",
        band=band,
        reference_update=float(update),
        reference_window=float(update * buckets),
        limit_state=float(limit),
        pause=float(pause),
        market_wide=market,
    ),
    st.sampled_from([0.01, 0.05, 0.3]),
    st.integers(1, 20),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(1, 12),
    st.sampled_from([[], [[0.01, 3.0], [0.02, 7.0]], [[0.07, 9.0], [0.2, None]]]),
)
cuts = st.lists(st.integers(1, 40), min_size=2, max_size=12)
seeds = st.integers(0, 2**32)
symbols = st.integers(1, 4)


def walk(seed: int, symbol_count: int, steps: int) -> tuple[Integers, Integers]:
    """Prices and levels of a walk with steps of 1 % that falls a little, and some jumps."""
    generator = np.random.default_rng(seed)
    moves = generator.normal(-0.0005, 0.01, (symbol_count, steps)) + 0.2 * generator.choice(
        [-1, 0, 1], (symbol_count, steps), p=[0.01, 0.98, 0.01]
    )
    levels = np.cumsum(np.rint(moves * 2.0**FRACTION_BITS).astype(np.int64), axis=1)
    prices = np.maximum(1, np.rint(1000.0 * exponential_of_fixed_point(levels)).astype(np.int64))
    return prices, levels


def in_pieces(
    parameters: LimitUpLimitDown, prices: Integers, levels: Integers, sizes: list[int], opening: int
) -> list[HaltBlock]:
    """The blocks of two sessions, the second of which opens at step `opening`."""
    halts = Halts(len(prices), parameters, SECOND)
    ends = sorted({*np.cumsum(sizes).tolist(), opening})
    blocks = []
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        if begin == opening:
            halts.reopen()
        blocks.append(halts.advance(prices[:, begin:end], levels[:, begin:end]))
    return blocks


def columns(blocks: list[HaltBlock]) -> list[Integers]:
    grids = [np.concatenate([getattr(block.grid, name) for block in blocks], axis=1) for name in Stretch._fields]
    names = ("step", "symbol", "condition", "price")
    return grids + [np.concatenate([getattr(block.events, name) for block in blocks]) for name in names]


@few
@given(parameters=rules, sizes=cuts, seed=seeds, symbol_count=symbols, share=st.floats(0.1, 0.9))
def test_pieces_change_nothing(
    parameters: LimitUpLimitDown, sizes: list[int], seed: int, symbol_count: int, share: float
) -> None:
    steps = sum(sizes)
    prices, levels = walk(seed, symbol_count, steps)
    opening = max(1, int(share * steps))
    whole = columns(in_pieces(parameters, prices, levels, [steps], opening))
    for pieces in (sizes, [1] * steps):
        for one, other in zip(columns(in_pieces(parameters, prices, levels, pieces, opening)), whole, strict=True):
            assert np.array_equal(one, other)


@few
@given(parameters=rules, seed=seeds, symbol_count=symbols)
def test_symbols_do_not_move_each_other(parameters: LimitUpLimitDown, seed: int, symbol_count: int) -> None:
    alone = parameters.model_copy(update={"market_wide": []})
    prices, levels = walk(seed, symbol_count, 200)
    together = Halts(symbol_count, alone, SECOND).advance(prices, levels)
    for symbol in range(symbol_count):
        row = slice(symbol, symbol + 1)
        block = Halts(1, alone, SECOND).advance(prices[row], levels[row])
        assert np.array_equal(block.grid.prices[0], together.grid.prices[symbol])
        assert np.array_equal(block.grid.trading[0], together.grid.trading[symbol])
        assert np.array_equal(block.events.step, together.events.step[together.events.symbol == symbol])


@few
@given(parameters=rules, seed=seeds)
def test_trades_keep_to_the_bands_and_out_of_pauses(parameters: LimitUpLimitDown, seed: int) -> None:
    """Against a second, plain account of the rules, one step at a time."""
    alone = parameters.model_copy(update={"market_wide": []})
    prices, levels = walk(seed, 1, 300)
    block = Halts(1, alone, SECOND).advance(prices, levels)
    expected, trading, conditions = plain(alone, prices[0].tolist())
    assert block.grid.trading[0].tolist() == trading
    assert block.grid.prices[0].tolist() == expected
    assert [(step, Condition(code)) for step, code in zip(block.events.step, block.events.condition, strict=True)] == conditions


def plain(parameters: LimitUpLimitDown, prices: list[int]) -> tuple[list[int], list[bool], list[tuple[int, Condition]]]:
    """The rules without vectors: what is traded at each step, whether, and the changes of status."""
    update, limit, pause = int(parameters.reference_update), int(parameters.limit_state), int(parameters.pause)
    window = int(parameters.reference_window)
    reference, state, until = prices[0], "normal", 0
    traded: list[tuple[int, int]] = []
    out, trading, told = [], [], []
    for step, price in enumerate(prices):
        if step and step % update == 0 and state != "limit":
            recent = [value for when, value in traded if when >= step - window]
            if recent:
                reference = (2 * sum(recent) + len(recent)) // (2 * len(recent))
        if state == "halted" and step == until:
            reference, state, traded = price, "normal", []
            told += [(step, Condition.REOPENING_AUCTION), (step, Condition.RESUMED)]
        width = max(1, reference * round(parameters.band * 1e6) // 1_000_000)
        lower, upper = reference - width, reference + width
        if state == "normal" and not lower < price < upper:
            state, until = "limit", step + limit
            told.append((step, Condition.LIMIT_STATE))
        elif state == "limit" and lower < price < upper:
            state = "normal"
            told.append((step, Condition.LIMIT_STATE_ENDED))
        elif state == "limit" and step == until:
            state, until = "halted", step + pause
            told.append((step, Condition.HALTED))
        value = price if state == "halted" else min(max(price, lower), upper)
        if state != "halted":
            traded.append((step, value))
        out.append(value)
        trading.append(state != "halted")
    return out, trading, told
