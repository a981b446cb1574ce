"""Arrival processes against closed forms and published values: fixed seeds, |z| < 4.5 with honest standard errors."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.market.arrivals import Arrivals, arrival_process
from simulator.market.arrivals.base import ArrivalProcess
from simulator.market.arrivals.diurnal import Diurnal
from simulator.market.arrivals.fixed import RotatingArrivals, SeparateArrivals, count_before, exact_rate, times
from simulator.market.arrivals.hawkes import Hawkes
from simulator.market.arrivals.mmpp import MarkovModulated, StatePath
from simulator.market.arrivals.poisson import Poisson, PoissonArrivals
from simulator.market.arrivals.ramp import Ramp
from simulator.market.intensity import Burst, Intensity, constant
from simulator.market.stream import events_of
from simulator.parameters import NANOSECONDS
from simulator.plan import Plan

Floats = NDArray[np.float64]

VALUES = Path(__file__).resolve().parent / "values"
LARGEST_Z = 4.5
CRITICAL_DISTANCE = 1.95  # of level 0.001
MANY = [f"S{number}" for number in range(200)]

with (VALUES / "arrivals.csv").open(encoding="utf-8") as handle:
    ROWS = list(csv.DictReader(handle))
HAWKES = [row for row in ROWS if row["process"] == "hawkes"]
MMPP = MarkovModulated(kind="mmpp", rate=None, burst_factor=20.0, burst_duration=1.0, calm_duration=10.0)


def golden(process: str) -> dict[str, str]:
    (row,) = [row for row in ROWS if row["process"] == process]
    return row


def z_of_mean(samples: Floats, expected: float) -> float:
    """For independent samples."""
    return float((samples.mean() - expected) / (samples.std(ddof=1) / math.sqrt(samples.size)))


def kolmogorov_distance(samples: Floats) -> float:
    """sqrt(n) D_n from the exponential distribution of mean 1."""
    below = -np.expm1(-np.sort(samples))
    n = samples.size
    ranks = np.arange(n + 1) / n
    return float(max((ranks[1:] - below).max(), (below - ranks[:-1]).max()) * math.sqrt(n))


def made(
    parameters: Arrivals,
    rate: float,
    *,
    symbols: list[str] | None = None,
    duration: float | None = None,
    seed: int = 1,
    intensity: Intensity | None = None,
) -> ArrivalProcess:
    """A process whose symbols all have this rate."""
    names = symbols or ["A"]
    span = None if duration is None else round(duration * NANOSECONDS)
    rates = np.full(len(names), rate)
    return arrival_process(parameters, names, rates, rotating=False, duration_ns=span, seed=seed, intensity=intensity)


def counts_of(process: ArrivalProcess, window: float, number: int, skipped: int = 0) -> Floats:
    """Counts by window and symbol, shape (windows, symbols)."""
    rows = [process.until(round(window * NANOSECONDS * end)).counts for end in range(1, number + skipped + 1)]
    return np.array(rows[skipped:], dtype=np.float64)


def hawkes_of(row: dict[str, str]) -> tuple[Hawkes, float]:
    """Parameters and mean rate of a golden row."""
    mu, alpha, beta = (float(part.split("=")[1]) for part in row["parameters"].split())
    return Hawkes(kind="hawkes", rate=None, branching=alpha / beta, decay=beta), mu / (1.0 - alpha / beta)


def agrees(counts: Floats, row: dict[str, str]) -> None:
    """Symbols are independent, windows of one symbol are not: one estimate a symbol."""
    mean, variance, fano = (float(row[key]) for key in ("mean", "variance", "fano"))
    deviations = counts - mean
    assert abs(z_of_mean(counts.mean(axis=0), mean)) < LARGEST_Z
    assert abs(z_of_mean((deviations**2).mean(axis=0), variance)) < LARGEST_Z
    assert abs(z_of_mean((deviations**2).mean(axis=0) - fano * counts.mean(axis=0), 0.0)) < LARGEST_Z
    if row["acf1 of counts"]:
        products = (deviations[1:] * deviations[:-1]).mean(axis=0)
        assert abs(z_of_mean(products, variance * float(row["acf1 of counts"]))) < LARGEST_Z


@pytest.mark.parametrize("row", HAWKES, ids=lambda row: row["parameters"])
def test_hawkes_counts(row: dict[str, str]) -> None:
    parameters, rate = hawkes_of(row)
    window = float(row["window"])
    # The start knows the past by its mean only: its variance is forgotten after many correlation times.
    skipped = math.ceil(20.0 / (parameters.decay * (1.0 - parameters.branching)) / window)
    agrees(counts_of(made(parameters, rate, symbols=MANY), window, 300, skipped), row)


@pytest.mark.parametrize("row", HAWKES, ids=lambda row: row["parameters"])
def test_hawkes_has_its_mean_rate_from_the_first_moment(row: dict[str, str]) -> None:
    parameters, rate = hawkes_of(row)
    names = [f"S{number}" for number in range(4000)]
    first, second = counts_of(made(parameters, rate, symbols=names, seed=4), 0.5 / parameters.decay, 2)
    assert abs(z_of_mean(first, rate * 0.5 / parameters.decay)) < LARGEST_Z
    assert abs(z_of_mean(second, rate * 0.5 / parameters.decay)) < LARGEST_Z


def test_mmpp_counts() -> None:
    row = golden("mmpp2")
    agrees(counts_of(made(MMPP, 150.0 / 11.0, symbols=MANY), float(row["window"]), 500), row)


def test_mmpp_levels_are_the_golden_rates_over_their_mean() -> None:
    calm, burst = MMPP.levels
    assert (calm * 150.0 / 11.0, burst * 150.0 / 11.0) == pytest.approx((5.0, 100.0), rel=1e-12)


def test_mmpp_is_stationary_from_the_first_moment() -> None:
    first = counts_of(made(MMPP, 150.0 / 11.0, symbols=[f"S{number}" for number in range(4000)], seed=3), 0.25, 1)
    assert abs(z_of_mean(first[0], 150.0 / 11.0 / 4)) < LARGEST_Z


def u_integral(depth: float, time: Floats, period: float) -> Floats:
    """Seconds of mean intensity before a time, from the U's own formula."""
    u = time / period
    whole = np.floor(u)
    u = u - whole
    return (whole + u + depth * (4.0 * (u - 0.5) ** 3 + 0.5 - u)) * period


