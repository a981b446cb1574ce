"""The manifest: what a run was made with and what it counted, so that it can be had again."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.peak import peak_megabytes
from simulator.plan import Plan

if TYPE_CHECKING:
    from simulator.produce.producer import Outcome, Progress

_PACKAGES = ("market-event-simulator", "numpy", "polars", "pyspark", "confluent-kafka", "hydra-core", "omegaconf")
_QUANTILES = {"p50": 0.5, "p99": 0.99}


def manifest(  # one argument a fact, all by keyword
    plan: Plan, *, start: int, status: str, progress: Progress, outcome: Outcome | None, kafka: str | None
) -> dict[str, Any]:
    """The content of `manifest.json`.

    Args:
        plan: what was run.
        start: event time of the first instant, microseconds since 1970.
        status: running | complete | incomplete | failed.
        progress: what the producer counted.
        outcome: what the producer did; None while it is not known.
        kafka: version of the embedded broker; None for another broker or none.
    """
    quantiles = {name: outcome.lags.quantile(share) if outcome else None for name, share in _QUANTILES.items()}
    return {
        "status": status,
        "seed": plan.seed,
        "plan_hash": plan.hash,
        "stream_digest": outcome.digest if outcome else None,
        "start": start,
        "start_time": datetime.fromtimestamp(start / 1e6, timezone.utc).isoformat().replace("+00:00", "Z"),
        "counts": {
            "generated": progress.generated,
            "acked": progress.acked,
            "failed": progress.failed,
            "resumed": progress.resumed,
        },
        "rate": {"asked": plan.market.rate * (plan.clock.speed or 0.0) or None, "achieved": progress.rate},
        "lag_seconds": {**quantiles, "largest": progress.largest_lag, "last": progress.lag},
        "produce_seconds": progress.elapsed,
        "peak_megabytes": peak_megabytes(),
        "versions": {**package_versions(), "kafka": kafka},
        "host": host(),
        "git_commit": _git_commit(),
    }


def host() -> dict[str, str | int | None]:
    """The machine: processor, cores, system."""
    return {"cpu": _cpu(), "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}


def package_versions() -> dict[str, str | None]:
    """Python's version and that of each package that the bytes of a stream or the results depend on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _git_commit() -> str | None:
    """The checkout's commit, when the program runs from one."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]  # the user's own git
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
