"""Factors: sectors by name, loadings, and matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from simulator.errors import BadConfigError
from simulator.market.correlation import CorrelatedPath, FactorModel, cholesky, loadings, sector_of
from simulator.market.dynamics import latent_path
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
    found = CorrelatedPath(latent_path(plan.market.dynamics, Draws(5, NAMES)), model, NAMES, 5).advance(100).levels
    own = latent_path(plan.market.dynamics, Draws(5, NAMES)).advance(100).levels
    market = latent_path(model.market.dynamics, Draws(5, ["market"], "factor ")).advance(100).levels
    factors = latent_path(model.sectors.dynamics, Draws(5, ["a", "b", "c"], "sector ")).advance(100).levels
    mixed = np.linalg.cholesky(np.array(MATRIX)) @ factors
    assert np.abs(found - (own + 2 * market - mixed[[2, 0, 2]])).max() <= 1
    assert np.abs(own).max() > 1e6


@pytest.mark.parametrize("own", ["gbm", "garch"])
@pytest.mark.parametrize("market", ["gbm", "garch"])
def test_volatility_is_the_product_and_of_every_symbol(own: str, market: str, make_plan: MakePlan) -> None:
    plan = make_plan("correlation=factor", f"dynamics={own}", f"dynamics@correlation.market.dynamics={market}")
    model = model_of(plan)
    found = CorrelatedPath(latent_path(plan.market.dynamics, Draws(5, NAMES)), model, NAMES, 5).advance(50).volatility
    parts = (
        latent_path(plan.market.dynamics, Draws(5, NAMES)).advance(50).volatility,
        latent_path(model.market.dynamics, Draws(5, ["market"], "factor ")).advance(50).volatility,
    )
    if own == market == "gbm":
        assert found is None
        return
    expected = np.ones((3, 50))
    for part in parts:
        expected = expected * (1.0 if part is None else part)
    assert found is not None
    assert np.array_equal(found, expected)
