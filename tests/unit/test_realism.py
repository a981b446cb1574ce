"""Stylised facts on series whose truth is known, and the gates on a market that must fail and one that must pass."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from scipy.signal import lfilter
from scipy.stats import weibull_min
from statsmodels.regression.linear_model import OLS
from statsmodels.tsa.stattools import acf

from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.market.events import Events, Quotes
from simulator.modes import realism
from simulator.modes.context import Context
from simulator.modes.realism import measure
from simulator.plan import Plan, read_plan
from simulator.realism import facts, gates
from simulator.realism.bars import MINUTE, BarBuilder, Bars
from simulator.realism.facts import (
    heavy_tails,
    interarrivals,
    intraday_shape,
    leverage,
    no_autocorrelation,
    tail_index,
    volatility_clustering,
    volume_volatility,
)
from simulator.realism.statistics import Estimate, mean_over_time, minute_of_session, weibull_shape
from simulator.rundir import RunDirectory
from simulator.schema import Realism, Specification

Floats = NDArray[np.float64]
MakePlan = Callable[..., Plan]

Z = 4.5
ROOT = Path(__file__).resolve().parents[2]


def one_session(minutes: int) -> NDArray[np.int64]:
    return np.zeros(minutes, dtype=np.int64)


def block(rows: list[tuple[int, int, int, int]]) -> Events:
    symbol, time, price, volume = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Events(symbol.astype(np.uint32), np.arange(len(rows)), time, price, volume)


def with_quotes(events: Events, bid: list[int], ask: list[int]) -> Events:
    sizes = np.ones(len(events), dtype=np.int64)
    return replace(events, quotes=Quotes(np.array(bid), np.array(ask), sizes, sizes))


def heston_like(symbols: int, sessions: int, seed: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Returns and volumes whose log volatility is a sum of two AR(1), moved by the returns' own shocks."""
    rng = np.random.default_rng(seed)
    minutes = sessions * 390
    shocks = rng.standard_normal((3, symbols, minutes))
    logs = np.zeros((symbols, minutes))
    for memory, source, size in ((20.0, 1, 0.2), (400.0, 2, 0.4)):
        phi = math.exp(-1.0 / memory)
        moves = -0.6 * shocks[0] + 0.8 * shocks[source]
        logs += size * (1 - phi * phi) ** 0.5 * lfilter([0.0, 1.0], [1.0, -phi], moves, axis=1)
    r = np.exp(logs) * shocks[0] * 5e-4
    volume = np.floor(1000 * np.exp(logs + 0.3 * rng.standard_normal(logs.shape)))
    return r, volume, np.repeat(np.arange(sessions), 390)