def ramp_integral(growth: float, span: float, time: Floats) -> Floats:
    a = 2.0 / (1.0 + growth)
    b = a * (growth - 1.0) / span
    held = np.minimum(time, span)
    return a * held + b * held**2 / 2.0 + (time - held) * a * growth


def steps_integral(values: list[float], period: float, time: Floats) -> Floats:
    scaled = np.array(values) / np.mean(values)
    sums = np.concatenate(([0.0], np.cumsum(scaled))) * period / len(values)
    whole = np.floor(time / period)
    return whole * period + np.interp(time - whole * period, np.arange(len(values) + 1) * period / len(values), sums)


def bursts_integral(time: Floats) -> Floats:
    return time + 4.0 * (np.clip(time, 10.0, 20.0) - 10.0) - (np.clip(time, 30.0, 35.0) - 30.0)


U = Diurnal(kind="diurnal", rate=None, shape="u", depth=0.9, levels=[], period=50.0)
STEPS = Diurnal(kind="diurnal", rate=None, shape="levels", depth=0.0, levels=[1.0, 5.0, 0.0, 2.0], period=20.0)
BURSTS = constant().with_bursts([Burst(10 * NANOSECONDS, 20 * NANOSECONDS, 5.0), Burst(30 * NANOSECONDS, 35 * NANOSECONDS, 0.0)])


def grown(growth: float) -> Ramp:
    return Ramp(kind="ramp", rate=None, growth=growth, span=None)


INHOMOGENEOUS = [
    pytest.param(grown(4.0), None, lambda t: ramp_integral(4.0, 100.0, t), id="ramp up"),
    pytest.param(grown(0.05), None, lambda t: ramp_integral(0.05, 100.0, t), id="ramp down"),
    pytest.param(U, None, lambda t: u_integral(0.9, t, 50.0), id="u"),
    pytest.param(STEPS, None, lambda t: steps_integral([1.0, 5.0, 0.0, 2.0], 20.0, t), id="levels"),
    pytest.param(Poisson(kind="poisson", rate=None), BURSTS, bursts_integral, id="bursts"),
]


