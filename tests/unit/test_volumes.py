"""Sizes of trades in whole lots."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.market.volumes import Geometric, LogNormal, TradeSizes, geometric_scale, times_power
from simulator.seeding import Draws, stream

NAMES = ["A", "B"]
SYMBOL = np.array([0, 1, 1], dtype=np.uint32)


def test_the_geometric_scale_gives_the_mean() -> None:
    for mean in (1.5, 10.0, 1e6):
        # 1 + floor(c E): the mean is 1 / (1 - exp(-1/c)).
        assert 1.0 / -math.expm1(-1.0 / geometric_scale(mean)) == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_powers_are_products(power: int) -> None:
    assert times_power(np.array([2.0]), np.array([3.0]), power).tolist() == [2.0 * 3.0**power]
    assert times_power(np.array([2.0]), None, power).tolist() == [2.0]


def test_geometric_lots_are_at_least_one() -> None:
    sizes = TradeSizes(Geometric(kind="geometric", volatility_power=1), np.array([1.0, 10.0]), Draws(1, NAMES))
    assert sizes.lots(np.array([5.0, 0.0, 1.0]), SYMBOL, None).tolist() == [1, 1, 1 + int(geometric_scale(10.0))]
    doubled = sizes.lots(np.array([5.0, 0.0, 1.0]), SYMBOL, np.array([2.0, 2.0, 2.0]))
    assert doubled.tolist() == [1, 1, 1 + int(2 * geometric_scale(10.0))]


def test_log_normal_lots_are_rounded_up() -> None:
    sizes = TradeSizes(LogNormal(kind="lognormal", volatility_power=2, deviation=1), np.array([1.0, 10.0]), Draws(1, NAMES))
    assert sizes.lots(np.array([0.0, 0.11, 0.1]), SYMBOL, None).tolist() == [1, 2, 1]
    assert sizes.lots(np.array([0.0, 0.11, 0.1]), SYMBOL, np.array([3.0, 3.0, 0.1])).tolist() == [1, 10, 1]


def test_draws_are_the_streams_own_whatever_the_pieces() -> None:
    def at_once(counts: list[int]) -> list[float]:
        values = TradeSizes(Geometric(kind="geometric", volatility_power=1), np.ones(2), Draws(1, NAMES)).draw(np.array(counts))
        return [float(value) for value in values]

    assert at_once([3, 2]) == [
        *stream(1, "A", "volume").standard_exponential(3).tolist(),
        *stream(1, "B", "volume").standard_exponential(2).tolist(),
    ]
    assert at_once([0, 2]) == at_once([3, 2])[3:]