def test_the_table_of_facts_is_the_published_one_and_every_row_has_a_gate() -> None:
    text = (ROOT / "simulator" / "realism" / "stylized_facts.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    gate_of = {row["fact"]: row["gate"] for row in rows}
    assert set(gate_of) - {gates.NEGATIVE_CONTROL} == set(gates.GATES)
    assert gate_of["no autocorrelation"] == f"< {gates.LARGEST_ACF1:g}"
    assert gate_of["heavy tails"] == f"> {gates.LEAST_KURTOSIS:g}, falling under aggregation"
    assert gate_of["tail index"] == "{:g} to {:g}".format(*gates.TAIL_INDICES)
    assert gate_of["volatility clustering"] == "{:g} to {:g}".format(*gates.CLUSTERING_SLOPES)
    assert (gate_of["leverage"], gate_of["volume-volatility"], gate_of["interarrivals"]) == ("negative", "positive", "< 1")
    assert gate_of[gates.NEGATIVE_CONTROL] == "must fail the gates"
    assert all(row["source"] for row in rows if row["fact"] != gates.NEGATIVE_CONTROL)


def fact_gate(name: str, value: float, error: float = 0.0, *points: tuple[float, float]) -> bool:
    return bool(gates.GATES[name][1](Estimate(value, error, points))[0])


def test_the_gates_hold_at_their_published_bounds() -> None:
    assert fact_gate("no autocorrelation", -0.049)
    assert not fact_gate("no autocorrelation", -0.05)
    assert fact_gate("heavy tails", 1.1, 0.0, (1.0, 1.1), (30.0, 1.0))
    assert not fact_gate("heavy tails", 1.0, 0.0, (1.0, 1.0), (30.0, 0.5))
    assert not fact_gate("heavy tails", 1.1, 0.0, (1.0, 1.1), (30.0, 1.2))
    assert [fact_gate("tail index", value) for value in (1.9, 2.0, 5.0, 5.1)] == [False, True, True, False]
    slopes = (-0.61, -0.6, -0.1, -0.09)
    assert [fact_gate("volatility clustering", value, 0.0, (10.0, 0.1)) for value in slopes] == [False, True, True, False]
    assert [fact_gate("leverage", -0.02, error) for error in (0.009, 0.011)] == [True, False]
    assert [fact_gate("volume-volatility", 0.02, error) for error in (0.009, 0.011)] == [True, False]
    assert [fact_gate("interarrivals", 0.98, error) for error in (0.009, 0.011)] == [True, False]


@pytest.mark.parametrize("name", list(gates.GATES))
def test_what_could_not_be_measured_does_not_pass(name: str) -> None:
    assert not fact_gate(name, math.nan, math.nan, (1.0, math.nan))


@pytest.mark.parametrize("phi", [0.0, 0.3, -0.4])
def test_the_first_autocorrelation_of_an_ar1_is_phi(phi: float) -> None:
    r = lfilter([1.0], [1.0, -phi], np.random.default_rng(1).standard_normal((10, 4000)), axis=1)
    estimate = no_autocorrelation(r)
    assert abs(estimate.value - phi) < Z * estimate.error
    assert estimate.error == pytest.approx(((1 - phi * phi) / r.size) ** 0.5, rel=0.35)
    assert estimate.value == pytest.approx(np.mean([acf(row, nlags=1, fft=False)[1] for row in r]), abs=2e-3)


def test_the_error_of_a_mean_is_statsmodels_own() -> None:
    series = lfilter([1.0], [1.0, -0.7], np.random.default_rng(2).standard_normal(2000)) + 0.3
    fit = OLS(series, np.ones(2000)).fit(cov_type="HAC", cov_kwds={"maxlags": 30})
    estimate = mean_over_time(series[None, :], 30)
    assert estimate.value == pytest.approx(fit.params[0], rel=1e-12)
    assert estimate.error == pytest.approx(fit.bse[0], rel=1e-9)


def test_the_kurtosis_of_normal_laplace_and_student_returns() -> None:
    rng = np.random.default_rng(3)
    n = 200_000
    minutes = one_session(n // 10)
    normal = heavy_tails(rng.standard_normal((10, n // 10)), minutes)
    assert all(abs(kurtosis) < Z * (24 * scale / n) ** 0.5 for scale, kurtosis in normal.points)
    laplace = heavy_tails(rng.laplace(size=(10, n // 10)), minutes)
    # Sums of m independent terms have 1/m of the excess kurtosis, which is 3; var of the estimate from the moments to order 8.
    assert abs(laplace.value - 3.0) < Z * (math.factorial(8) / 16 / n) ** 0.5
    assert abs(laplace.points[1][1] - 0.6) < 0.15
    student = heavy_tails(rng.standard_t(3, size=(10, n // 10)), minutes)
    assert student.value > 10
    assert student.points[2][1] < student.points[1][1] < student.value


def test_symbols_of_different_volatility_do_not_look_heavy_tailed() -> None:
    r = np.random.default_rng(4).standard_normal((10, 5000)) * np.geomspace(0.1, 10, 10)[:, None]
    assert abs(heavy_tails(r, one_session(5000)).value) < Z * (24 / r.size) ** 0.5


def test_hills_estimate_finds_the_exponent_of_a_power_law() -> None:
    rng = np.random.default_rng(5)
    r = rng.choice([-1.0, 1.0], size=(1, 400_000)) * (rng.pareto(3.0, size=(1, 400_000)) + 1.0)
    # The estimate's standard error is alpha / sqrt(k); the average over k is no worse than the smallest k.
    assert abs(tail_index(r).value - 3.0) < Z * 3.0 / (0.01 * r.size) ** 0.5
    student = tail_index(rng.standard_t(3, size=(10, 40_000))).value
    assert 2.0 < student < 3.2  # the law is a power in its far tail only: below 3 at 5 %
    assert tail_index(rng.standard_normal((10, 40_000))).value > 5.5
    assert math.isnan(tail_index(rng.standard_normal((1, 100))).value)


def test_independent_returns_do_not_cluster_and_clustered_ones_do() -> None:
    rng = np.random.default_rng(6)
    flat = volatility_clustering(rng.standard_normal((20, 1950)), one_session(1950))
    assert math.isnan(flat.value)
    r, _, session = heston_like(50, 5, 7)
    assert -0.6 < volatility_clustering(r, session).value < -0.1


def test_the_slope_of_a_power_law_of_memory_is_its_exponent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "lagged_product", lambda _x, _y, lag, _session: 0.3 * lag**-0.25)
    slope = volatility_clustering(np.random.default_rng(8).standard_normal((2, 500)), one_session(500)).value
    assert slope == pytest.approx(-0.25, abs=2e-3)


def test_an_intraday_shape_alone_is_no_clustering() -> None:
    rng = np.random.default_rng(9)
    session = np.repeat(np.arange(5), 390)
    shape = 1.0 + 2.0 * ((minute_of_session(session) / 389 - 0.5) * 2) ** 2
    r = rng.standard_normal((40, 1950)) * shape
    found = intraday_shape(r, session)
    assert found is not None
    assert np.corrcoef(found, shape[:390])[0, 1] > 0.97
    # A lag of 200 leaves 190 pairs of a session; the mean over a bin of lags is no worse than one lag.
    assert max(abs(level) for _, level in volatility_clustering(r, session).points) < Z * (40 * 5 * 190) ** -0.5
    assert volatility_clustering(r, one_session(1950)).points[0][1] > 0.1
    assert intraday_shape(r[:, :780], session[:780]) is None


def test_leverage_has_the_sign_of_what_returns_do_to_later_volatility() -> None:
    rng = np.random.default_rng(10)
    none = leverage(rng.standard_normal((20, 3000)), one_session(3000))
    assert abs(none.value) < Z * none.error
    r, _, session = heston_like(20, 5, 11)
    down, up = leverage(r, session), leverage(-r, session)
    assert down.value < -2 * down.error
    assert up.value == pytest.approx(-down.value)


def test_leverage_does_not_reach_over_a_night() -> None:
    r = np.ones((1, 400)) + np.random.default_rng(12).standard_normal((1, 400)) * 0.01
    session = np.arange(400)
    assert math.isnan(leverage(r, session).value)


def test_volume_goes_with_volatility_where_both_are_made_so() -> None:
    rng = np.random.default_rng(13)
    r = rng.standard_normal((20, 2000))
    none = volume_volatility(r, rng.poisson(100, r.shape).astype(np.float64))
    assert abs(none.value) < Z * none.error
    assert none.error == pytest.approx(r.size**-0.5, rel=0.35)
    assert volume_volatility(r, np.abs(r)).value == pytest.approx(1.0)
    # Minutes without a trade have no move because nobody traded; they tell nothing.
    stale = np.where(rng.random(r.shape) < 0.5, 0.0, 1.0)
    quiet = volume_volatility(r * stale, rng.poisson(100, r.shape) * stale)
    assert abs(quiet.value) < Z * quiet.error


@pytest.mark.parametrize("shape", [0.6, 1.0, 1.4])
def test_the_weibull_shape_of_gaps(shape: float) -> None:
    gaps = np.random.default_rng(14).weibull(shape, 20_000) * 0.7
    estimate = interarrivals(gaps)
    assert abs(estimate.value - shape) < Z * estimate.error
    # Asymptotic: var(c) = 0.608 c^2 / n (Johnson, Kotz and Balakrishnan 1994, chapter 21).
    assert estimate.error == pytest.approx((0.608 / gaps.size) ** 0.5 * shape, rel=0.6)


def test_the_weibull_shape_is_scipys() -> None:
    gaps = np.random.default_rng(15).gamma(0.5, 2.0, 3000)
    assert weibull_shape(gaps) == pytest.approx(weibull_min.fit(gaps, floc=0)[0], rel=1e-3)


def test_bars_hold_the_last_price_before_the_minutes_end_and_what_was_traded() -> None:
    builder = BarBuilder(2)
    builder.update(block([(0, 5, 100, 10), (1, 6, 200, 1), (0, MINUTE - 1, 101, 20)]))
    builder.update(block([(0, MINUTE, 102, 30), (1, 3 * MINUTE + 5, 210, 2)]))
    bars = builder.bars(4 * MINUTE)
    assert bars.price.tolist() == [[101, 102, 102, 102], [200, 200, 200, 210]]
    assert bars.volume.tolist() == [[30, 30, 0, 0], [1, 0, 0, 2]]
    assert bars.trades.tolist() == [[2, 1, 0, 0], [1, 0, 0, 1]]
    assert np.concatenate(bars.gaps) == pytest.approx([(MINUTE - 6) * 1e-9, 1e-9, (3 * MINUTE - 1) * 1e-9])


def test_a_status_event_is_no_trade_and_the_mid_stands_for_the_price() -> None:
    builder = BarBuilder(1)
    builder.update(with_quotes(block([(0, 5, 101, 10), (0, 6, 900, 0)]), [98, 890], [101, 910]))
    bars = builder.bars(MINUTE)
    assert (bars.price.tolist(), bars.trades.tolist()) == ([[99.5]], [[1]])


def test_a_closed_market_begins_a_new_session_and_no_return_spans_it() -> None:
    builder = BarBuilder(1)
    for start in (0, 1000 * MINUTE):
        builder.update(block([(0, start + minute * MINUTE + 7, 100 + minute, 1) for minute in range(3)]))
    bars = builder.bars(1003 * MINUTE)
    assert bars.session.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.isnan(bars.returns[0]).tolist() == [True, False, False, True, False, False]
    assert max(gaps.max() for gaps in bars.gaps) == pytest.approx(60.0)


def test_how_a_stream_is_cut_into_blocks_does_not_change_its_bars(make_plan: MakePlan) -> None:
    plan = make_plan("symbols.count=3", "rate=5", "duration=600")
    from simulator.market.stream import events_of  # noqa: PLC0415  # beside its use

    whole, pieces = BarBuilder(3), BarBuilder(3)
    for events in events_of(plan):
        whole.update(events)
        for start in range(0, len(events), 7):
            pieces.update(events.rows(start, start + 7))
    one, other = whole.bars(600 * 10**9), pieces.bars(600 * 10**9)
    assert one.price.shape == (3, 10)
    for name in ("session", "price", "volume", "trades"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
    assert all(np.array_equal(a, b) for a, b in zip(one.gaps, other.gaps, strict=True))


def test_geometric_brownian_motion_with_poisson_arrivals_fails(make_plan: MakePlan) -> None:
    plan = make_plan("symbols.count=5", "rate=10", "dynamics=gbm", "arrivals=poisson", "seed=3")
    found = {verdict.fact.name: verdict for verdict in gates.judge(measure(plan, Realism(duration=23_400)))}
    assert found["no autocorrelation"].passed
    for name in ("heavy tails", "tail index", "volatility clustering", "interarrivals"):
        assert not found[name].passed, name
    # A Poisson process has shape 1 exactly.
    gaps = found["interarrivals"].estimate
    assert abs(gaps.value - 1.0) < Z * gaps.error


def good_bars() -> Bars:
    r, volume, session = heston_like(50, 5, 16)
    gaps = np.random.default_rng(17).weibull(0.7, 20_000)
    return Bars(session, 100 * np.exp(np.cumsum(r, axis=1)), volume, volume.astype(np.int64), [gaps])


def test_a_series_that_has_the_facts_passes() -> None:
    verdicts = gates.judge(good_bars())
    assert {verdict.fact.name: verdict.note for verdict in verdicts if not verdict.passed} == {}


def test_the_table_reads_without_colour() -> None:
    fact = gates.published_facts()
    verdicts = [
        gates.Verdict(fact[0], Estimate(-0.0123, 0.002), passed=True, note="standard error 0.0020"),
        gates.Verdict(fact[3], Estimate(math.nan), passed=False, note="no clustering"),
    ]
    text = io.StringIO()
    realism.show(verdicts, Console(file=text, width=110, color_system=None))
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.getvalue().splitlines() if "│" in line]
    assert rows[0] == ["no autocorrelation", "-0.012", "< 0.05", "pass", "standard error 0.0020", "Cont 2001"]
    assert rows[1] == ["volatility clustering", "-", "-0.6 to -0.1", "FAIL", "no clustering", "Cont 2001 (0.2-0.4)"]
    assert text.getvalue().splitlines()[-1] == "1 of 2 gates pass"


@pytest.mark.parametrize(("bars", "code"), [(good_bars, EXIT_OK), (None, EXIT_MISMATCH)])
def test_the_mode_writes_its_figures_and_says_by_its_exit_code_whether_the_gates_hold(
    bars: Callable[[], Bars] | None,
    code: int,
    tmp_path: Path,
    make_specification: Callable[..., Specification],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    context = Context(make_specification("symbols.count=2", "rate=2"), RunDirectory(tmp_path))
    if bars is not None:
        monkeypatch.setattr(realism, "measure", lambda _plan, _settings: bars())
    plan = context.compile()
    assert realism.report(plan, Realism(duration=3600), context) == code
    content = json.loads((tmp_path / "realism.json").read_text(encoding="utf-8"))
    assert content["status"] == ("pass" if code == EXIT_OK else "fail")
    assert content["settings"] == {"duration": 3600}
    assert [row["name"] for row in content["facts"]] == list(gates.GATES)
    drawing = (tmp_path / "realism.svg").read_text(encoding="utf-8")
    assert drawing.startswith("<?xml")
    assert realism.report(plan, Realism(duration=3600), context) == code
    assert (tmp_path / "realism.svg").read_text(encoding="utf-8") == drawing
    assert ("7 of 7 gates pass" in capsys.readouterr().out) == (code == EXIT_OK)


def test_the_plan_that_is_written_is_the_one_that_was_measured(
    tmp_path: Path, make_specification: Callable[..., Specification]
) -> None:
    context = Context(
        make_specification("symbols.count=2", "rate=2", "duration=60", "realism.duration=1800"), RunDirectory(tmp_path)
    )
    assert realism.run(context) == EXIT_MISMATCH
    content = json.loads((tmp_path / "realism.json").read_text(encoding="utf-8"))
    plan = read_plan(tmp_path / "plan.json")
    assert (content["plan"], plan.duration, content["minutes"]) == (plan.hash, 1_800_000_000, 30)


def test_a_market_too_short_to_measure_fails_and_does_not_break(make_plan: MakePlan) -> None:
    plan = make_plan("symbols.count=2", "rate=2")
    for duration in (30, 200):
        assert not any(verdict.passed for verdict in gates.judge(measure(plan, Realism(duration=duration))))


def test_the_mode_brings_in_scipy_and_matplotlib_only_when_it_runs() -> None:
    import subprocess  # noqa: PLC0415  # beside its use

    code = "import sys, simulator.modes.realism; sys.exit(any(m in sys.modules for m in ('scipy', 'matplotlib', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_span_too_short_to_measure_is_drawn_all_the_same(
    tmp_path: Path, make_specification: Callable[..., Specification]
) -> None:
    context = Context(make_specification("symbols.count=5", "rate=20", "realism.duration=600"), RunDirectory(tmp_path))
    assert realism.run(context) == EXIT_MISMATCH
    assert (tmp_path / "realism.svg").stat().st_size > 1000
