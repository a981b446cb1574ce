"""Laws of all price processes: cut as one likes, each symbol apart from the others, the same bits on every processor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy._core import _multiarray_umath as numpy_build  # numpy has no public list of the features that it may use
from omegaconf import OmegaConf
from pydantic import Field, TypeAdapter

from simulator.market.dynamics import DYNAMICS, Dynamics, faults_of, latent_path
from simulator.market.dynamics.base import Latent, LatentPath
from simulator.market.exact import logarithm_of
from simulator.seeding import Draws

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["AAA", "BBB", "CCC"]
STEPS = 60

few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**128 - 1)
cuts = st.lists(st.integers(1, STEPS - 1), max_size=6, unique=True).map(sorted)

READER: TypeAdapter[Dynamics] = TypeAdapter(Annotated[Dynamics, Field(discriminator="kind")])

HESTON = {
    "kind": "heston",
    "drift": 0.1,
    "reversion": 3.0,
    "mean_variance": 0.04,
    "vol_of_variance": 1.0,
    "correlation": -0.7,
    "initial_variance": None,
    "jump_intensity": 30.0,
    "jump_mean": -0.01,
    "jump_deviation": 0.02,
}
GARCH = {
    "kind": "garch",
    "drift": 0.0,
    "volatility": 0.3,
    "alpha": 0.2,
    "beta": 0.7,
    "gamma": 0.1,
    "degrees_of_freedom": 4.0,
    "period": 7.0,
}
STATES = [
    {"name": "calm", "mean_duration": 5.0, "overrides": {}},
    {"name": "wild", "mean_duration": 3.0, "overrides": {"drift": 2.0}},
    {"name": "odd", "mean_duration": 2.0, "overrides": {"drift": -2.0}},
]
# Steps of a hundredth of a year, so that all branches and jumps are met within a few.
GRID = {"step": 1.0, "seconds_per_year": 100.0, "symbols": {}}


def wild(key: str, value: float) -> list[dict[str, Any]]:
    return [*STATES[:2], {**STATES[2], "overrides": {key: value}}]


def regime(process: dict[str, Any], states: list[dict[str, Any]], scope: str) -> dict[str, Any]:
    return {"kind": "regime", "process": process, "states": states, "transition": None, "scope": scope, **GRID}


def option(*overrides: str) -> dict[str, Any]:
    """The keys of `dynamics`, as a command line gives them."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        keys: dict[str, Any] = OmegaConf.to_container(compose("config", list(overrides)).dynamics, resolve=True)  # type: ignore[assignment]  # a mapping
    return keys


CASES: dict[str, dict[str, Any]] = {
    **{name: option(f"dynamics={name}") for name in DYNAMICS if name != "replay"},
    "regime of jump": option(
        *("dynamics=regime", "dynamics@dynamics.process=jump", "dynamics.process.jump_intensity=1e7"),
        *("dynamics.states.0.mean_duration=1", "dynamics.states.1.mean_duration=1"),
    ),
    "kou, often": {
        "kind": "kou",
        "drift": 0.0,
        "volatility": 0.2,
        "jump_intensity": 50.0,
        "up_probability": 0.3,
        "up_rate": 20.0,
        "down_rate": {"uniform": [10.0, 30.0]},
        **GRID,
    },
    "bates": {**HESTON, **GRID},
    "garch, t": {**GARCH, **GRID},
    "garch, every step": {**GARCH, "degrees_of_freedom": None, "period": 1.0, **GRID},
    "regime of bates": regime(HESTON, wild("mean_variance", 0.5), "symbol"),
    "regime of garch": regime(GARCH, wild("volatility", 0.9), "market"),
    "regime of ou": regime(
        {"kind": "ou", "reversion": 2.0, "mean": 0.0, "volatility": 0.3},
        [
            {"name": "a", "mean_duration": 4.0, "overrides": {"mean": 1.0}},
            {"name": "b", "mean_duration": 4.0, "overrides": {"reversion": 50.0}},
        ],
        "symbol",
    ),
}
KINDS = [*CASES, "replay", "replay by symbol"]
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="session")
def parameters_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dynamics]:
    path = tmp_path_factory.mktemp("replay") / "prices.parquet"
    generator = np.random.default_rng(3)
    times = np.cumsum(generator.integers(1, 2000, 300)) / 1000.0
    frame = {
        "t": times,
        "p": 100.0 * np.exp(generator.normal(0, 0.01, 300).cumsum()),
        "who": generator.choice([*NAMES, "NEW"], 300),
    }
    pl.DataFrame(frame).write_parquet(path)
    replay = {
        "kind": "replay",
        "path": str(path),
        "sha256": None,
        "time": "t",
        "time_unit": "s",
        "price": "p",
        "speed": 17.0,
        "loop": True,
        **GRID,
    }
    cases = {**CASES, "replay": {**replay, "symbol": None}, "replay by symbol": {**replay, "symbol": "who"}}
    return lambda kind: READER.validate_python(cases[kind])


