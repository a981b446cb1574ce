"""European calls against published prices: fixed seeds, |z| < 4.5, and a scheme's bias well below the standard errors."""

from __future__ import annotations

import copy
import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.market.dynamics import Dynamics, latent_path
from simulator.market.dynamics.base import ProcessPath
from simulator.market.dynamics.heston import Heston
from simulator.market.dynamics.jump import MertonJumpDiffusion
from simulator.market.dynamics.kou import KouJumpDiffusion
from simulator.market.exact import FRACTION_BITS
from simulator.seeding import Draws

Floats = NDArray[np.float64]

LARGEST_Z = 4.5
OPENING = 100.0
STEPS_PER_YEAR = 32  # of Heston's scheme

with (Path(__file__).resolve().parent / "values" / "option_prices.csv").open(encoding="utf-8") as handle:
    ROWS = list(csv.DictReader(handle))


def z_of_mean(samples: Floats, expected: float) -> float:
    """For independent samples."""
    return float((samples.mean() - expected) / (samples.std(ddof=1) / math.sqrt(samples.size)))


def in_years(dt: float) -> dict[str, Any]:
    """A step of `dt` years."""
    return {"step": 1.0, "seconds_per_year": 1.0 / dt, "symbols": {}}


def merton(rate: float, term: float, **jumps: float) -> MertonJumpDiffusion:
    return MertonJumpDiffusion(kind="jump", drift=rate, **jumps, **in_years(term))


def kou(rate: float, term: float) -> KouJumpDiffusion:
    jumps = {"jump_intensity": 1.0, "up_probability": 0.4, "up_rate": 10.0, "down_rate": 5.0}
    return KouJumpDiffusion(kind="kou", drift=rate, volatility=0.16, **jumps, **in_years(term))


def heston(rate: float, *, variance: float, reversion: float, vol_of_variance: float, correlation: float) -> Heston:
    return Heston(
        kind="heston",
        drift=rate,
        reversion=reversion,
        mean_variance=variance,
        vol_of_variance=vol_of_variance,
        correlation=correlation,
        initial_variance=None,
        jump_intensity=0.0,
        jump_mean=0.0,
        jump_deviation=0.0,
        **in_years(1.0 / STEPS_PER_YEAR),
    )


def prices_of(parameters: Dynamics, steps: int, batches: int, symbols: int = 1000) -> Floats:
    """Independent prices after some steps: every batch begins at the opening, with further draws of the same streams."""
    opening = latent_path(parameters, Draws(1, [f"S{number}" for number in range(symbols)]))
    assert isinstance(opening, ProcessPath)
    levels = []
    for _ in range(batches):
        path = copy.copy(opening)
        path._process = copy.copy(opening._process)
        levels.append(path.advance(steps + 1).levels[:, -1])
    assert len(set(np.concatenate(levels).tolist())) > 0.99 * symbols * batches
    return OPENING * np.exp(np.concatenate(levels) / 2.0**FRACTION_BITS)


def prices_after_a_step(parameters: Dynamics) -> Floats:
    """Of a process whose log returns are independent: each begins at the opening price."""
    levels = latent_path(parameters, Draws(1, ["A", "B", "C", "D"])).advance(250_001).levels
    return OPENING * np.exp(np.diff(levels, axis=1).ravel() / 2.0**FRACTION_BITS)


HAUG_DEVIATION = 0.25 * math.sqrt(0.25)
MODELS: dict[str, tuple[float, float, Callable[[], Floats]]] = {
    "Andersen 2008 case I": (
        0.0,
        10.0,
        lambda: prices_of(
            heston(0.0, variance=0.04, reversion=0.5, vol_of_variance=1.0, correlation=-0.9), 10 * STEPS_PER_YEAR, 60
        ),
    ),
    "Andersen 2008 case II": (
        0.0,
        15.0,
        lambda: prices_of(
            heston(0.0, variance=0.04, reversion=0.3, vol_of_variance=0.9, correlation=-0.5), 15 * STEPS_PER_YEAR, 40
        ),
    ),
    "Andersen 2008 case III (r=5 %)": (
        0.05,
        5.0,
        lambda: prices_of(
            heston(0.05, variance=0.09, reversion=1.0, vol_of_variance=1.0, correlation=-0.3), 5 * STEPS_PER_YEAR, 80
        ),
    ),
    "Surkov": (
        0.05,
        0.25,
        lambda: prices_after_a_step(merton(0.05, 0.25, volatility=0.15, jump_intensity=0.1, jump_mean=-0.9, jump_deviation=0.45)),
    ),
    "Haug": (
        0.08,
        0.5,
        lambda: prices_after_a_step(
            merton(
                0.08,
                0.5,
                volatility=0.25 * math.sqrt(0.75),
                jump_intensity=1.0,
                jump_mean=-(HAUG_DEVIATION**2) / 2,
                jump_deviation=HAUG_DEVIATION,
            )
        ),
    ),
    "Kou 2002": (0.05, 0.5, lambda: prices_after_a_step(kou(0.05, 0.5))),
}


@pytest.mark.parametrize("source", MODELS)
def test_calls_have_their_published_prices(source: str) -> None:
    rate, term, simulate = MODELS[source]
    prices = simulate()
    rows = [row for row in ROWS if row["source"] == source]
    assert rows
    discount = math.exp(-rate * term)
    assert abs(z_of_mean(discount * prices, OPENING)) < LARGEST_Z
    for row in rows:
        payoffs = discount * np.maximum(prices - float(row["strike"]), 0.0)
        assert abs(z_of_mean(payoffs, float(row["call"]))) < LARGEST_Z, row


def test_every_published_price_is_here() -> None:
    assert {row["source"] for row in ROWS} == set(MODELS)
