"""Twenty seeds of a feed with every fault: each run must end in `match`, its accounts balanced to the single event.

`python -m benchmarks.seeds [--seeds 20] [--rate 20000] [--duration 60] [override …]`; results: `benchmarks/results/seeds.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import RESULTS
from simulator.manifest import host, package_versions

COUNTS = ("generated", "aggregated", "late_dropped", "duplicates_removed", "rejected")


def run_seed(seed: int, overrides: list[str]) -> dict[str, Any]:
    """One run of the command line: its verdict's status, windows and accounts, and how long it took."""
    with TemporaryDirectory(prefix="seed-") as folder:
        own = [f"seed={seed}", "reproducer.attempts=0", f"hydra.run.dir={folder}"]
        begun = time.monotonic()
        finished = subprocess.run(
            [sys.executable, "-m", "simulator", *overrides, *own], capture_output=True, text=True, check=False
        )
        verdict_file = Path(folder) / "verdict.json"
        verdict = json.loads(verdict_file.read_text(encoding="utf-8")) if verdict_file.is_file() else {}
        return {
            "seed": seed,
            "exit_code": finished.returncode,
            "seconds": round(time.monotonic() - begun, 1),
            "status": verdict.get("status", finished.stderr.strip().splitlines()[-1:] or "no verdict"),
            "windows": verdict.get("windows", {}),
            "faults": verdict.get("faults", {}),
            "audit": verdict.get("audit", {}),
            "audit_faults": verdict.get("audit_faults", []),
        }


def main() -> None:
    """Run all seeds, show and keep the results; exit 1 when one does not match."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--duration", type=int, default=60)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    overrides = ["+scenario=dirty_feed", f"rate={given.rate}", f"duration={given.duration}", "output=parquet", *given.overrides]
    runs = []
    table = Table("seed", "status", "windows", *COUNTS, "audit", "seconds", title="seeds", title_justify="left")
    for seed in range(1, given.seeds + 1):
        run = run_seed(seed, overrides)
        runs.append(run)
        windows, audit = run["windows"], run["audit"]
        counts = [f"{audit.get(name, 0):,}" for name in COUNTS]
        balance = "balanced" if not run["audit_faults"] else run["audit_faults"][0]
        matched = f"{windows.get('matched')}/{windows.get('expected')}"
        table.add_row(str(seed), str(run["status"]), matched, *counts, balance, f"{run['seconds']:g}")
        sys.stderr.write(f"seed {seed}: {run['status']} {run['seconds']} s\n")
    Console(width=160).print(table)
    content = {"command": overrides, "runs": runs, "host": host(), "versions": package_versions()}
    (RESULTS / "seeds.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all(run["status"] == "match" and run["exit_code"] == 0 for run in runs) else 1)


if __name__ == "__main__":
    main()
