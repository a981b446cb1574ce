"""Price processes against closed forms and published values: fixed seeds, |z| < 4.5 with honest standard errors."""

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

from simulator.market.chain import Chain, stationary
from simulator.market.dynamics import Dynamics, latent_path
from simulator.market.dynamics.base import ProcessPath
from simulator.market.dynamics.garch import Garch, next_variance
from simulator.market.dynamics.gbm import GeometricBrownianMotion
from simulator.market.dynamics.heston import Heston
from simulator.market.dynamics.jump import MertonJumpDiffusion
from simulator.market.dynamics.kou import KouJumpDiffusion
from simulator.market.dynamics.ou import OrnsteinUhlenbeck
from simulator.market.dynamics.regime import Regime
from simulator.market.exact import FRACTION_BITS
from simulator.market.quadratic_exponential import Shocks, log_moment, transition, variances
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.seeding import Draws, stream

Floats = NDArray[np.float64]

VALUES = Path(__file__).resolve().parent / "values"
LARGEST_Z = 4.5
SYMBOLS = [f"S{number}" for number in range(8)]
MANY = [f"S{number}" for number in range(400)]

with (VALUES / "moments.csv").open(encoding="utf-8") as handle:
    ROWS = list(csv.DictReader(handle))


def golden(process: str, statistic: str, parameters: str = "") -> float:
    """The value of a row; where parameters are needed to tell rows apart, what theirs begin with."""
    of_process = [row for row in ROWS if row["process"] == process and row["statistic"] == statistic]
    (row,) = [row for row in of_process if row["parameters"].startswith(parameters)]
    return float(row["value"])


def z_of_mean(samples: Floats, expected: float) -> float:
    """For independent samples."""
    return float((samples.mean() - expected) / (samples.std(ddof=1) / math.sqrt(samples.size)))


def log_returns(parameters: Dynamics, steps: int, seed: int = 1, symbols: list[str] = SYMBOLS) -> Floats:
    """Log returns over one step each, shape (symbols, steps)."""
    levels = latent_path(parameters, Draws(seed, symbols)).advance(steps + 1).levels
    return np.diff(levels, axis=1) / 2.0**FRACTION_BITS


def openings(parameters: Dynamics, steps: int) -> NDArray[np.int64]:
    """The first levels of many independent paths, shape (paths, steps)."""
    path = latent_path(parameters, Draws(2, MANY))
    if not isinstance(path, ProcessPath):
        return latent_path(parameters, Draws(2, [f"S{number}" for number in range(5000)])).advance(steps).levels
    levels, opening = [], path._process
    for _ in range(50):  # each begins at the opening, with further draws of the same streams
        path._process = copy.copy(opening)
        levels.append(path.advance(steps).levels)
    return np.concatenate(levels)


def in_years(dt: float) -> dict[str, Any]:
    """A step of `dt` years."""
    return {"step": 1.0, "seconds_per_year": 1.0 / dt, "symbols": {}}


def gbm(drift: float, volatility: float, dt: float) -> GeometricBrownianMotion:
    return GeometricBrownianMotion(kind="gbm", drift=drift, volatility=volatility, **in_years(dt))


def merton(drift: float, dt: float, **jumps: float) -> MertonJumpDiffusion:
    return MertonJumpDiffusion(kind="jump", drift=drift, **jumps, **in_years(dt))


def kou(drift: float, dt: float, **jumps: float) -> KouJumpDiffusion:
    return KouJumpDiffusion(kind="kou", drift=drift, **jumps, **in_years(dt))


def heston(drift: float, dt: float, **others: Any) -> Heston:  # noqa: ANN401  # keys of the option
    defaults: dict[str, Any] = {"initial_variance": None, "jump_intensity": 0.0, "jump_mean": 0.0, "jump_deviation": 0.0}
    return Heston(kind="heston", drift=drift, **{**defaults, **others}, **in_years(dt))


def garch(drift: float, volatility: float, **others: Any) -> Garch:  # noqa: ANN401  # keys of the option
    defaults: dict[str, Any] = {"alpha": 0.0, "beta": 0.0, "gamma": 0.0, "degrees_of_freedom": None, "period": 1.0}
    return Garch(kind="garch", drift=drift, volatility=volatility, **{**defaults, **others}, **in_years(1.0))


