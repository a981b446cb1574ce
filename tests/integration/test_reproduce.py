"""A finished run once more, from wherever its folder lies, and two runs side by side."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest


def simulate(*overrides: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "simulator", *overrides], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of two seeds, one of them in a folder that has been moved."""
    folder = tmp_path_factory.mktemp("runs")
    common = ("mode=produce", "sink=file", "clock=unpaced", "duration=5", "faults=[late,duplicate]")
    for seed in (1, 2):
        code, told = simulate(*common, f"seed={seed}", f"hydra.run.dir={folder}/seed{seed}")
        assert code == 0, told
    shutil.move(folder / "seed1", folder / "moved")
    return {"moved": folder / "moved", "other": folder / "seed2"}


def copied(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def test_a_moved_run_is_reproduced_with_its_ledger(runs: dict[str, Path]) -> None:
    code, told = simulate("mode=reproduce", f"run={runs['moved']}")
    assert code == 0, told
    rows = pl.read_parquet(runs["moved"] / "ledger.parquet").height
    assert f"ledger   {rows} rows, the same\n" in told
    assert told.endswith("reproduced\n")
    assert "not reproduced" not in told


def test_what_differs_is_named(runs: dict[str, Path], tmp_path: Path) -> None:
    run = copied(runs["moved"], tmp_path / "altered")
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    digest = manifest["stream_digest"]
    manifest |= {"stream_digest": "0" * 64, "versions": {**manifest["versions"], "numpy": "1.0"}}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    ledger = pl.read_parquet(run / "ledger.parquet")
    ledger[1:].write_parquet(run / "ledger.parquet")
    code, told = simulate("mode=reproduce", f"run={run}")
    assert code == 1
    assert f"digest   {digest}, the run had {'0' * 64}" in told
    assert f"ledger   {ledger.height} rows, the run had {ledger.height - 1}, {ledger.height - 1} are the same" in told
    assert "version  numpy: " in told
    assert "the run had 1.0" in told
    assert told.endswith("not reproduced\n")


def test_files_of_two_runs_are_told_apart(runs: dict[str, Path], tmp_path: Path) -> None:
    run = copied(runs["moved"], tmp_path / "mixed")
    shutil.copy(runs["other"] / "plan.json", run / "plan.json")
    code, told = simulate("mode=reproduce", f"run={run}")
    assert code == 1
    assert "seed     2 in plan.json, 1 in manifest.json: the files are of two runs" in told
    assert "config   plan.json has the hash" in told


def test_the_difference_of_two_seeds(runs: dict[str, Path]) -> None:
    code, told = simulate("mode=diff", f"a={runs['moved']}", f"b={runs['other']}")
    assert code == 1
    assert "plan     seed: 1 → 2\n" in told
    assert "run      stream_digest: " in told
    assert [line for line in told.splitlines() if line.startswith("plan")] == ["plan     seed: 1 → 2"]


def test_a_run_does_not_differ_from_itself(runs: dict[str, Path]) -> None:
    assert simulate("mode=diff", f"a={runs['moved']}", f"b={runs['moved']}") == (0, "no difference\n")


def test_other_results_are_counted_by_metric(runs: dict[str, Path], tmp_path: Path) -> None:
    windows = pl.DataFrame(
        {"window_start": [0, 1], "window_end": [2, 3], "symbol": ["A", "A"], "volume": [5, 6], "avg_price": [1.0, 2.0]}
    )
    folders = [copied(runs["moved"], tmp_path / name) for name in ("before", "after")]
    windows.write_parquet(folders[0] / "results.parquet")
    windows[1:].with_columns(pl.col("volume") + 1).write_parquet(folders[1] / "results.parquet")
    code, told = simulate("mode=diff", f"a={folders[0]}", f"b={folders[1]}")
    assert code == 1
    assert "results  volume: other values in 1 of 1 windows that both have\n" in told
    assert "results  windows that only a has: 1\n" in told
    assert "avg_price" not in told


def test_what_is_missing_is_said_at_once() -> None:
    code, told = simulate("mode=diff", "a=nowhere")
    assert code == 2
    assert told.startswith("error: b=null: mode=diff needs")
