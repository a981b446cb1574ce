"""What verifying costs: the time for the answers of a finished run, beside the time of the run itself, at 100,000 events/s."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import publish
from simulator.answers.judge import judge
from simulator.answers.results import merge_batches
from simulator.answers.verify import compare
from simulator.plan import read_plan
from simulator.rundir import RunDirectory, read_json

RATE, DURATION, ROUNDS = 100_000, 60, 3
CASES = {"no faults": (), "late, duplicate and corrupt": ("faults=[late,duplicate,corrupt]", "window.deduplicate=true")}
SHARED = (f"rate={RATE}", f"duration={DURATION}", "output=parquet", "reproducer.attempts=0")


def main() -> None:
    """Run, then judge the run once more; both in events/s of the run."""
    rates: dict[str, list[float]] = {}
    for name, overrides in CASES.items():
        for _ in range(ROUNDS):
            with TemporaryDirectory(prefix="verifying-") as folder:
                words = [sys.executable, "-m", "simulator", *SHARED, *overrides, f"hydra.run.dir={folder}"]
                run_seconds = _seconds(lambda words=words: subprocess.run(words, check=True, capture_output=True))  # type: ignore[misc]
                directory = RunDirectory(Path(folder))
                count = read_json(directory.manifest)["counts"]["generated"]
                verify_seconds = _seconds(lambda directory=directory: _verify(directory))  # type: ignore[misc]  # bound now
            rates.setdefault(f"run, {name}", []).append(count / run_seconds)
            rates.setdefault(f"verifying, {name}", []).append(count / verify_seconds)
    shares = {
        f"verifying as a share of the run, {name}": [
            run / verify for run, verify in zip(rates[f"run, {name}"], rates[f"verifying, {name}"], strict=True)
        ]
        for name in CASES
    }
    publish("verifying", rates, shares, {"rate": RATE, "duration": DURATION, "runs": ROUNDS})


def _verify(directory: RunDirectory) -> None:
    plan, manifest = read_plan(directory.plan), read_json(directory.manifest)
    judgement = judge(plan, directory, manifest, manifest["counts"]["generated"])
    results = merge_batches(directory.batches, plan.answers.output_mode, plan.answers.metrics)
    comparison = compare(judgement.windows, results, plan.answers.metrics)
    if judgement.faults or not comparison.equal:
        raise SystemExit(f"the run does not match: {judgement.faults[:1]}")


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