def regime(process: dict[str, Any], states: list[tuple[float, dict[str, float]]], dt: float = 1.0, **others: Any) -> Regime:  # noqa: ANN401
    rows = [
        {"name": f"s{number}", "mean_duration": duration, "overrides": overrides}
        for number, (duration, overrides) in enumerate(states)
    ]
    defaults: dict[str, Any] = {"transition": None, "scope": "symbol"}
    return Regime.model_validate({"kind": "regime", "process": process, "states": rows, **defaults, **others, **in_years(dt)})


GOLDEN_MERTON = {"volatility": 0.2, "jump_intensity": 1.0, "jump_mean": -0.1, "jump_deviation": 0.15}
GOLDEN_KOU = {"volatility": 0.16, "jump_intensity": 1.0, "up_probability": 0.4, "up_rate": 10.0, "down_rate": 5.0}
GOLDEN_REGIME = regime({"kind": "gbm", "drift": 0.0, "volatility": 0.01}, [(100.0, {}), (20.0, {"volatility": 0.03})])
PERSISTENT = {"alpha": 0.1, "beta": 0.7, "gamma": 0.1}


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


VOLATILE = {"reversion": 1.0, "mean_variance": 0.04, "vol_of_variance": 0.6, "correlation": -0.7}
BATES = {"jump_intensity": 2.0, "jump_mean": -0.1, "jump_deviation": 0.1}
GROWING: dict[str, Callable[[float], Dynamics]] = {
    "merton": lambda drift: merton(drift, 0.25, **GOLDEN_MERTON),
    "kou": lambda drift: kou(drift, 0.25, **GOLDEN_KOU),
    "kou, up only": lambda drift: kou(drift, 0.25, **{**GOLDEN_KOU, "up_probability": 1.0}),
    "heston": lambda drift: heston(drift, 0.25, **VOLATILE),
    "heston, up together": lambda drift: heston(drift, 0.25, **{**VOLATILE, "correlation": 0.8}),
    "heston, coarse": lambda drift: heston(drift, 0.25, **{**VOLATILE, "reversion": 8.0, "initial_variance": 0.3}),
    "bates": lambda drift: heston(drift, 0.25, **VOLATILE, **BATES),
    "garch": lambda drift: garch(drift / 4, 0.2, **PERSISTENT),
    "garch, t": lambda drift: garch(drift / 4, 0.1, **PERSISTENT, degrees_of_freedom=8.0),
    "regime": lambda drift: regime(
        {"kind": "heston", "drift": drift, **VOLATILE, "initial_variance": None, **BATES},
        [(2.0, {}), (1.5, {"jump_mean": 0.2, "mean_variance": 0.2})],
        0.25,
    ),
}


@pytest.mark.parametrize("drift", [0.0, 0.3])
@pytest.mark.parametrize("process", GROWING)
def test_the_mean_price_grows_by_the_drift(process: str, drift: float) -> None:
    levels = openings(GROWING[process](drift), 5) / 2.0**FRACTION_BITS
    for step in (1, 4):
        assert abs(z_of_mean(np.exp(levels[:, step]), math.exp(drift * step / 4))) < LARGEST_Z


def standardised(returns: Floats, power: int) -> float:
    centred = returns - returns.mean()
    return float((centred**power).mean() / centred.var() ** (power / 2))


JUMPS = {"merton": merton(0.0, 1.0, **GOLDEN_MERTON), "kou": kou(0.0, 0.5, **GOLDEN_KOU)}


@pytest.mark.parametrize("process", JUMPS)
@pytest.mark.parametrize(
    ("statistic", "estimate"),
    [
        pytest.param("variance of log return", np.var, id="variance"),
        pytest.param("skewness", lambda x: standardised(x, 3), id="skewness"),
        pytest.param("excess kurtosis", lambda x: standardised(x, 4) - 3.0, id="kurtosis"),
    ],
)
def test_moments_of_jump_diffusions(process: str, statistic: str, estimate: Callable[[Floats], float]) -> None:
    returns = log_returns(JUMPS[process], 60_000).ravel()
    batches = np.array([estimate(batch) for batch in np.split(returns, 60)])
    error = batches.std(ddof=1) / math.sqrt(batches.size)
    assert abs(estimate(returns) - golden(process, statistic)) < LARGEST_Z * error