@pytest.mark.parametrize(("parameters", "intensity", "integral"), INHOMOGENEOUS)
def test_inhomogeneous_counts(parameters: Arrivals, intensity: Intensity | None, integral: Callable[[Floats], Floats]) -> None:
    row = golden("ramp" if parameters.kind == "ramp" else "inhomogeneous")
    counts = counts_of(made(parameters, 4.0, symbols=MANY, duration=100.0, intensity=intensity), 3.0, 40)
    means = 4.0 * np.diff(integral(np.arange(41) * 3.0))
    assert np.all(counts[means == 0.0] == 0.0)
    busy = means > 0.0
    deviations = (counts[busy] - means[busy, None]) / np.sqrt(means[busy, None])
    assert abs(z_of_mean(deviations.ravel(), 0.0)) < LARGEST_Z
    assert abs(z_of_mean((deviations**2).ravel(), float(row["fano"]))) < LARGEST_Z
    assert abs(z_of_mean((deviations[1:] * deviations[:-1]).ravel(), float(row["acf1 of counts"]))) < LARGEST_Z
    for window, mean in zip(counts[busy], means[busy], strict=True):
        assert abs(window.mean() - mean) < LARGEST_Z * math.sqrt(mean / window.size)


def exponential(compensator: Floats) -> None:
    """The compensator's increments between events are iid Exp(1)."""
    increments = np.diff(compensator, prepend=0.0)
    assert increments.size > 5000
    assert kolmogorov_distance(increments) < CRITICAL_DISTANCE
    assert abs(z_of_mean((increments[1:] - 1.0) * (increments[:-1] - 1.0), 0.0)) < LARGEST_Z


