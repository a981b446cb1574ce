"""Bounce, rounding, factors, the U of a day, sizes and spreads against closed forms: fixed seeds, |z| < 4.5."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.market.correlation import CorrelatedPath, FactorModel, loadings, sector_of
from simulator.market.events import Events
from simulator.market.exact import FRACTION_BITS
from simulator.market.prices import Prices
from simulator.market.quotes import BidAsk, QuoteProcess
from simulator.market.stream import events_of
from simulator.market.volumes import geometric_scale
from simulator.plan import Plan
from simulator.seeding import Draws

MakePlan = Callable[..., Plan]
Floats = NDArray[np.float64]

LARGEST_Z = 4.5
SECOND = 1_000_000_000

with (Path(__file__).resolve().parent / "values" / "microstructure.csv").open(encoding="utf-8") as handle:
    ROWS = {row["process"]: row for row in csv.DictReader(handle)}


def z_of_mean(samples: Floats, expected: float) -> float:
    """For independent samples."""
    return float((samples.mean() - expected) / (samples.std(ddof=1) / math.sqrt(samples.size)))


def z_of_acf1(changes: Floats, expected: float) -> float:
    """Of changes of shape (paths, steps) with mean 0; the paths are independent, and each gives one estimate."""
    products = changes[:, 1:] * changes[:, :-1] - expected * (changes[:, 1:] ** 2 + changes[:, :-1] ** 2) / 2
    return z_of_mean(products.mean(axis=1), 0.0)


def merged(plan: Plan) -> Events:
    (events,) = events_of(plan, 1 << 40)
    return events


@pytest.mark.parametrize("dispersion", [0.0, 1.0])
def test_trades_bounce_as_roll_says(dispersion: float) -> None:
    """Prices near 10^9 ticks, a random walk with sigma = 10^4 ticks, and quotes 2 c = 10^4 apart in the mean."""
    assert ROWS["roll"]["parameters"] == "sigma=.01 c=.005"
    paths, steps, sigma, half = 200, 1500, 1e4, 5e3
    walk = 1e9 + sigma * np.cumsum(np.random.default_rng(1).standard_normal((paths, steps)), axis=1)
    parameters = BidAsk(
        kind="bid_ask", publish=True, spread=2 * half / 1e9, dispersion=dispersion, volatility_power=0, mean_size=1
    )
    process = QuoteProcess(parameters, Draws(1, [f"S{number}" for number in range(paths)]))
    draws = process.draw(np.full(paths, steps), np.arange(paths * steps))
    bid, ask = process.around(walk.ravel(), None, draws)
    trades = np.where(draws.buys, ask, bid).reshape(walk.shape).astype(np.float64)
    # Half spreads of Exp(1) have the second moment 2 c^2: the trades' own noise grows, the covariance of neighbours does not.
    noise = half**2 * (1.0 + dispersion**2)
    expected = float(ROWS["roll"]["value"]) if dispersion == 0 else -noise / (sigma**2 + 2.0 * noise)
    assert abs(z_of_acf1(np.diff(trades, axis=1), expected)) < LARGEST_Z
    assert abs(z_of_mean((draws.buys.astype(np.float64)), 0.5)) < LARGEST_Z


def test_rounding_to_ticks_makes_changes_turn_back(make_plan: MakePlan) -> None:
    """A walk of a tick a second, traded once in each step of the grid."""
    assert ROWS["tick rounding"]["parameters"] == "delta=sigma"
    plan = make_plan(
        *("dynamics=gbm", "dynamics.step=1", f"dynamics.volatility={1e-4 * math.sqrt(5_896_800)}"),
        *("arrivals=fixed", "symbols.count=100", "rate=100", "duration=2000"),
    )
    prices = merged(plan).price.reshape(2000, 100).T.astype(np.float64)
    assert abs(z_of_acf1(np.diff(prices, axis=1), float(ROWS["tick rounding"]["value"]))) < LARGEST_Z


# Correlations.

GRID = ("dynamics.step=1", "dynamics.seconds_per_year=10000")
FACTORS = ("correlation=factor", "correlation.market.beta={uniform:[0.5,1.5]}")
MATRIX = [[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]]
SECTORS = (
    *("correlation.sectors.names=[a,b,c]", f"correlation.sectors.correlation={MATRIX}"),
    "+correlation.sectors.members={SYM000:a,SYM001:a,SYM002:b,SYM003:b,SYM004:c,SYM005:c}",
    *("correlation.sectors.dynamics.volatility=0.4", "correlation.sectors.beta={uniform:[0.5,1.5]}"),
)
NO_SECTORS = ("correlation.sectors.names=[]",)
JUMPS = ("jump_intensity=200", "jump_mean=-0.01", "jump_deviation=0.02")
# The symbols' own variance, and the market factor's, per year.
MODELS = {
    "gbm": (("dynamics=gbm", "dynamics.volatility=0.3", "correlation.market.dynamics.volatility=0.5", *NO_SECTORS), 0.09, 0.25),
    "sectors": (("dynamics=gbm", "dynamics.volatility=0.3", "correlation.market.dynamics.volatility=0.5", *SECTORS), 0.09, 0.25),
    "jumps": (
        (
            *("dynamics=jump", "dynamics.volatility=0.3", *(f"dynamics.{each}" for each in JUMPS), *SECTORS),
            *("dynamics@correlation.market.dynamics=jump", "correlation.market.dynamics.volatility=0.5"),
            *(f"correlation.market.dynamics.{each}" for each in JUMPS),
        ),
        0.09 + 200 * (0.01**2 + 0.02**2),
        0.25 + 200 * (0.01**2 + 0.02**2),
    ),
    "garch": (
        (
            *("dynamics=garch", "dynamics.volatility=0.3", "dynamics.alpha=0.05", "dynamics.beta=0.8", *NO_SECTORS),
            *("dynamics.degrees_of_freedom=null", "dynamics@correlation.market.dynamics=regime"),
            "correlation.market.dynamics.process.volatility=0.5",
            "correlation.market.dynamics.states=[{name:a,mean_duration:9,overrides:{}},{name:b,mean_duration:9,overrides:{}}]",
        ),
        0.09,
        0.25,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_factors_correlate_returns(name: str, make_plan: MakePlan) -> None:
    overrides, own, market = MODELS[name]
    names, seed, steps = [f"SYM{number:03}" for number in range(6)], 3, 100_000
    plan = make_plan(*FACTORS, *overrides, *GRID)
    model = plan.market.correlation
    assert isinstance(model, FactorModel)
    path = CorrelatedPath(plan.market.dynamics, model, names, seed)
    returns = np.diff(path.advance(steps + 1).levels, axis=1) / 2.0**FRACTION_BITS
    returns -= returns.mean(axis=1)[:, None]
    betas = loadings(model.market.beta, names, seed, "market beta")[:, 0]
    gammas = loadings(model.sectors.beta, names, seed, "sector beta")[:, 0]
    sectors = [sector_of(symbol, model.sectors) for symbol in names]
    covariance = np.outer(betas, betas) * market + np.diag(np.full(len(names), own))
    for i, j in np.ndindex(covariance.shape):
        one, other = sectors[i], sectors[j]
        if one is not None and other is not None:
            covariance[i, j] += gammas[i] * gammas[j] * 0.16 * MATRIX[one][other]
    deviations = np.sqrt(np.diag(covariance))
    for i in range(len(names)):
        # Squares cluster under GARCH: means of long batches are as good as independent.
        assert abs(z_of_mean((returns[i] ** 2).reshape(100, -1).mean(axis=1), covariance[i, i] / 10_000)) < LARGEST_Z
        for j in range(i):
            correlation = covariance[i, j] / (deviations[i] * deviations[j])
            one, other = returns[i] / deviations[i], returns[j] / deviations[j]
            terms = one * other - correlation * (one**2 + other**2) / 2
            assert abs(z_of_mean(terms.reshape(100, -1).mean(axis=1), 0.0)) < LARGEST_Z


# The day.


@pytest.mark.parametrize("depth", [0.0, 0.28, 0.35, 0.41, 1.0])
def test_the_first_half_hour_has_its_share_of_a_day(depth: float, make_plan: MakePlan) -> None:
    base, slope = (float(text) for text in ROWS["u-shape"]["value"].removesuffix("c").split("+"))
    plan = make_plan(
        *("session=equity_day", f"session.u_shape={depth}", "session.closed=100"),
        *("arrivals=poisson", "symbols.count=2", "rate=10", "dynamics.step=60", "duration=100000"),
    )
    trades = [block.time[block.condition == 0] for block in events_of(plan) if block.condition is not None]
    time = np.concatenate(trades) / 1e9
    # A day is 23505 seconds, of which the first 5 have no trades; four whole days are looked at.
    since = (time[time < 4 * 23505] % 23505) - 5
    assert since.min() >= 0
    assert since.max() < 23400
    first = (since < 1800).astype(np.float64)
    expected = base + slope * depth
    # A day's counts are Poisson: given the total, each event falls in the first half hour or not by itself.
    assert abs(first.mean() - expected) < LARGEST_Z * math.sqrt(expected * (1 - expected) / first.size)
    assert abs(first.size - 4 * 234_000) < LARGEST_Z * math.sqrt(4 * 234_000)


# Sizes and spreads.


def normal_tail(value: float) -> float:
    return math.erfc(value / math.sqrt(2)) / 2


@pytest.mark.parametrize("deviation", [0.0, 0.5, 1.0])
def test_log_normal_sizes_have_their_mean(deviation: float, make_plan: MakePlan) -> None:
    plan = make_plan(
        *("volumes=lognormal", f"volumes.deviation={deviation}", "symbols.lot_size=10", "symbols.mean_volume=75"),
        *("symbols.count=4", "rate=2000", "duration=50"),
    )
    volumes = merged(plan).volume
    assert np.all(volumes % 10 == 0)
    if deviation == 0:
        assert np.all(volumes == 80)
        return
    # Rounded up: the mean of ceil(X) is the sum of P(X > k); all but the last of it by hand.
    tails = [1.0] + [normal_tail((math.log(lots / 7.5) + deviation**2 / 2) / deviation) for lots in range(1, 20_000)]
    assert abs(z_of_mean(volumes / 10, sum(tails))) < LARGEST_Z
    for lots in (1, 5, 20):
        assert abs(z_of_mean((volumes > 10 * lots).astype(np.float64), tails[lots])) < LARGEST_Z


@pytest.mark.parametrize(("lot", "mean"), [(1, 1.0), (1, 1.7), (100, 250.0)])
def test_geometric_sizes_have_their_mean(lot: int, mean: float, make_plan: MakePlan) -> None:
    plan = make_plan(f"symbols.lot_size={lot}", f"symbols.mean_volume={mean}", "symbols.count=4", "rate=2000", "duration=20")
    volumes = merged(plan).volume / lot
    if mean == 1:
        assert np.all(volumes == 1)
        return
    assert abs(z_of_mean(volumes, mean / lot)) < LARGEST_Z
    assert abs(z_of_mean((volumes == 1).astype(np.float64), lot / mean)) < LARGEST_Z


@pytest.mark.parametrize("power", [0, 1, 2])
@pytest.mark.parametrize("dynamics", ["heston", "regime", "garch"])
def test_sizes_and_spreads_rise_with_volatility(dynamics: str, power: int, make_plan: MakePlan) -> None:
    """The volatility at each event is that of a second run of the price process alone."""
    plan = make_plan(
        *(f"dynamics={dynamics}", "quotes=bid_ask", f"quotes.volatility_power={power}", f"volumes.volatility_power={power}"),
        *("symbols.tick_size=0.000001", "symbols.mean_volume=20", "symbols.count=5", "rate=500", "duration=200"),
    )
    events = merged(plan)
    assert events.quotes is not None
    block = Prices(plan.market, plan.seed, SECOND // 10, int).advance(2000)
    assert block.volatility is not None
    place = events.symbol, events.time * 10 // SECOND
    volatility, price = block.volatility[place], block.ticks[place]
    factor = volatility**power
    mean = 1.0 / -np.expm1(-1.0 / (geometric_scale(20.0) * factor))
    width = (events.quotes.ask - events.quotes.bid) / (price * 0.0004)
    calm, wild = volatility < np.quantile(volatility, 0.4), volatility > np.quantile(volatility, 0.7)
    wild = wild if wild.any() else volatility == volatility.max()
    calm = calm if calm.any() else volatility == volatility.min()
    for rows in (calm, wild):
        assert abs(z_of_mean((events.volume / mean)[rows], 1.0)) < LARGEST_Z
        # Outward rounding adds a tick, a forty-thousandth of the mean width.
        assert abs(z_of_mean((width / factor)[rows], 1.0)) < LARGEST_Z
    if power:
        assert events.volume[wild].mean() > 1.2 * events.volume[calm].mean()
        assert width[wild].mean() > 1.2 * width[calm].mean()