@pytest.mark.parametrize("lag", [0, 1, 5, 10])
def test_ou_is_stationary_with_an_exponential_acf(lag: int) -> None:
    mean = 0.1
    parameters = OrnsteinUhlenbeck(kind="ou", reversion=2.0, volatility=0.6, mean=mean, **in_years(0.05))
    paths = latent_path(parameters, Draws(3, MANY[:200]))
    paths.advance(600)  # 60 times the correlation time: the opening is forgotten
    deviations = paths.advance(3000).levels / 2.0**FRACTION_BITS - mean
    # A path's samples are correlated, the paths are not: one estimate a path gives the standard error.
    products = (deviations[:, : 3000 - lag] * deviations[:, lag:]).mean(axis=1)
    correlation = golden("ou", f"acf at lag {lag}") if lag else 1.0
    assert abs(z_of_mean(products, golden("ou", "stationary variance") * correlation)) < LARGEST_Z
    assert abs(z_of_mean(deviations.mean(axis=1), 0.0)) < LARGEST_Z


def agrees_with_clustering(squares: Floats, variance: float, kurtosis: float, correlation: float | None) -> None:
    """Squared returns, shape (paths, steps): the paths are independent, and each gives one estimate."""
    assert abs(z_of_mean(squares.mean(axis=1), variance)) < LARGEST_Z
    assert abs(z_of_mean((squares**2).mean(axis=1), kurtosis * variance**2)) < LARGEST_Z
    if correlation is not None:
        products = (squares[:, 1:] * squares[:, :-1]).mean(axis=1)
        assert abs(z_of_mean(products, variance**2 * (1.0 + correlation * (kurtosis - 1.0)))) < LARGEST_Z


GARCHES = [
    pytest.param("garch", "alpha=.05 beta=.90", {"alpha": 0.05, "beta": 0.90}, id="garch"),
    pytest.param("garch", "alpha=.1 beta=.85", {"alpha": 0.1, "beta": 0.85}, id="garch more"),
    pytest.param("gjr", "", {"alpha": 0.03, "beta": 0.91, "gamma": 0.08}, id="gjr"),
]


@pytest.mark.parametrize(("process", "row", "parameters"), GARCHES)
def test_garch_clusters(process: str, row: str, parameters: dict[str, float]) -> None:
    sigma = 0.001  # so small that the compensation of the mean does not count
    returns = log_returns(garch(0.0, sigma, **parameters), 4000, symbols=MANY)[:, 500:]
    correlation = golden(process, "acf1 of squared returns", row) if process == "garch" else None
    agrees_with_clustering((returns / sigma) ** 2, 1.0, golden(process, "kurtosis", row), correlation)


@pytest.mark.parametrize("nu", [None, 10.0])
def test_garch_gives_back_half_the_variance(nu: float | None) -> None:
    returns = log_returns(garch(0.05, 0.6, degrees_of_freedom=nu, period=2.0), 40_000)
    # Two steps a period share its variance: one estimate a period.
    assert abs(z_of_mean(returns.reshape(-1, 2).sum(axis=1), 2 * 0.05 - 0.6**2)) < LARGEST_Z


def test_garch_volatility_is_relative_to_the_long_run() -> None:
    path = latent_path(garch(0.0, 0.001, **PERSISTENT), Draws(1, MANY))
    path.advance(300)
    volatility = path.advance(1000).volatility
    assert volatility is not None
    assert abs(z_of_mean((volatility**2).mean(axis=1), 1.0)) < LARGEST_Z


