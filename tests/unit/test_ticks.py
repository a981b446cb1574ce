"""Ticks by price band."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.market.ticks import TickBands

PRICES = np.arange(1, 4000)
BANDS = {
    "aligned": [(100, 5), (1000, 50)],
    "unaligned": [(103, 5), (1007, 50)],
    "no multiples of one another": [(13, 2), (101, 5), (126, 7)],
    "finer": [(100, 50), (1000, 5)],
    "narrow": [(10, 10), (11, 11), (12, 12)],
}


def is_allowed(bands: list[tuple[int, int]], price: int) -> bool:
    tick = next((tick for low, tick in reversed(bands) if price >= low), 1)
    return price % tick == 0


def test_without_bands_prices_stay() -> None:
    bands = TickBands([])
    assert all(np.array_equal(rounded(PRICES), PRICES) for rounded in (bands.nearest, bands.floor, bands.ceiling))


@pytest.mark.parametrize("name", BANDS)
def test_rounding_gives_allowed_prices_that_are_near(name: str) -> None:
    bands, rounds = BANDS[name], TickBands(BANDS[name])
    allowed = np.array([price for price in range(1, 5000) if is_allowed(bands, price)])
    up, down = rounds.ceiling(PRICES), rounds.floor(PRICES)
    assert np.isin(np.concatenate((up, down)), allowed).all()
    highest, lowest = allowed[np.searchsorted(allowed, PRICES, side="right") - 1], allowed[np.searchsorted(allowed, PRICES)]
    assert np.all(down <= highest)
    assert np.all(up >= lowest)
    if name == "aligned":
        assert np.array_equal(down, highest)
        assert np.array_equal(up, lowest)
    coarsest = max(tick for _, tick in bands)
    assert np.all(highest - down < coarsest)
    assert np.all(up - lowest < coarsest)
    nearest = rounds.nearest(PRICES)
    assert np.isin(nearest, allowed).all()
    stays = np.isin(PRICES, allowed)
    assert np.array_equal(nearest[stays], PRICES[stays])


def test_halves_go_up() -> None:
    bands = TickBands(BANDS["aligned"])
    assert bands.nearest(np.array([99, 102, 103, 999, 1024, 1025])).tolist() == [99, 100, 105, 1000, 1000, 1050]
