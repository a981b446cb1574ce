"""Price processes against closed forms and published values: fixed seeds, |z| < 4.5 with honest standard errors."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.market.dynamics import Dynamics, latent_path
from simulator.market.dynamics.gbm import GeometricBrownianMotion
from simulator.market.dynamics.jump import MertonJumpDiffusion
from simulator.market.dynamics.ou import OrnsteinUhlenbeck
from simulator.market.exact import FRACTION_BITS
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.seeding import Draws

Floats = NDArray[np.float64]

VALUES = Path(__file__).resolve().parent / "values"
LARGEST_Z = 4.5
SYMBOLS = [f"S{number}" for number in range(8)]


def golden(table: str, key: str) -> dict[str, dict[str, str]]:
    """Rows of a table by one of its columns."""
    with (VALUES / f"{table}.csv").open(encoding="utf-8") as handle:
        return {row[key]: row for row in csv.DictReader(handle)}


MOMENTS = golden("moments", "statistic")


def z_of_mean(samples: Floats, expected: float) -> float:
    """For independent samples."""
    return float((samples.mean() - expected) / (samples.std(ddof=1) / math.sqrt(samples.size)))


def log_returns(parameters: Dynamics, steps: int, seed: int = 1) -> Floats:
    """Independent log returns over one step each, shape (symbols, steps)."""
    levels = latent_path(parameters, Draws(seed, SYMBOLS)).advance(steps + 1).levels
    return np.diff(levels, axis=1) / 2.0**FRACTION_BITS


def in_years(dt: float) -> dict[str, Any]:
    """A step of `dt` years."""
    return {"step": 1.0, "seconds_per_year": 1.0 / dt, "symbols": {}}


def gbm(drift: float, volatility: float, dt: float) -> GeometricBrownianMotion:
    return GeometricBrownianMotion(kind="gbm", drift=drift, volatility=volatility, **in_years(dt))


def merton(drift: float, dt: float, **jumps: float) -> MertonJumpDiffusion:
    return MertonJumpDiffusion(kind="jump", drift=drift, **jumps, **in_years(dt))


GOLDEN_MERTON = {"volatility": 0.2, "jump_intensity": 1.0, "jump_mean": -0.1, "jump_deviation": 0.15}


@pytest.mark.parametrize("drift", [0.0, 0.1, -0.3])
@pytest.mark.parametrize("steps", [1, 4])
def test_gbm_grows_by_its_drift_and_without_drift_is_a_martingale(drift: float, steps: int) -> None:
    dt = 0.5
    returns = log_returns(gbm(drift, 0.4, dt), 40_000).reshape(len(SYMBOLS), -1, steps).sum(axis=2)
    assert abs(z_of_mean(np.exp(returns).ravel(), math.exp(drift * steps * dt))) < LARGEST_Z


def test_gbm_has_the_variance_of_its_volatility() -> None:
    sigma, dt = 0.4, 0.5
    returns = log_returns(gbm(0.1, sigma, dt), 40_000).ravel()
    mean = (0.1 - sigma**2 / 2) * dt
    assert abs(z_of_mean(returns, mean)) < LARGEST_Z
    assert abs(z_of_mean((returns - mean) ** 2, sigma**2 * dt)) < LARGEST_Z


def test_gbm_symbols_and_steps_are_uncorrelated() -> None:
    returns = log_returns(gbm(0.0, 0.4, 1.0), 40_000) + 0.4**2 / 2
    assert abs(z_of_mean((returns[:, 1:] * returns[:, :-1]).ravel(), 0.0)) < LARGEST_Z
    for other in range(1, len(SYMBOLS)):
        assert abs(z_of_mean(returns[0] * returns[other], 0.0)) < LARGEST_Z


@pytest.mark.parametrize("drift", [0.0, 0.2])
def test_merton_grows_by_its_drift_jumps_included(drift: float) -> None:
    returns = log_returns(merton(drift, 1.0, **GOLDEN_MERTON), 50_000)
    assert abs(z_of_mean(np.exp(returns).ravel(), math.exp(drift))) < LARGEST_Z


def standardised(returns: Floats, power: int) -> float:
    centred = returns - returns.mean()
    return float((centred**power).mean() / centred.var() ** (power / 2))


@pytest.mark.parametrize(
    ("statistic", "estimate"),
    [
        pytest.param("variance of log return", np.var, id="variance"),
        pytest.param("skewness", lambda x: standardised(x, 3), id="skewness"),
        pytest.param("excess kurtosis", lambda x: standardised(x, 4) - 3.0, id="kurtosis"),
    ],
)
def test_merton_moments(statistic: str, estimate: Callable[[Floats], float]) -> None:
    returns = log_returns(merton(0.0, 1.0, **GOLDEN_MERTON), 60_000).ravel()
    batches = np.array([estimate(batch) for batch in np.split(returns, 60)])
    error = batches.std(ddof=1) / math.sqrt(batches.size)
    assert abs(estimate(returns) - float(MOMENTS[statistic]["value"])) < LARGEST_Z * error


def test_merton_option_price() -> None:
    row = golden("option_prices", "model")["merton"]
    jumps = {"volatility": 0.15, "jump_intensity": 0.1, "jump_mean": -0.9, "jump_deviation": 0.45}
    rate, term, strike = 0.05, 0.25, float(row["strike"])
    prices = 100.0 * np.exp(log_returns(merton(rate, term, **jumps), 150_000)).ravel()
    payoffs = math.exp(-rate * term) * np.maximum(prices - strike, 0.0)
    assert abs(z_of_mean(payoffs, float(row["call"]))) < LARGEST_Z
    assert abs(z_of_mean(prices, 100.0 * math.exp(rate * term))) < LARGEST_Z


@pytest.mark.parametrize("lag", [0, 1, 5, 10])
def test_ou_is_stationary_with_an_exponential_acf(lag: int) -> None:
    mean = 0.1
    parameters = OrnsteinUhlenbeck(kind="ou", reversion=2.0, volatility=0.6, mean=mean, **in_years(0.05))
    paths = latent_path(parameters, Draws(3, [f"S{number}" for number in range(200)]))
    paths.advance(600)  # 60 times the correlation time: the opening is forgotten
    deviations = paths.advance(3000).levels / 2.0**FRACTION_BITS - mean
    # A path's samples are correlated, the paths are not: one estimate a path gives the standard error.
    products = (deviations[:, : 3000 - lag] * deviations[:, lag:]).mean(axis=1)
    variance = float(MOMENTS["stationary variance"]["value"])
    correlation = float(MOMENTS[f"acf at lag {lag}"]["value"]) if lag else 1.0
    assert abs(z_of_mean(products, variance * correlation)) < LARGEST_Z
    assert abs(z_of_mean(deviations.mean(axis=1), 0.0)) < LARGEST_Z


def test_trade_sizes_are_geometric(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("symbols.count=4", "symbols.mean_volume=20", "rate=2000", "duration=40")
    volumes = np.concatenate([events.volume for events in events_of(plan)]).astype(np.float64)
    assert volumes.min() == 1
    assert abs(z_of_mean(volumes, 20.0)) < LARGEST_Z
    assert abs(z_of_mean((volumes - 20.0) ** 2, 20.0 * 19.0)) < LARGEST_Z
    assert abs(z_of_mean((volumes == 1.0).astype(np.float64), 1 / 20)) < LARGEST_Z