def test_the_garch_recursion() -> None:
    (row,) = [row for row in ROWS if row["process"] == "garch recursion"]
    *sigmas, limit = (float(value) for value in row["value"].split())
    coefficients = {name: np.array([value]) for name, value in (("omega", 0.2), ("alpha", 0.2), ("beta", 0.3), ("gamma", 0.0))}
    variance, found = np.array([0.01]), []
    for _ in range(10):
        variance = next_variance(variance, np.array([0.1]), coefficients)
        found.append(math.sqrt(variance[0]))
    # The published limit is the tenth value; the true one is 0.5371884.
    assert [round(sigma, 6) for sigma in (*found[:4], found[-1])] == [*sigmas, limit]
    assert math.sqrt((0.2 + 0.2 * 0.1**2) / (1.0 - 0.3)) == pytest.approx(limit, abs=2e-6)


def test_gamma_weighs_falls_only() -> None:
    coefficients = {name: np.array([value]) for name, value in (("omega", 0.2), ("alpha", 0.1), ("beta", 0.3), ("gamma", 0.4))}
    assert next_variance(np.array([0.5]), np.array([2.0]), coefficients) == pytest.approx(0.2 + 0.1 * 4 + 0.3 * 0.5)
    assert next_variance(np.array([0.5]), np.array([-2.0]), coefficients) == pytest.approx(0.2 + 0.5 * 4 + 0.3 * 0.5)


def test_periods_of_several_steps_have_students_distribution() -> None:
    nu, sigma, steps = 12.0, 0.001, 5
    parameters = garch(0.0, sigma, degrees_of_freedom=nu, period=float(steps))
    returns = log_returns(parameters, 100_000).reshape(len(SYMBOLS), -1, steps)
    periods = (returns.sum(axis=2) / (sigma * math.sqrt(steps))).ravel()
    assert abs(z_of_mean(periods**2, 1.0)) < LARGEST_Z
    assert abs(z_of_mean(periods**4, 3.0 * (nu - 2.0) / (nu - 4.0))) < LARGEST_Z
    # Steps of one period share its variance: squares of neighbours in it have the correlation that the mixing gives.
    squares = (returns / sigma) ** 2
    assert abs(z_of_mean((squares[:, :, 1] * squares[:, :, 2]).ravel(), (nu - 2.0) / (nu - 4.0))) < LARGEST_Z
    assert abs(z_of_mean((squares[:, 1:, 0] * squares[:, :-1, -1]).ravel(), 1.0)) < LARGEST_Z


def test_regimes_cluster() -> None:
    returns = log_returns(GOLDEN_REGIME, 4000, symbols=MANY)
    agrees_with_clustering(
        returns**2, (5 * 0.01**2 + 0.03**2) / 6, golden("regime2", "kurtosis"), golden("regime2", "acf1 of squared returns")
    )


def test_regimes_are_stationary_from_the_first_step() -> None:
    volatility = latent_path(GOLDEN_REGIME, Draws(5, [f"S{number}" for number in range(10_000)])).advance(1).volatility
    assert volatility is not None
    assert abs(z_of_mean(volatility.ravel(), 1.0)) < LARGEST_Z
    assert sorted(set(volatility.ravel().tolist())) == pytest.approx([0.01 * 6 / 0.08, 0.03 * 6 / 0.08])


def test_sojourns_are_geometric_and_lead_where_the_matrix_says() -> None:
    matrix, means = [[0.0, 0.7, 0.3], [1.0, 0.0, 0.0], [0.25, 0.75, 0.0]], [12.5, 4.0, 1.0]
    states = Chain(stream(1, "", "regime"), matrix, means).advance(2_000_000)
    changes = np.flatnonzero(np.diff(states)) + 1
    stays, at, following = np.diff(changes), states[changes[:-1]], states[changes[1:]]
    for state, mean in enumerate(means):
        samples = stays[at == state].astype(np.float64)
        if mean > 1.0:
            assert abs(z_of_mean(samples, mean)) < LARGEST_Z
            assert abs(z_of_mean((samples - mean) ** 2, mean * (mean - 1.0))) < LARGEST_Z
        else:
            assert (samples == 1.0).all()
        for other, probability in enumerate(matrix[state]):
            hits = (following[at == state] == other).astype(np.float64)
            assert hits.mean() == probability if probability in {0.0, 1.0} else abs(z_of_mean(hits, probability)) < LARGEST_Z
    # A hundred stretches are as good as independent.
    shares = stationary(matrix, means)
    for state in range(3):
        assert abs(z_of_mean((states == state).reshape(100, -1).mean(axis=1), float(shares[state]))) < LARGEST_Z