def seconds_of(process: ArrivalProcess, end: int) -> Floats:
    """Event times, asked for in two pieces."""
    return np.concatenate([process.until(part * NANOSECONDS).times for part in (end // 3, end)]) / NANOSECONDS


@pytest.mark.parametrize(("parameters", "intensity", "integral"), INHOMOGENEOUS)
def test_compensator_of_inhomogeneous(
    parameters: Arrivals, intensity: Intensity | None, integral: Callable[[Floats], Floats]
) -> None:
    exponential(100.0 * integral(seconds_of(made(parameters, 100.0, duration=100.0, intensity=intensity), 120)))


@pytest.mark.parametrize("branching", [0.0, 0.3, 0.9])
def test_compensator_of_hawkes(branching: float) -> None:
    rate, decay = 40.0, 3.0
    parameters = Hawkes(kind="hawkes", rate=None, branching=branching, decay=decay)
    arrived = seconds_of(made(parameters, rate, seed=5), 400)
    mu = rate * (1.0 - branching)
    compensator = mu * arrived + (rate - mu) * -np.expm1(-decay * arrived) / decay
    fading = 0.0  # sum over the past of exp(-decay age)
    for k in range(1, arrived.size):
        fading = (fading + 1.0) * math.exp(-decay * (arrived[k] - arrived[k - 1]))
        compensator[k] += branching * (k - fading)
    exponential(compensator)


def test_compensator_of_mmpp_given_its_states() -> None:
    arrived = seconds_of(made(MMPP, 30.0, seed=6), 600)
    path = StatePath(MMPP, "A", 6)
    while path._begins[-1] < 600 * NANOSECONDS:
        path._extend(64)
    sums = np.concatenate(([0.0], np.cumsum(path._levels_from * np.diff(path._begins)))) / NANOSECONDS
    exponential(30.0 * np.interp(arrived, path._begins / NANOSECONDS, sums))


def test_the_states_of_an_mmpp_stay_exponentially_long() -> None:
    path = StatePath(MMPP, "A", 7)
    for _ in range(200):
        path._extend(64)
    stays, in_burst = np.diff(path._begins) / NANOSECONDS, path._levels_from > 1.0
    assert np.all(in_burst[1:] != in_burst[:-1])
    assert kolmogorov_distance(stays[in_burst] / 1.0) < CRITICAL_DISTANCE
    assert kolmogorov_distance(stays[~in_burst] / 10.0) < CRITICAL_DISTANCE


def test_the_first_half_hour_of_the_u() -> None:
    day = 23_400
    parameters = Diurnal(kind="diurnal", rate=None, shape="u", depth=0.6, levels=[], period=float(day))
    process = made(parameters, 20.0)
    counts = [process.until(end * NANOSECONDS).counts[0] for end in (1800, day)]
    share = 1 / 13 + 0.6 * (4 * (1 / 13 - 0.5) ** 3 + 0.5 - 1 / 13)
    assert 0.13 < share < 0.15
    expected = 20.0 * day * share
    assert abs(counts[0] - expected) < LARGEST_Z * math.sqrt(expected)
    assert abs(sum(counts) - 20.0 * day) < LARGEST_Z * math.sqrt(20.0 * day)


def counts_by_second(process: ArrivalProcess, seconds: int) -> NDArray[np.int64]:
    """Counts of the whole market, asked for piece by piece."""
    pieces = [process.until(end * NANOSECONDS) for end in range(7, seconds + 7, 7)]
    arrived = np.concatenate([piece.times for piece in pieces])
    return np.bincount(arrived // NANOSECONDS, minlength=seconds)[:seconds]


def test_poisson_counts() -> None:
    row = golden("poisson")
    mean, variance, n = float(row["mean"]), float(row["variance"]), 20_000
    counts = counts_by_second(PoissonArrivals(["A", "B"], np.array([20.0, 30.0]), seed=5), n)
    assert abs(counts.mean() - mean) < LARGEST_Z * math.sqrt(mean / n)
    # Var of (N - m)^2 is m + 2 m^2 for a Poisson N.
    assert abs(((counts - mean) ** 2).mean() - variance) < LARGEST_Z * math.sqrt((mean + 2 * mean**2) / n)
    assert abs(z_of_mean((counts[1:] - mean) * (counts[:-1] - mean), float(row["acf1 of counts"]))) < LARGEST_Z


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_poisson_compensator_increments_are_exponential(seed: int) -> None:
    gaps = np.diff(PoissonArrivals(["A"], np.array([40.0]), seed).until(2000 * NANOSECONDS).times, prepend=0)
    increments = gaps * 40.0 / NANOSECONDS
    assert kolmogorov_distance(increments) < CRITICAL_DISTANCE
    assert abs(z_of_mean((increments[1:] - 1.0) * (increments[:-1] - 1.0), 0.0)) < LARGEST_Z


def test_compensator_increments_of_the_merged_market_are_exponential(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("symbols=equities", "rate=1000", "duration=40")
    increments = np.diff(np.concatenate([events.time for events in events_of(plan)]), prepend=0) * 1000.0 / NANOSECONDS
    assert increments.size > 30_000
    assert kolmogorov_distance(increments) < CRITICAL_DISTANCE


CHOSEN = [0, 1, 2, 99, 100, 101, 123_456_789, 10**9 - 1, 10**9]
LONGEST_RUN = 3_155_760_000  # seconds that `duration` may have


@pytest.mark.parametrize("rate", [100.0, 0.1, 7.3, 1.0 / 3.0, 1500.0, 12_345.678901234, 33.3, 999_999.9, 1e8, 2.5e-3])
def test_the_fixed_schedule_is_exact_over_a_billion_events(rate: float) -> None:
    fraction = exact_rate(rate)
    if len(repr(rate)) < 12:
        assert fraction == Fraction(repr(rate))
    assert abs(fraction / Fraction(rate) - 1) < Fraction(1, 10**9)
    chosen = [k for k in CHOSEN if k / rate <= LONGEST_RUN]
    exact = [(k * NANOSECONDS * fraction.denominator) // fraction.numerator for k in chosen]
    assert times(np.array(chosen, dtype=np.int64), fraction).tolist() == exact
    # Event k comes before t when its moment, k / rate, does.
    assert [count_before(time + 1, fraction) > k for k, time in zip(chosen, exact, strict=True)] == [True] * len(chosen)
    assert [count_before(time, fraction) <= k for k, time in zip(chosen, exact, strict=True)] == [True] * len(chosen)


def test_fixed_counts_differ_by_at_most_one() -> None:
    row = golden("fixed rate")
    mean, seconds = float(row["mean"]), 10_000
    counts = counts_by_second(RotatingArrivals(3, mean), seconds)
    assert set(counts.tolist()) == {math.floor(mean), math.ceil(mean)}
    assert counts.sum() == round(mean * seconds)


def test_symbols_take_turns() -> None:
    arrivals = RotatingArrivals(3, 10.0).until(NANOSECONDS)
    assert arrivals.counts.tolist() == [4, 3, 3]
    assert arrivals.times.tolist() == [tenth * 100_000_000 for tenth in (0, 3, 6, 9, 1, 4, 7, 2, 5, 8)]


def test_separate_schedules_keep_their_own_rates_without_drift() -> None:
    arrivals = SeparateArrivals(["A", "B"], np.array([3.0, 0.7])).until(10_000 * NANOSECONDS)
    assert arrivals.counts.tolist() == [30_000, 7_000]
    for part, rate in zip(np.split(arrivals.times, [30_000]), (Fraction(3), Fraction(7, 10)), strict=True):
        assert 0 <= part[0] < NANOSECONDS / rate
        assert (part - part[0]).tolist() == [int(k * NANOSECONDS / rate) for k in range(part.size)]
