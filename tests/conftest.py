"""What all tests share: specifications and plans from overrides, as the command line would give them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# Of tables as small as the tests' two threads only wait for each other. It counts when polars is imported.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import settings
from omegaconf import OmegaConf

from simulator.checks import CHECKS
from simulator.compiler import compile_plan
from simulator.plan import Plan
from simulator.schema import Specification, read_specification

# How long a case takes is the machine's business. The suite's cases are the same in every run; `make fuzz` looks for new ones.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# Runs of seconds never earn back what the optimising compiler and the parallel collector take: a third of all time on two cores.
for variable in ("SPARK_SUBMIT_OPTS", "MARKET_SIMULATOR_KAFKA_OPTS"):
    os.environ.setdefault(variable, "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

CONF = Path(__file__).resolve().parent.parent / "conf"


def _specification(*overrides: str) -> Specification:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        content = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    assert isinstance(content, dict)
    return read_specification({str(key): value for key, value in content.items()}, CHECKS)


@pytest.fixture(scope="session")
def make_specification() -> Callable[..., Specification]:
    """Checked specification of some overrides; raises BadConfigError."""
    return _specification


@pytest.fixture(scope="session")
def make_plan() -> Callable[..., Plan]:
    """Plan of some overrides."""
    return lambda *overrides: compile_plan(_specification(*overrides))
