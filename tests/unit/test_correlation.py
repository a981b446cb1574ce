"""Factors: sectors by name, loadings, and matrices."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import BadConfigError
from simulator.market.correlation import CorrelatedPath, FactorModel, cholesky, loadings, sector_of
from simulator.market.dynamics import latent_path, mean_volatility
from simulator.plan import Plan
from simulator.seeding import Draws

MakePlan = Callable[..., Plan]
NAMES = ["SYM000", "SYM001", "SYM002"]
MATRIX = [[1.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 1.0]]


def model_of(plan: Plan) -> FactorModel:
    assert isinstance(plan.market.correlation, FactorModel)
    return plan.market.correlation


def test_cholesky_gives_the_matrix_back() -> None:
    lower = np.array(cholesky(MATRIX))
    assert np.allclose(lower, np.linalg.cholesky(np.array(MATRIX)), atol=1e-15)
    assert cholesky([[1.0, 1.0], [1.0, 1.0]]) == [[1.0, 0.0], [1.0, 0.0]]
    assert cholesky([[1.0, -1.0], [-1.0, 1.0]]) == [[1.0, 0.0], [-1.0, 0.0]]


@pytest.mark.parametrize(
    "matrix", [[[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]], [[1.0, 1.0, 0.0], [1.0, 1.0, 0.5], [0.0, 0.5, 1.0]]]
)
def test_what_is_no_correlation_is_refused(matrix: list[list[float]], make_plan: MakePlan) -> None:
    with pytest.raises(ValueError, match="is not positive semidefinite"):
        cholesky(matrix)
    with pytest.raises(BadConfigError, match="is not positive semidefinite"):
        make_plan("correlation=factor", "correlation.sectors.names=[a,b,c]", f"correlation.sectors.correlation={matrix}")


def test_a_symbol_has_the_sector_of_its_name(make_plan: MakePlan) -> None:
    sectors = model_of(make_plan("correlation=factor", "+correlation.sectors.members={SYM001:energy}")).sectors
    assert sector_of("SYM001", sectors) == sectors.names.index("energy")
    numbers = [sector_of(f"SYM{number:03}", sectors) for number in range(500)]
    assert set(numbers) == set(range(5))
    assert sector_of("SYM000", sectors.model_copy(update={"names": []})) is None


def test_loadings_are_each_symbols_own() -> None:
    assert loadings(1.5, NAMES, 1, "market beta").ravel().tolist() == [1.5] * 3
    drawn = loadings({"uniform": [0.5, 2.0]}, NAMES, 1, "market beta").ravel()
    assert np.all((drawn >= 0.5) & (drawn < 2.0))
    assert drawn[[2, 0]].tolist() == loadings({"uniform": [0.5, 2.0]}, ["SYM002", "SYM000"], 1, "market beta").ravel().tolist()
    assert not np.intersect1d(drawn, loadings({"uniform": [0.5, 2.0]}, NAMES, 1, "sector beta")).size


def test_levels_are_the_sum_of_the_parts(make_plan: MakePlan) -> None:
    """Weights by hand, over the very paths that the factors take."""
    plan = make_plan(
        *("correlation=factor", "correlation.sectors.names=[a,b,c]", f"correlation.sectors.correlation={MATRIX}"),
        *(
            "+correlation.sectors.members={SYM000:c,SYM001:a,SYM002:c}",
            "correlation.market.beta=2",
            "correlation.sectors.beta=-1",
        ),
    )
    model = model_of(plan)
    found = CorrelatedPath(plan.market.dynamics, model, NAMES, 5).advance(100).levels
    own = latent_path(plan.market.dynamics, Draws(5, NAMES)).advance(100).levels
    market = latent_path(model.market.dynamics, Draws(5, ["market"], "factor ")).advance(100).levels
    factors = latent_path(model.sectors.dynamics, Draws(5, ["a", "b", "c"], "sector ")).advance(100).levels
    mixed = np.linalg.cholesky(np.array(MATRIX)) @ factors
    assert np.abs(found - (own + 2 * market - mixed[[2, 0, 2]])).max() <= 1
    assert np.abs(own).max() > 1e6


OWN = {
    "gbm": ("dynamics=gbm", "dynamics.volatility={uniform:[0.1,0.6]}"),
    "heston": ("dynamics=heston", "dynamics.mean_variance=0.09"),
    "still": ("dynamics=gbm", "dynamics.volatility=0"),
}
MARKETS = {
    "gbm": ("correlation.market.dynamics.volatility=0.3",),
    "garch": ("dynamics@correlation.market.dynamics=garch", "correlation.market.dynamics.volatility=0.3"),
    "regime": (
        "dynamics@correlation.market.dynamics=regime",
        "correlation.market.dynamics.states=[{name:a,mean_duration:3,overrides:{volatility:0.1}},{name:b,mean_duration:1,overrides:{volatility:0.9}}]",
    ),
}
OF_SECTORS = {
    "none": ("correlation.sectors.names=[]",),
    "gbm": (),
    "heston": ("dynamics@correlation.sectors.dynamics=heston", "correlation.sectors.dynamics.mean_variance=0.25"),
    "mixed": (
        "dynamics@correlation.sectors.dynamics=heston",
        "correlation.sectors.dynamics.mean_variance={uniform:[0.01,1]}",
        f"correlation.sectors.correlation={MATRIX}",
    ),
}


def mean_by_hand(dynamics: Any, draws: Draws) -> np.ndarray:  # noqa: ANN401  # any of three kinds
    """Per square root of a year."""
    if dynamics.kind == "regime":  # 3 s of 0.1 to 1 s of 0.9
        return np.full((len(draws.names), 1), 0.3)
    values = dynamics.values(draws)
    return np.sqrt(values["mean_variance"]) if dynamics.kind == "heston" else values["volatility"]


@pytest.mark.parametrize(("own", "market", "sectors"), list(product(OWN, MARKETS, OF_SECTORS)))
def test_volatility_weighs_the_parts_by_their_variance(own: str, market: str, sectors: str, make_plan: MakePlan) -> None:
    """Each symbol's instantaneous variance over its mean, summed up from the factors one by one."""
    names = ["a", "b", "c"]
    plan = make_plan(
        *("correlation=factor", "correlation.sectors.names=[a,b,c]", "correlation.sectors.beta=-0.7"),
        *OWN[own],
        *MARKETS[market],
        *OF_SECTORS[sectors],
    )
    model = model_of(plan)
    found = CorrelatedPath(plan.market.dynamics, model, NAMES, 5).advance(60).volatility
    parts = [(plan.market.dynamics, Draws(5, NAMES), None)]
    parts.append((model.market.dynamics, Draws(5, ["market"], "factor "), loadings(model.market.beta, NAMES, 5, "market beta")))
    if model.sectors.names:
        mix = np.linalg.cholesky(np.array(MATRIX)) if model.sectors.correlation else np.eye(3)
        weights = -0.7 * mix[[sector_of(name, model.sectors) for name in NAMES]]
        parts.append((model.sectors.dynamics, Draws(5, names, "sector "), weights))
    now, mean, moving = np.zeros((3, 60)), np.zeros((3, 60)), False
    for dynamics, draws, weights in parts:
        relative = latent_path(dynamics, draws).advance(60).volatility
        moving |= relative is not None
        levels = mean_by_hand(dynamics, draws) * np.ones((1, 60))
        of_parts = np.eye(3) if weights is None else weights
        mean += of_parts**2 @ levels**2
        now += of_parts**2 @ (levels * (1.0 if relative is None else relative)) ** 2
    assert (found is None) == (not moving)
    if found is not None:
        assert found == pytest.approx(np.sqrt(now / mean), rel=1e-12)
        assert np.ptp(found) > 0.001