def path_of(parameters: Dynamics, seed: int, names: list[str] = NAMES) -> LatentPath:
    return latent_path(parameters, Draws(seed, names))


def columns(latent: Latent) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    assert latent.levels.dtype == np.int64
    volatility = np.ones(latent.levels.shape) if latent.volatility is None else latent.volatility
    assert volatility.shape == latent.levels.shape
    return latent.levels, volatility


@kinds
def test_parameters_survive_the_plan(kind: str, parameters_of: Callable[[str], Dynamics]) -> None:
    parameters = parameters_of(kind)
    assert faults_of(parameters, Draws(1, NAMES)) == []
    assert READER.validate_json(READER.dump_json(parameters)) == parameters
    assert READER.validate_python(parameters.model_dump()) == parameters


@kinds
@few
@given(seed=seeds, cuts=cuts)
def test_pieces_do_not_change_a_path(kind: str, seed: int, cuts: list[int], parameters_of: Callable[[str], Dynamics]) -> None:
    whole = columns(path_of(parameters_of(kind), seed).advance(STEPS))
    path = path_of(parameters_of(kind), seed)
    pieces = [columns(path.advance(steps)) for steps in np.diff([0, *cuts, STEPS]).tolist()]
    for column in range(2):
        assert np.array_equal(np.concatenate([piece[column] for piece in pieces], axis=1), whole[column])
    assert np.all(whole[0][:, 0] == 0)
    assert len(np.unique(whole[0])) > STEPS / 2


@kinds
def test_many_steps_are_cut_inside_alike(
    kind: str, parameters_of: Callable[[str], Dynamics], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = columns(path_of(parameters_of(kind), 1).advance(STEPS))
    monkeypatch.setattr("simulator.market.dynamics.heston._ELEMENTS", 7)
    monkeypatch.setattr("simulator.market.dynamics.heston._SYMBOLS", 2)
    cut = columns(path_of(parameters_of(kind), 1).advance(STEPS))
    assert np.array_equal(whole[0], cut[0])
    assert np.array_equal(whole[1], cut[1])


@kinds
@few
@given(seed=seeds, place=st.integers(0, len(NAMES)))
def test_a_further_symbol_leaves_the_others_alone(
    kind: str, seed: int, place: int, parameters_of: Callable[[str], Dynamics]
) -> None:
    more = [*NAMES[:place], "NEW", *NAMES[place:]]
    before = columns(path_of(parameters_of(kind), seed).advance(STEPS))
    after = columns(path_of(parameters_of(kind), seed, more).advance(STEPS))
    rows = [more.index(name) for name in NAMES]
    assert np.array_equal(after[0][rows], before[0])
    assert np.array_equal(after[1][rows], before[1])


@kinds
def test_symbols_and_seeds_differ(kind: str, parameters_of: Callable[[str], Dynamics]) -> None:
    first, second = (path_of(parameters_of(kind), seed).advance(STEPS).levels for seed in (1, 2))
    assert np.array_equal(first, second) == kind.startswith("replay")
    assert np.array_equal(first[0], first[1]) == (kind == "replay")


def test_a_states_path_does_not_move_the_normals() -> None:
    still = {**CASES["regime of bates"], "states": [{**state, "overrides": {}} for state in STATES]}
    inner = path_of(READER.validate_python({**HESTON, **GRID}), 1).advance(STEPS)
    outer = path_of(READER.validate_python(still), 1).advance(STEPS)
    assert np.array_equal(inner.levels, outer.levels)


BITS = """
import sys
sys.path[:0] = [sys.argv[1]]
from test_dynamics import bits
print(bits())
"""


def bits() -> str:
    """Digest of what must not depend on the processor."""
    digest = sha256()
    generator = np.random.Generator(np.random.Philox(key=1))
    for values in (generator.random(10_000) + 0.5, generator.random(1000) * 1e-3 + 1.0, generator.random(10_000) * 1e9 + 1e-300):
        digest.update(logarithm_of(values).tobytes())
    for case in CASES.values():
        for column in columns(path_of(READER.validate_python(case), 1, [f"S{number}" for number in range(20)]).advance(500)):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def test_the_bits_do_not_depend_on_the_processors_vector_units() -> None:
    enabled = [name for name in numpy_build.__cpu_dispatch__ if numpy_build.__cpu_features__[name]]
    result = subprocess.run(
        [sys.executable, "-c", BITS, str(Path(__file__).parent)],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(enabled)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == bits()
