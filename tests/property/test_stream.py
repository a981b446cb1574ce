"""Laws of the stream of events: reproducible, cut as one likes, one symbol and one purpose apart from the others."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from simulator.encode.json import encode
from simulator.market.conditions import Condition
from simulator.market.digest import StreamDigest
from simulator.market.dynamics import latent_path
from simulator.market.events import Events
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.seeding import Draws

MakePlan = Callable[..., Plan]

few = settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
seeds = st.integers(0, 2**128 - 1)
rates = st.floats(2, 400).map(lambda rate: round(rate, 3))
blocks = st.integers(1, 3000)
# Wild enough for prices to move within seconds.
moves = st.sampled_from(
    [
        ("dynamics=gbm", "dynamics.volatility=30"),
        ("dynamics=ou", "dynamics.volatility=40"),
        ("dynamics=jump", "dynamics.volatility=20", "dynamics.jump_intensity=3000000", "dynamics.jump_deviation=0.2"),
        (
            "dynamics=kou",
            "dynamics.volatility=20",
            "dynamics.jump_intensity=3000000",
            "dynamics.up_rate=10",
            "dynamics.down_rate=5",
        ),
        ("dynamics=heston", "dynamics.mean_variance=900", "dynamics.reversion=2000000", "dynamics.vol_of_variance=60000"),
        ("dynamics=garch", "dynamics.volatility=40"),
        ("dynamics=regime", "dynamics.process.volatility=10", "dynamics.states.0.mean_duration=1", "dynamics.scope=symbol"),
    ]
)
arrival_kinds = st.sampled_from(["fixed", "poisson", "hawkes", "mmpp"])
# What events carry beside the trade.
extras = st.sampled_from(
    [
        (),
        ("quotes=bid_ask", "volumes=lognormal"),
        ("quotes=bid_ask", "session=equity_day", "session.pre_open=0.25", "session.continuous=1", "session.closed=0.5"),
        ("halts=luld", "halts.reference_window=1", "halts.reference_update=0.5", "halts.limit_state=0.2", "halts.pause=0.5"),
    ]
)


@st.composite
def markets(draw: st.DrawFn) -> list[str]:
    """Overrides of a small market."""
    tick = draw(st.sampled_from(["0.01", "0.05", "0.25", "0.0001"]))
    return [
        *draw(moves),
        *draw(extras),
        f"arrivals={draw(arrival_kinds)}",
        f"seed={draw(seeds)}",
        f"symbols.count={draw(st.integers(1, 5))}",
        f"symbols.tick_size={tick}",
        f"rate={draw(rates)}",
        f"duration={draw(st.floats(0.5, 6)):.6f}",
    ]


def whole(plan: Plan, block: int = 16_384) -> Events:
    """All events of a plan as one block, without quotes."""
    columns = ("symbol", "seq", "time", "price", "volume")
    pieces = list(events_of(plan, block))
    conditions = [piece.condition for piece in pieces if piece.condition is not None]
    joined = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in columns)
    return Events(*joined, condition=np.concatenate(conditions) if conditions else None)


def lines(plan: Plan, block: int = 16_384) -> list[bytes]:
    return [line for events in events_of(plan, block) for line in encode(events, plan, 1_735_828_200_000_000)]


def digest(plan: Plan, block: int = 16_384) -> str:
    chain = StreamDigest([symbol.name for symbol in plan.market.symbols])
    for events in events_of(plan, block):
        chain.update(events)
    return chain.hexdigest()


def tickers(rate_of: dict[str, float], **others: float) -> str:
    extra = "".join(f",{key}:{value}" for key, value in others.items())
    return "+symbols.tickers={" + ",".join(f"{name}:{{rate:{rate}{extra}}}" for name, rate in rate_of.items()) + "}"


@few
@given(overrides=markets())
def test_the_same_seed_gives_the_same_bytes(overrides: list[str], make_plan: MakePlan) -> None:
    first, second = make_plan(*overrides), make_plan(*overrides)
    assert first == second
    assert lines(first) == lines(second)
    assert digest(first) == digest(second)


@few
@given(overrides=markets(), other=seeds)
def test_another_seed_gives_other_bytes(overrides: list[str], other: int, make_plan: MakePlan) -> None:
    plan, changed = make_plan(*overrides), make_plan(*overrides, f"seed={other}")
    assume(plan.seed != other and len(whole(plan)) > 3)
    assert plan.hash != changed.hash
    assert lines(plan) != lines(changed)
    assert digest(plan) != digest(changed)


@few
@given(overrides=markets(), block=blocks)
def test_blocks_leave_the_bytes_and_the_digest_alone(overrides: list[str], block: int, make_plan: MakePlan) -> None:
    plan = make_plan(*overrides)
    assert lines(plan, block) == lines(plan)
    assert digest(plan, block) == digest(plan)


@few
@given(overrides=markets(), cuts=st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_pieces_of_a_path_are_the_path(overrides: list[str], cuts: list[int], make_plan: MakePlan) -> None:
    plan = make_plan(*overrides)
    names = [symbol.name for symbol in plan.market.symbols]
    path = latent_path(plan.market.dynamics, Draws(plan.seed, names))
    pieces = np.concatenate([path.advance(steps).levels for steps in cuts], axis=1)
    assert np.array_equal(pieces, latent_path(plan.market.dynamics, Draws(plan.seed, names)).advance(sum(cuts)).levels)
    assert not pieces[:, 0].any()


@few
@given(overrides=markets(), block=blocks)
def test_events_are_in_order_numbered_and_worth_a_tick(overrides: list[str], block: int, make_plan: MakePlan) -> None:
    plan = make_plan(*overrides)
    assert plan.duration is not None
    events = whole(plan, block)
    assert np.all(np.diff(events.time) >= 0)
    assert np.all((events.time >= 0) & (events.time < plan.duration * 1000))
    ties = np.diff(events.time) == 0
    assert np.all(np.diff(events.symbol.astype(np.int64))[ties] >= 0)
    for index, symbol in enumerate(plan.market.symbols):
        mine = events.symbol == index
        assert events.seq[mine].tolist() == list(range(int(mine.sum())))
        assert np.all(events.price[mine] >= symbol.tick)
        assert np.all(events.price[mine] % symbol.tick == 0)
        is_trade = (
            events.condition[mine] < Condition.PRE_OPEN if events.condition is not None else np.ones(int(mine.sum()), dtype=bool)
        )
        assert np.array_equal(events.volume[mine] >= 1, is_trade)


def test_a_price_that_falls_without_end_stops_at_one_tick(make_plan: MakePlan) -> None:
    plan = make_plan("dynamics.drift=-1e8", "symbols.count=2", "duration=10", "symbols.tick_size=0.05")
    assert whole(plan).price.min() == 5


@few
@given(move=moves, seed=seeds, arrivals=arrival_kinds, place=st.integers(0, 3), rate=rates)
def test_a_further_symbol_leaves_the_bytes_of_the_others_alone(
    move: tuple[str, ...], seed: int, arrivals: str, place: int, rate: float, make_plan: MakePlan
) -> None:
    common = (*move, f"seed={seed}", f"arrivals={arrivals}", "rate=null", "symbols.count=0", "duration=5")
    rate_of = {"AAA": 20.0, "BBB": 7.5, "CCC": 33.3}
    items = list(rate_of.items())
    more = dict([*items[:place], ("NEW", rate), *items[place:]])
    before = lines(make_plan(*common, tickers(rate_of)))
    after = lines(make_plan(*common, tickers(more)))
    assert sorted(line for line in after if b'"NEW"' not in line) == sorted(before)


@few
@given(move=moves, seed=seeds, count=st.integers(2, 6))
def test_a_further_symbol_leaves_the_others_prices_alone_when_all_share_one_rate(
    move: tuple[str, ...], seed: int, count: int, make_plan: MakePlan
) -> None:
    common = (*move, f"seed={seed}", "rate=300", "duration=4")
    price_at: list[dict[tuple[str, int], int]] = []
    for number in (count, count - 1):
        plan = make_plan(*common, f"symbols.count={number}")
        events = whole(plan)
        step = round(plan.market.dynamics.step * 1e9)
        keys = [(plan.market.symbols[symbol].name, time) for symbol, time in zip(events.symbol, events.time // step, strict=True)]
        price_at.append(dict(zip(keys, events.price.tolist(), strict=True)))
    shared = price_at[0].keys() & price_at[1].keys()
    assert shared
    assert all(price_at[0][key] == price_at[1][key] for key in shared)


@few
@given(overrides=markets(), volume=st.integers(1, 10_000))
def test_sizes_move_neither_prices_nor_times(overrides: list[str], volume: int, make_plan: MakePlan) -> None:
    before, after = whole(make_plan(*overrides)), whole(make_plan(*overrides, f"symbols.mean_volume={volume}"))
    for name in ("symbol", "seq", "time", "price"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


@few
@given(overrides=markets())
def test_what_happens_to_events_does_not_change_them(overrides: list[str], make_plan: MakePlan) -> None:
    changed = ("clock=unpaced", "sink=file", "window=tumbling", "metrics=ohlc", "topic=other", "event=compact")
    assert digest(make_plan(*overrides)) == digest(make_plan(*overrides, *changed))


@few
@given(overrides=markets())
def test_a_longer_run_begins_with_the_shorter(overrides: list[str], make_plan: MakePlan) -> None:
    short = lines(make_plan(*overrides))
    assert lines(make_plan(*overrides, "duration=7"))[: len(short)] == short


THIN = ("rate=1", "symbols.count=5", "duration=86400", "dynamics.step=0.5")
RICH = (
    *("dynamics=heston", "correlation=factor", "quotes=bid_ask", "volumes=lognormal"),
    *("session=equity_day", "session.continuous=3000", "session.closed=595"),
    *("halts=luld", "halts.band=0.005", "halts.pause=20", "halts.market_wide=[[0.07,60],[0.2,null]]"),
    "shocks=[{at:100,move:-0.05,over:5,recover:1,recover_over:60,rate:5,rate_over:60}]",
)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(("arrivals=poisson",), id="plain"),
        pytest.param(("arrivals=hawkes", *RICH), id="rich"),
        pytest.param(("arrivals=mmpp", *RICH, "dynamics=regime"), id="regimes"),
        pytest.param(("arrivals=hawkes", "arrivals.decay=0.05", "arrivals.branching=0.9", "dynamics=garch"), id="long memory"),
    ],
)
def test_a_long_run_needs_no_more_memory_than_a_short_one(overrides: tuple[str, ...], make_plan: MakePlan) -> None:
    """A simulated day, block by block: what is held between blocks, and the peak within one, stay as they were."""
    plan = make_plan(*THIN, *overrides)
    blocks = events_of(plan, 300)
    next(blocks)
    held, peaks = [], []
    tracemalloc.start()
    try:
        for _ in blocks:
            held.append(tracemalloc.get_traced_memory()[0])
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()
    assert len(held) > 80
    quarter = len(held) // 4
    # The first blocks fill buffers, of arrivals in portions; a sixteenth of the first quarter is left out.
    warm = quarter // 4
    assert max(held[-quarter:]) < 1.5 * max(held[warm:quarter]) + 100_000
    assert max(peaks[-quarter:]) < 1.5 * max(peaks[warm:quarter])