def test_the_volatility_is_that_of_the_returns(make_plan: MakePlan) -> None:
    """Not by the formula: returns over the volatility told have the same variance in calm and in storm, and over time."""
    plan = make_plan(
        *("correlation=factor", "symbols.count=1", "dynamics.volatility=0.2", "correlation.market.beta=1.5"),
        *("dynamics@correlation.sectors.dynamics=regime", "correlation.sectors.names=[a]", "correlation.sectors.beta=2"),
        "correlation.sectors.dynamics.states=[{name:calm,mean_duration:20,overrides:{volatility:0.1}},{name:storm,mean_duration:10,overrides:{volatility:0.7}}]",
    )
    latent = CorrelatedPath(plan.market.dynamics, model_of(plan), ["AAA"], 3).advance(100_000)
    assert latent.volatility is not None
    returns, volatility = np.diff(latent.levels[0]) * 2.0**-40, latent.volatility[0, :-1]
    mean = np.sqrt((0.2**2 + 1.5**2 * 0.2**2 + 2**2 * 0.3**2) * 0.1 / 5_896_800)
    for state in np.unique(volatility):
        scaled = returns[volatility == state] / (state * mean)
        assert scaled.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * scaled.size))
    assert np.unique(volatility).size == 2


def test_a_price_that_never_moves_has_the_volatility_one(make_plan: MakePlan) -> None:
    plan = make_plan(
        *("correlation=factor", "dynamics.volatility=0", "correlation.market.beta=0", "correlation.sectors.names=[]"),
        "dynamics@correlation.market.dynamics=garch",
    )
    found = CorrelatedPath(plan.market.dynamics, model_of(plan), NAMES, 5).advance(9).volatility
    assert found is not None
    assert np.all(found == 1.0)


def test_a_replays_mean_volatility_is_the_realised_one(make_plan: MakePlan, tmp_path: Path) -> None:
    """A file of one step a row of a random walk, played at twice its speed."""
    steps = np.random.default_rng(1).normal(0.0, 0.001, 20_000)
    prices = 100 * np.exp(np.cumsum(steps))
    file = tmp_path / "prices.csv"
    rows = "".join(f"{0.2 * number:.1f},{price!r}\n" for number, price in enumerate(prices.tolist()))
    file.write_text(f"time,price\n{rows}")
    replayed = make_plan("dynamics=replay", f"dynamics.path={file}", "dynamics.speed=2").market.dynamics
    found = mean_volatility(replayed, Draws(1, NAMES))
    assert found.shape == (3, 1)
    assert found[0, 0] == pytest.approx(np.sqrt((steps[1:] ** 2).sum() / (steps.size - 1)), rel=1e-9)
