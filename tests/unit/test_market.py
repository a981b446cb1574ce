"""The market's parts: exact functions, named streams, the digest, and bounds at the edges of what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from simulator.market.digest import StreamDigest
from simulator.market.events import Events
from simulator.market.exact import FRACTION_BITS, exponential, exponential_of_fixed_point, fixed_point, logarithm
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.seeding import stream, streams, words

MakePlan = Callable[..., Plan]

COLUMNS = ("symbol", "seq", "time", "price", "volume")


def digest(names: list[str], *blocks: Events) -> str:
    chain = StreamDigest(names)
    for block in blocks:
        chain.update(block)
    return chain.hexdigest()


def events(rows: list[tuple[int, int, int, int, int]]) -> Events:
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    return Events(columns[0].astype(np.uint32), *columns[1:])


ROWS = [(0, 0, 5, 100, 1), (1, 0, 6, 200, 2), (0, 1, 7, 101, 3), (1, 1, 7, 201, 4)]
REFERENCE = digest(["A", "B"], events(ROWS))


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 0.5, 1e-9, -20.0, 63.9, -63.9])
def test_scalar_functions_are_within_a_unit_of_the_libraries(value: float) -> None:
    assert exponential(value) == pytest.approx(math.exp(value), rel=3e-16)
    assert logarithm(exponential(value)) == pytest.approx(value, rel=1e-14, abs=1e-15)


def test_the_exponential_of_fixed_point_is_near_the_true_one_everywhere() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.integers(-60 << FRACTION_BITS, 60 << FRACTION_BITS, 20_000), np.arange(-2000, 2000)])
    assert np.allclose(exponential_of_fixed_point(values), np.exp(values / 2.0**FRACTION_BITS), rtol=2e-15, atol=0)
    assert exponential_of_fixed_point(np.array([0]))[0] == 1.0


def test_the_exponential_is_held_at_its_limits() -> None:
    far = exponential_of_fixed_point(np.array([65 << FRACTION_BITS, 1 << 62, -(1 << 62)]))
    assert far.tolist() == [exponential(64), exponential(64), exponential(-64)]


def test_fixed_point_rounds_half_to_even() -> None:
    unit = 2.0**-FRACTION_BITS
    assert fixed_point(np.array([0.5, 1.5, -0.5, -1.5, 3.0]) * unit).tolist() == [0, 2, 0, -2, 3]


def test_streams_go_by_name_and_purpose() -> None:
    draws = {
        stream(seed, symbol, purpose).standard_normal()
        for seed in (1, 2, 2**100)
        for symbol in ("A", "B", "AB")
        for purpose in ("price", "volume")
    }
    assert len(draws) == 18
    assert streams(1, ["B", "A"], "price")[1].standard_normal() == stream(1, "A", "price").standard_normal()
    assert words("SYM000") == words("SYM000") != words("SYM001")


def test_the_digest_does_not_depend_on_blocks_or_on_the_order_between_symbols() -> None:
    assert digest(["A", "B"], events(ROWS[:1]), events(ROWS[1:])) == REFERENCE
    assert digest(["A", "B"], events([ROWS[1], ROWS[0], ROWS[3], ROWS[2]])) == REFERENCE
    assert digest(["B", "A"], events([(1 - symbol, *rest) for symbol, *rest in ROWS])) == REFERENCE


@pytest.mark.parametrize("column", range(1, 5))
@pytest.mark.parametrize("row", range(4))
def test_the_digest_depends_on_every_value(row: int, column: int) -> None:
    changed = [list(values) for values in ROWS]
    changed[row][column] += 1
    assert digest(["A", "B"], events([tuple(values) for values in changed])) != REFERENCE


def test_the_digest_depends_on_the_order_within_a_symbol_and_on_names() -> None:
    assert digest(["A", "B"], events([ROWS[2], ROWS[1], ROWS[0], ROWS[3]])) != REFERENCE
    assert digest(["A", "C"], events(ROWS)) != REFERENCE
    assert digest(["A", "B", "C"], events(ROWS)) != REFERENCE


@pytest.mark.parametrize(
    "overrides",
    [
        ("dynamics.drift=2e7", "duration=5"),
        ("dynamics.volatility=100", "dynamics.seconds_per_year=100", "duration=20"),
        ("dynamics=jump", "dynamics.jump_intensity=1e9", "dynamics.jump_mean=-1", "duration=5"),
        ("dynamics=ou", "dynamics.mean=20", "dynamics.reversion=1e12", "duration=5"),
        ("symbols.price=0.01", "duration=5"),
    ],
)
def test_extreme_markets_keep_a_price(overrides: tuple[str, ...], make_plan: MakePlan) -> None:
    for block in events_of(make_plan(*overrides, "symbols.count=3")):
        assert not len(block) or block.price.min() >= 1


@pytest.mark.parametrize("arrivals", ["fixed", "poisson"])
def test_the_last_event_comes_before_the_end(arrivals: str, make_plan: MakePlan) -> None:
    plan = make_plan(f"arrivals={arrivals}", "rate=1000", "duration=0.250001", "symbols.count=3")
    times = np.concatenate([block.time for block in events_of(plan)])
    assert 245_000_000 < times[-1] < 250_001_000
    if arrivals == "fixed":
        assert times.tolist() == [k * 1_000_000 for k in range(251)]


def test_a_seldom_symbol_and_a_long_run_stay_in_range(make_plan: MakePlan) -> None:
    plan = make_plan("rate=1e-5", "duration=30000000", "symbols.count=2", "dynamics.step=3600")
    times = np.concatenate([block.time for block in events_of(plan)])
    assert 200 < times.size < 400
    assert np.all(np.diff(times) >= 0)
    assert times[-1] < 30_000_000 * 10**9
