"""What all benchmarks share: plans from overrides, cases in turn, results with their conditions."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from simulator.checks import CHECKS
from simulator.cli import config_directory
from simulator.compiler import compile_plan
from simulator.manifest import host, package_versions
from simulator.plan import Plan
from simulator.schema import Specification, read_specification

ROUNDS = 5
RESULTS = Path(__file__).parent / "results"


def plan_of(*overrides: str) -> Plan:
    """The plan that the command line would give, on a fixed start."""
    return compile_plan(specification_of(*overrides))


def specification_of(*overrides: str) -> Specification:
    """The checked configuration that the command line would give."""
    with initialize_config_dir(config_directory(), version_base="1.3"):
        content = OmegaConf.to_container(compose("config", ["clock=unpaced", *overrides]), resolve=True)
    return read_specification(content, CHECKS)  # type: ignore[arg-type]  # a mapping


def rate_of(case: Callable[[], int]) -> float:
    """Events per second of a case that says how many events it handled."""
    begun = time.perf_counter()
    events = case()
    return events / (time.perf_counter() - begun)


def measure(cases: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Events per second of each case, in turn, round by round, after one round that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(ROUNDS + 1):
        for name, case in cases.items():
            rate = case()
            if number:
                rates[name].append(rate)
    return rates


def pair_ratios(rates: dict[str, list[float]], ours: str, theirs: str) -> list[float]:
    """Our rate over theirs, round by round."""
    return [mine / other for mine, other in zip(rates[ours], rates[theirs], strict=True)]


def publish(name: str, rates: dict[str, list[float]], ratios: dict[str, list[float]], conditions: dict[str, Any]) -> None:
    """Print a table of events per second, and keep the figures."""
    table = Table("case", "median events/s", "least", "most", title=name, title_justify="left")
    for case, values in rates.items():
        table.add_row(case, *(f"{value:,.0f}" for value in (statistics.median(values), min(values), max(values))))
    console = Console()
    console.print(table)
    for pair, values in ratios.items():
        console.print(f"{pair}: median of {len(values)} pairs {statistics.median(values):.2f}")
    keep(name, {"events_per_second": rates, "ratios": ratios}, conditions)


def keep(name: str, content: dict[str, Any], conditions: dict[str, Any]) -> None:
    """Keep figures as `results/<name>.json` with their conditions, the machine and the versions."""
    content = {
        **content,
        "conditions": {"cores": os.cpu_count(), "rounds": ROUNDS, **conditions},
        "host": host(),
        "versions": package_versions(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