QE_ROWS = [(0.3, 0.05, "kappa=.5 eps=0.3"), (1.0, 0.002, "kappa=.5 eps=1")]


@pytest.mark.parametrize(("eps", "opening", "row"), QE_ROWS, ids=["quadratic", "exponential"])
def test_the_variance_has_its_exact_mean_and_variance_after_a_step(eps: float, opening: float, row: str) -> None:
    number = 1_000_000
    generator = np.random.default_rng(4)
    normal = generator.standard_normal((1, number))
    shocks = Shocks(normal, generator.random((number, 1)), generator.standard_exponential((number, 1)))
    values = (np.array([[number]]) for number in (0.5, 0.04, eps))
    coefficients = {name: np.broadcast_to(column, normal.shape) for name, column in transition(*values, 0.25).items()}
    stretch = variances(np.full(number, opening), shocks, coefficients)
    after = stretch.after.ravel()
    mean, variance = golden("heston variance", "mean", row), golden("heston variance", "variance", row)
    assert after.min() >= 0.0
    assert ((after == 0.0).mean() > 0.5) == (opening < 0.01)
    assert abs(z_of_mean(after, mean)) < LARGEST_Z
    assert abs(z_of_mean((after - mean) ** 2, variance)) < LARGEST_Z
    for exponent in (-3.0, 0.4 * mean / variance):
        moment = log_moment(stretch, np.full(normal.shape, exponent))
        assert np.ptp(moment) == 0.0
        assert abs(z_of_mean(np.exp(exponent * after), math.exp(float(moment[0, 0])))) < LARGEST_Z


def test_heston_volatility_is_relative_to_the_long_run() -> None:
    parameters = heston(0.0, 0.01, reversion=4.0, mean_variance=0.09, vol_of_variance=0.5, correlation=0.3)
    path = latent_path(parameters, Draws(1, MANY))
    path.advance(200)
    volatility = path.advance(1000).volatility
    assert volatility is not None
    assert abs(z_of_mean((volatility**2).mean(axis=1), 1.0)) < LARGEST_Z
    # Stationary: gamma with the mean theta and the variance theta eps^2 / (2 kappa).
    spread = 0.25 / (8.0 * 0.09)
    assert abs(z_of_mean(((volatility**2 - 1.0) ** 2).mean(axis=1), spread)) < LARGEST_Z


def test_prices_move_with_the_variance_by_the_correlation() -> None:
    rho, dt = -0.6, 1e-4
    parameters = heston(0.0, dt, reversion=4.0, mean_variance=0.09, vol_of_variance=0.5, correlation=rho)
    latent = latent_path(parameters, Draws(1, MANY)).advance(200)
    assert latent.volatility is not None
    returns, moves = np.diff(latent.levels, axis=1) / 2.0**FRACTION_BITS, np.diff(latent.volatility**2 * 0.09, axis=1)
    variance = latent.volatility[:, :-1] ** 2 * 0.09
    assert abs(z_of_mean((returns**2 / variance).ravel(), dt)) < LARGEST_Z
    assert abs(z_of_mean((moves * returns / variance).ravel(), rho * 0.5 * dt)) < LARGEST_Z


def test_trade_sizes_are_geometric(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("symbols.count=4", "symbols.mean_volume=20", "rate=2000", "duration=40")
    volumes = np.concatenate([events.volume for events in events_of(plan)]).astype(np.float64)
    assert volumes.min() == 1
    assert abs(z_of_mean(volumes, 20.0)) < LARGEST_Z
    assert abs(z_of_mean((volumes - 20.0) ** 2, 20.0 * 19.0)) < LARGEST_Z
    assert abs(z_of_mean((volumes == 1.0).astype(np.float64), 1 / 20)) < LARGEST_Z
