"""Price processes: parameters by symbol, what is refused, states of a regime, replayed files, and the exact logarithm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import pytest
import yaml
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from simulator.errors import BadConfigError
from simulator.market.chain import Chain, stationary
from simulator.market.dynamics import PROCESSES, Dynamics, latent_path
from simulator.market.dynamics.regime import Regime
from simulator.market.dynamics.replay import Replay
from simulator.market.exact import FRACTION_BITS, exponential_less_one, logarithm, logarithm_of
from simulator.market.recorded import fingerprint
from simulator.schema import Specification
from simulator.seeding import Draws, stream

Make = Callable[..., Specification]
Floats = NDArray[np.float64]

CONF = Path(__file__).resolve().parents[2] / "conf" / "dynamics"
READER: TypeAdapter[Dynamics] = TypeAdapter(Annotated[Dynamics, Field(discriminator="kind")])
NAMES = ["SYM000", "SYM001", "SYM002"]
PRECISE = Context(prec=50)


# The logarithm


def error_of(values: Floats) -> tuple[float, float]:
    """Largest absolute error, and relative to the logarithm."""
    exact = [PRECISE.ln(Decimal(value)) for value in values.tolist()]
    errors = [abs(Decimal(found) - true) for found, true in zip(logarithm_of(values).tolist(), exact, strict=True)]
    return float(max(errors)), float(max(error / abs(true) for error, true in zip(errors, exact, strict=True) if true))


def random(low: float, high: float, number: int = 4000) -> Floats:
    return np.random.default_rng(1).uniform(low, high, number)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(random(0.5, 2.0), id="near 1"),
        pytest.param(random(1 - 1 / 512, 1 + 1 / 512), id="nearer"),
        pytest.param(1.0 + random(-1e-10, 1e-10), id="very near"),
        pytest.param(2.0 ** random(-1074, 1023.9), id="all"),
        pytest.param(np.array([5e-324, 2.2e-308, 0.5**0.5, np.nextafter(2**0.5, 0), 2**0.5, 2.0, 0.5, 1.7e308]), id="edges"),
    ],
)
def test_the_logarithm_is_right_to_the_last_place(values: Floats) -> None:
    absolute, relative = error_of(values)
    assert relative < 5e-16
    assert absolute < 2.3e-16 or values.max() > 2.0


def test_the_logarithm_does_not_depend_on_the_other_values() -> None:
    near = random(1 - 1 / 600, 1 + 1 / 600)
    assert np.array_equal(logarithm_of(near), logarithm_of(np.append(near, 7.0))[:-1])
    assert logarithm_of(np.array([[1.0, 2.0]])).tolist() == [[0.0, logarithm(2.0)]]


def test_exp_less_one_is_right_near_zero() -> None:
    assert exponential_less_one(-1e-20) == -1e-20
    assert exponential_less_one(1.0) == pytest.approx(1.718281828459045, rel=1e-16)


# Parameters by symbol

OTHER = {
    "drift": 5e8,
    "volatility": 3.0,
    "mean": 1.0,
    "reversion": 9e5,
    "jump_intensity": 3e7,
    "jump_mean": 0.3,
    "jump_deviation": 0.5,
    "up_probability": 0.9,
    "up_rate": 2.0,
    "down_rate": 1.0,
    "mean_variance": 1.0,
    "vol_of_variance": 300.0,
    "correlation": 0.5,
    "alpha": 0.01,
    "beta": 0.1,
    "gamma": 0.02,
}
# So that every parameter matters within a few steps.
JUMPY = {"jump_intensity": 3e6}
LIVELY: dict[str, dict[str, Any]] = {
    "heston": {**JUMPY, "jump_deviation": 0.01},
    "garch": {"period": 0.1},
    "jump": JUMPY,
    "kou": JUMPY,
}


def levels(parameters: Dynamics, steps: int = 300) -> NDArray[np.int64]:
    return latent_path(parameters, Draws(1, NAMES)).advance(steps).levels


def test_every_varying_key_is_tried() -> None:
    keys = {key for process in VARYING.values() for key in process}
    assert set(OTHER) == keys


VARYING = {
    "gbm": ("drift", "volatility"),
    "ou": ("reversion", "mean", "volatility"),
    "jump": ("drift", "volatility", "jump_intensity", "jump_mean", "jump_deviation"),
    "kou": ("drift", "volatility", "jump_intensity", "up_probability", "up_rate", "down_rate"),
    "heston": (
        *("drift", "reversion", "mean_variance", "vol_of_variance", "correlation"),
        *("jump_intensity", "jump_mean", "jump_deviation"),
    ),
    "garch": ("drift", "volatility", "alpha", "beta", "gamma"),
}


def option(kind: str, **others: Any) -> Any:  # noqa: ANN401  # the parameters of that kind
    keys = yaml.safe_load((CONF / f"{kind}.yaml").read_text(encoding="utf-8"))
    return READER.validate_python(keys | LIVELY.get(kind, {}) | others)


every_varying_key = pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, keys in VARYING.items() for key in keys])


@every_varying_key
def test_a_symbols_own_number_moves_it_and_no_other(kind: str, key: str) -> None:
    common = option(kind)
    assert VARYING[kind] == common.VARYING
    own = levels(option(kind, symbols={"SYM001": {key: OTHER[key]}}))
    assert (own != levels(common)).any(axis=1).tolist() == [False, True, False]
    # The same as giving the number to all.
    assert np.array_equal(levels(option(kind, **{key: OTHER[key]}))[1], own[1])


@every_varying_key
def test_each_symbol_draws_its_own_number(kind: str, key: str) -> None:
    low, high = sorted((0.9 * getattr(option(kind), key), OTHER[key]))
    drawn = option(kind, **{key: {"uniform": [low, high]}})
    column = drawn.values(Draws(1, [f"S{number}" for number in range(200)]))[key]
    assert column.shape == (200, 1)
    assert len(np.unique(column)) == 200
    assert low <= column.min() < low + (high - low) / 10
    assert high - (high - low) / 10 < column.max() < high


def test_processes_are_the_ones_tried() -> None:
    assert set(PROCESSES) == set(VARYING)


# What is refused


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["dynamics=kou", "dynamics.up_rate=1"], "dynamics.up_rate=1: must be more than 1"),
        (["dynamics=kou", "dynamics.up_probability=1.5"], "dynamics.up_probability=1.5: must be 1 or less"),
        (["dynamics=heston", "dynamics.correlation=-1.2"], "dynamics.correlation=-1.2: must be -1 or more"),
        (["dynamics=heston", "dynamics.initial_variance=-1"], "dynamics.initial_variance=-1: must be 0 or more"),
        (
            ["dynamics=heston", "dynamics.correlation=0.9", "dynamics.step=600", "dynamics.vol_of_variance=3e4"],
            "dynamics.step=600: must be 1.2 years over correlation * vol_of_variance = 262 s at most",
        ),
        (["dynamics=garch", "dynamics.alpha=0.1"], "dynamics.alpha + beta + gamma/2 = 1: must be less than 1, or the variance "),
        (["dynamics=garch", "dynamics.gamma=0.1"], "dynamics.alpha + beta + gamma/2 = 1.03: must be less than 1"),
        (["dynamics=garch", "+dynamics.symbols.SYM000={beta:0.95}"], "dynamics.alpha + beta + gamma/2 = 1.03: must be less"),
        (["dynamics=garch", "dynamics.alpha={uniform:[0,0.3]}", "seed=3"], "dynamics.alpha + beta + gamma/2 = 1."),
        (["dynamics=garch", "dynamics.period=0.25"], "dynamics.period=0.25: must be a multiple of dynamics.step=0.1"),
        (["dynamics=garch", "dynamics.degrees_of_freedom=2"], "dynamics.degrees_of_freedom=2: must be more than 2"),
        (
            ["dynamics=regime", "dynamics.transition=[[0,0.9],[1,0]]"],
            "dynamics.transition=[[0, 0.9], [1, 0]]: must have rows that sum to 1, and row 1 sums to 0.9",
        ),
        (
            ["dynamics=regime", "dynamics.transition=[[0,1]]"],
            "dynamics.transition=[[0, 1]]: must have one row and one column for",
        ),
        (["dynamics=regime", "dynamics.transition=[[0.5,0.5],[1,0]]"], "dynamics.transition=[[0.5, 0.5], [1, 0]]: must be 0 on"),
        (["dynamics=regime", "dynamics.process.step=1"], "dynamics.process={'kind': 'gbm', 'drift': 0.0, 'volatility'"),
        (["dynamics=regime", "dynamics.process.volatility=-1"], "dynamics.process.volatility=-1: must be 0 or more"),
        (["dynamics=regime", "dynamics.process.kind=replay"], "dynamics.process.kind=replay: must be one of 'gbm', "),
        (["dynamics=regime", "dynamics@dynamics.process=regime"], "dynamics.process.kind=regime: must be one of 'gbm', "),
        (["dynamics=regime", "dynamics.step=-1"], "dynamics.step=-1: must be 1e-06 or more"),
        (["dynamics=regime", "dynamics.symbols=3"], "dynamics.symbols=3: must be a mapping of names to values"),
        (["dynamics=replay"], "dynamics.path=prices.csv: no such file"),
    ],
)
def test_bad_parameters_are_refused(overrides: list[str], line: str, make_specification: Make) -> None:
    with pytest.raises(BadConfigError) as caught:
        make_specification(*overrides)
    (fault,) = caught.value.faults
    assert fault.startswith(line)
    assert "\n" not in fault


def states(*rows: str) -> str:
    return f"dynamics.states=[{','.join(f'{{{row}}}' for row in rows)}]"


CALM = "name:calm,mean_duration:5,overrides:{}"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ((CALM,), "must be two or more"),
        ((CALM, CALM), "calm is there twice"),
        ((CALM, "name:b,mean_duration:0.05,overrides:{}"), "b.mean_duration=0.05 must be at least one step, 0.1"),
        (
            (CALM, "name:b,mean_duration:5,overrides:{volatilty:2}"),
            "b.overrides.volatilty=2 of gbm (no key that may differ; did you mean volatility?; allowed: drift, volatility)",
        ),
        (
            (CALM, "name:b,mean_duration:5,overrides:{volatility:-2}"),
            "b.overrides.volatility=-2 of gbm (input should be greater than",
        ),
    ],
)
def test_bad_states_are_refused(rows: tuple[str, ...], told: str, make_specification: Make) -> None:
    with pytest.raises(BadConfigError) as caught:
        make_specification("dynamics=regime", states(*rows))
    (fault,) = caught.value.faults
    assert fault.startswith("dynamics.states=[")
    assert told in fault


def test_a_state_is_told_the_keys_of_its_process(make_specification: Make) -> None:
    for key, overrides in {"dynamics": (), "correlation.market.dynamics": ("correlation=factor",)}.items():
        option = "dynamics=regime" if key == "dynamics" else f"dynamics@{key}=regime"
        with pytest.raises(BadConfigError) as caught:
            make_specification(*overrides, option, f"dynamics@{key}.process=heston")
        (fault,) = caught.value.faults
        assert fault.startswith(f"{key}.states=[")
        allowed = ", ".join(VARYING["heston"])
        assert fault.endswith(f"storm.overrides.volatility=1 of heston (no key that may differ; allowed: {allowed})")


def test_states_that_never_come_again_are_refused(make_specification: Make) -> None:
    rows = states(CALM, CALM.replace("calm", "b"), CALM.replace("calm", "c"))
    with pytest.raises(BadConfigError, match=r"must lead from every state to every other"):
        make_specification("dynamics=regime", rows, "dynamics.transition=[[0,1,0],[1,0,0],[0.5,0.5,0]]")


def test_a_state_of_a_regime_is_refused_by_the_process_own_rule(make_specification: Make) -> None:
    garch = "{kind:garch,drift:0,alpha:0.1,beta:0.8,gamma:0,degrees_of_freedom:null,period:1}"
    rows = states(CALM, "name:wild,mean_duration:5,overrides:{alpha:0.3}")
    with pytest.raises(BadConfigError, match=r"alpha \+ beta \+ gamma/2 = 1.1: must be less than 1"):
        make_specification("dynamics=regime", f"+dynamics.process={garch}", rows)


# Regimes


STORMY = ("dynamics.states.0.mean_duration=20", "dynamics.states.1.mean_duration=20")
OF_HESTON = ("~dynamics.states.1.overrides.volatility", "+dynamics.states.1.overrides.mean_variance=1")
# A process, how long its variance takes to follow the state (steps), and the variance per year in calm and in storm.
OVER: dict[str, tuple[tuple[str, ...], int, tuple[float, float]]] = {
    "gbm": ((), 0, (0.04, 1.0)),
    # Jumps add intensity (mean^2 + deviation^2).
    "jump": (("dynamics.process.jump_intensity=1e6", "dynamics.process.jump_deviation=0.0005"), 0, (0.29, 1.25)),
    # A memory of 0.6 a step.
    "garch": (tuple(f"dynamics.process.{key}" for key in ("alpha=0.1", "beta=0.5", "period=0.2")), 30, (0.04, 1.0)),
    # A memory of exp(-0.34) a step.
    "heston": ((*OF_HESTON, "dynamics.process.reversion=1e7", "dynamics.process.vol_of_variance=300"), 40, (0.04, 1.0)),
}


@pytest.mark.parametrize("kind", OVER)
def test_a_storm_has_the_variance_that_it_declares(kind: str, make_specification: Make) -> None:
    overrides, memory, declared = OVER[kind]
    regime = make_specification("dynamics=regime", f"dynamics@dynamics.process={kind}", "dynamics.step=0.2", *STORMY, *overrides)
    dynamics = regime.dynamics
    assert isinstance(dynamics, Regime)
    steps, names = 4000, [f"S{number}" for number in range(200)]
    levels = latent_path(dynamics, Draws(3, names)).advance(steps + 1).levels / 2.0**FRACTION_BITS
    variances = (np.diff(levels, axis=1) ** 2).mean(axis=0) / dynamics.step_in_years
    # All symbols share the market's chain.
    states = Chain(stream(3, "", "regime"), dynamics.matrix, [100.0, 100.0]).advance(steps)
    since = np.arange(steps) - np.maximum.accumulate(np.where(np.diff(states, prepend=states[0]), np.arange(steps), 0))
    for state in (0, 1):
        settled = (states == state) & (since >= memory)
        assert settled.sum() > 500
        assert variances[settled].mean() == pytest.approx(declared[state], rel=0.05)


@pytest.mark.parametrize("kind", [kind for kind in PROCESSES if kind != "heston"])
def test_a_regime_goes_over_any_process(kind: str, make_specification: Make) -> None:
    options = (f"dynamics@dynamics.process={kind}", "dynamics.step=0.2", "+dynamics.symbols.SYM001={volatility:3}")
    own = make_specification("dynamics=regime", *options, "dynamics.seconds_per_year=1e6").dynamics
    assert isinstance(own, Regime)
    # With the numbers of its own file, on the regime's grid.
    common = {"step": 0.2, "seconds_per_year": 1e6, "symbols": {"SYM001": {"volatility": 3.0}}}
    assert own.process == READER.validate_python(yaml.safe_load((CONF / f"{kind}.yaml").read_text(encoding="utf-8")) | common)
    assert np.array_equal(levels(own), levels(own))


def test_a_factor_may_be_a_regime_over_any_process(make_specification: Make) -> None:
    key = "correlation.market.dynamics"
    options = ("correlation=factor", f"dynamics@{key}=regime", f"dynamics@{key}.process=heston", "dynamics.step=0.2")
    model = make_specification(*options, *(override.replace("dynamics", key, 1) for override in OF_HESTON)).correlation
    assert model.kind == "factor"
    assert isinstance(model.market.dynamics, Regime)
    assert (model.market.dynamics.process.kind, model.market.dynamics.process.step) == ("heston", 0.2)


def test_a_markets_chain_moves_all_symbols_and_a_symbols_only_itself(make_specification: Make) -> None:
    options = ("dynamics=regime", "dynamics.states.0.mean_duration=2", "dynamics.states.1.mean_duration=2")
    for scope, alike in (("market", True), ("symbol", False)):
        path = latent_path(make_specification(*options, f"dynamics.scope={scope}").dynamics, Draws(1, NAMES))
        volatility = path.advance(1000).volatility
        assert volatility is not None
        assert len(np.unique(volatility)) == 2
        assert (volatility == volatility[0]).all() == alike


def test_a_states_number_holds_for_symbols_with_their_own(make_specification: Make) -> None:
    own = make_specification("dynamics=regime", "+dynamics.symbols.SYM001={volatility:0.5}").dynamics
    volatility = latent_path(own, Draws(1, NAMES)).advance(3000).volatility
    assert volatility is not None
    # 0.2 and 1.0, or 0.5 and 1.0, in 60 and 10 seconds of 70.
    assert sorted(set(volatility[0].tolist())) == pytest.approx([0.2 * 7 / 2.2, 7 / 2.2])
    assert sorted(set(volatility[1].tolist())) == pytest.approx([0.5 * 7 / 4, 7 / 4])


def test_the_shares_of_the_states_are_exact() -> None:
    matrix = [[0.0, 0.5, 0.5], [0.25, 0.0, 0.75], [0.5, 0.5, 0.0]]
    # nu = (5, 6, 7) / 18 solves nu = nu P.
    times = [Fraction(5 * 2), Fraction(6 * 3), Fraction(7 * 5)]
    assert stationary(matrix, [2.0, 3.0, 5.0]).tolist() == [float(time / sum(times)) for time in times]


# Replay


def replay(path: str, **others: Any) -> Replay:  # noqa: ANN401  # keys of the option
    keys: dict[str, Any] = {
        "kind": "replay",
        "path": path,
        "sha256": None,
        "time": "t",
        "time_unit": "s",
        "price": "p",
        "symbol": None,
        "speed": 1.0,
        "loop": False,
        "step": 1.0,
        "seconds_per_year": 1.0,
        "symbols": {},
    }
    return Replay.model_validate(keys | others)


def write(folder: Path, columns: dict[str, Any], name: str = "prices.csv") -> str:
    frame = pl.DataFrame(columns)
    path = folder / name
    if name.endswith("csv"):
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return str(path)


def prices(parameters: Replay, steps: int, names: list[str] = ["A", "B"]) -> list[list[float]]:  # noqa: B006
    path = latent_path(parameters, Draws(1, names)).advance(steps).levels / 2.0**FRACTION_BITS
    return [[round(price, 6) for price in row] for row in np.exp(path).tolist()]


def test_a_price_holds_until_the_next(tmp_path: Path) -> None:
    path = write(tmp_path, {"t": [10.0, 11.5, 12.0, 14.0], "p": [50.0, 100.0, 25.0, 75.0]})
    assert prices(replay(path), 7) == [[1.0, 1.0, 0.5, 0.5, 1.5, 1.5, 1.5]] * 2
    assert prices(replay(path, speed=2.0), 4) == [[1.0, 0.5, 1.5, 1.5]] * 2
    assert prices(replay(path, speed=0.5), 8) == [[1.0, 1.0, 1.0, 2.0, 0.5, 0.5, 0.5, 0.5]] * 2


def test_a_loop_repeats_the_moves_and_does_not_jump(tmp_path: Path) -> None:
    path = write(tmp_path, {"t": [0, 1, 2], "p": [10.0, 30.0, 20.0]}, "prices.parquet")
    assert prices(replay(path, loop=True), 6)[0] == [1.0, 3.0, 2.0, 6.0, 4.0, 12.0]


def test_each_symbol_takes_its_own_rows(tmp_path: Path) -> None:
    columns = {"t": [0, 1, 1, 2, 3], "p": [10.0, 20.0, 7.0, 21.0, 5.0], "who": ["B", "B", "X", "A", "A"]}
    path = write(tmp_path, columns)
    assert prices(replay(path, symbol="who"), 5) == [
        [1.0, 1.0, 1.0, round(5 / 21, 6), round(5 / 21, 6)],
        [1.0, 2.0, 2.0, 2.0, 2.0],
    ]


@pytest.mark.parametrize("name", ["prices.csv", "prices.parquet"])
@pytest.mark.parametrize(
    ("times", "unit", "step"),
    [
        ([datetime(2025, 1, 2, 14, 30, second, tzinfo=timezone.utc) for second in (0, 1, 2)], "s", 1.0),
        (["2025-01-02T15:30:00+01:00", "2025-01-02T14:30:01.000Z", "2025-01-02T14:30:02Z"], "s", 1.0),
        ([date(2025, 1, day) for day in (1, 2, 3)], "s", 86400.0),
        ([1_735_828_200, 1_735_828_201, 1_735_828_202], "s", 1.0),
        ([1_735_828_200.25, 1_735_828_200.5, 1_735_828_200.75], "s", 0.25),
        ([1_735_828_200_000, 1_735_828_200_001, 1_735_828_200_002], "ms", 0.001),
        ([1_735_828_200_000_000_000, 1_735_828_200_000_001_000, 1_735_828_200_000_002_000], "ns", 0.000_001),
    ],
)
def test_times_are_read(name: str, times: list[Any], unit: str, step: float, tmp_path: Path) -> None:
    path = write(tmp_path, {"t": times, "p": [1, 2, 3]}, name)
    grid: dict[str, Any] = {"step": min(step, 3600.0), "speed": max(1.0, step / 3600.0), "time_unit": unit}
    assert prices(replay(path, **grid), 4)[0] == [1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("columns", "others", "told"),
    [
        ({"x": [1.0], "p": [1.0]}, {}, "has no column t; it has x, p"),
        ({"t": [1.0], "x": [1.0]}, {}, "has no column p; it has t, x"),
        ({"t": [1.0], "p": [1.0]}, {"symbol": "who"}, "has no column who; it has t, p"),
        ({"t": pl.Series([], dtype=pl.Float64), "p": pl.Series([], dtype=pl.Float64)}, {}, "holds no rows"),
        ({"t": [0.0, 1.0, 1.0], "p": [1.0] * 3}, {}, "column t must rise from row to row of a symbol, and does not in row 3"),
        (
            {"t": [0, 1, 0, 0], "p": [1.0] * 4, "who": ["A", "A", "B", "B"]},
            {"symbol": "who"},
            "column t must rise from row to row",
        ),
        ({"t": [0.0, 1.0], "p": [1.0, 0.0]}, {}, "column p must hold prices > 0, and has 0 in row 2"),
        ({"t": [0.0, 1.0], "p": [1.0, float("inf")]}, {}, "column p must hold prices > 0, and has inf in row 2"),
        ({"t": [0.0, 1.0], "p": [1.0, None]}, {}, "column p has no value in row 2"),
        ({"t": [0.0, 1.0], "p": ["a", "b"]}, {}, "column p must hold numbers, not String"),
        ({"t": ["noon", "x"], "p": [1.0, 1.0]}, {}, "column t must hold RFC 3339 times or numbers, and has noon in row 1"),
        ({"t": [True, False], "p": [1.0, 1.0]}, {}, "column t must hold date-times or numbers, not Boolean"),
        ({"t": [0.0, 1e30], "p": [1.0, 1.0]}, {}, "column t must hold times within a century, and has 1e+30 s in row 2"),
        (
            {"t": [0, 1], "p": [1, 1], "who": ["A", "A"]},
            {"symbol": "who"},
            "column who has no B, which is a symbol of the market",
        ),
        ({"t": [5.0], "p": [1.0]}, {"loop": True}, "column t needs two different times for dynamics.loop=true"),
    ],
)
def test_bad_files_are_refused(columns: dict[str, Any], others: dict[str, Any], told: str, tmp_path: Path) -> None:
    path = write(tmp_path, columns, "prices.parquet")
    with pytest.raises(BadConfigError) as caught:
        latent_path(replay(path, **others), Draws(1, ["A", "B"]))
    (fault,) = caught.value.faults
    assert fault.startswith(f"dynamics.path={path}: {told}")


@pytest.mark.parametrize(
    ("name", "told"), [("x.txt", "must end in .csv or .parquet"), ("x.parquet", "cannot be read as parquet: ")]
)
def test_files_that_are_none_are_refused(name: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(BadConfigError, match=told):
        latent_path(replay(str(path)), Draws(1, ["A"]))


def test_changed_data_are_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, {"t": [0, 1], "p": [1.0, 2.0]})
    known = fingerprint(path)
    assert prices(replay(path, sha256=known), 2)[0] == [1.0, 2.0]
    write(tmp_path, {"t": [0, 1], "p": [1.0, 3.0]})
    with pytest.raises(BadConfigError, match=f"has changed: its SHA-256 is [0-9a-f]{{64}}, and was {known}"):
        prices(replay(path, sha256=known), 2)


def test_a_fingerprint_is_the_sha_256(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert fingerprint(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
