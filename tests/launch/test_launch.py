"""The program starts the same way as a module, as a console script, from another folder, and from an installed wheel."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(Path(sys.executable).parent / "simulator")


def launch(command: list[str], folder: Path, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("command", [[sys.executable, "-m", "simulator"], [SCRIPT]], ids=["module", "script"])
def test_plan_is_the_same_from_anywhere(command: list[str], tmp_path: Path) -> None:
    said = launch([*command, "mode=plan", "+scenario=volatile"], tmp_path).stdout
    assert "FROM events\nGROUP BY window(event_time, '10 seconds', '5 seconds'), symbol" in said
    here = launch(
        [sys.executable, "-m", "simulator", "mode=plan", "+scenario=volatile", f"hydra.run.dir={tmp_path}/x"], ROOT
    ).stdout
    assert re.findall("plan [0-9a-f]{64}", said) == re.findall("plan [0-9a-f]{64}", here)


def test_sample_writes_events_and_nothing_else(tmp_path: Path) -> None:
    done = launch([sys.executable, "-m", "simulator", "mode=sample", "events=5"], tmp_path)
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert list(json.loads(lines[0])) == ["symbol", "seq", "event_time", "price", "volume"]
    assert done.stderr == ""


def test_a_reader_that_has_enough_ends_the_sample_quietly(tmp_path: Path) -> None:
    command = f"{sys.executable} -m simulator mode=sample events=100000 duration=3600 | head -2"
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {command}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


def test_all_faults_at_once_one_line_each(tmp_path: Path) -> None:
    wrong = ["rat=5", "dynamics=gmb", "window.slid=3", "seed=-1", "+scenario=volatil"]
    said = launch([sys.executable, "-m", "simulator", *wrong], tmp_path, code=2).stderr.splitlines()
    assert len(said) == 5
    for key, hint in (
        ("rat=5", "rate"),
        ("dynamics=gmb", "gbm"),
        ("window.slid=3", "slide"),
        ("seed=-1", "0 or more"),
        ("scenario=volatil", "volatile"),
    ):
        assert any(f"error: {key}" in line and hint in line for line in said), (key, said)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["faults=[late,late]", "rate=5"], "error: faults=[late,late]: late is named twice"),
        (["-m", "faults=[late,late]"], "error: faults=[late,late]: late is named twice"),
        (["clock=null"], "error: clock=null: no such option; allowed: accelerated, realtime, unpaced"),
        (["faults=late,drop"], "error: faults=late,drop: write 'faults=[late,drop]', or -m for a sweep"),
        (["verify"], "error: verify: is no override KEY=VALUE"),
    ],
)
def test_what_hydra_stumbles_over_is_one_line(wrong: list[str], told: str, tmp_path: Path) -> None:
    said = launch([sys.executable, "-m", "simulator", *wrong, "mode=plan"], tmp_path, code=2)
    assert said.stderr.splitlines() == [told]


def test_metrics_of_a_file_need_no_plus(tmp_path: Path) -> None:
    shown = ["mode=plan", "verify.metrics.volume=vol", "+verify.metrics.msg_ct=count", "--cfg", "job", "-p", "verify.metrics"]
    said = launch([sys.executable, "-m", "simulator", *shown], tmp_path).stdout
    assert {"volume: vol", "msg_ct: count"} <= set(said.splitlines())


def test_importing_the_simulator_loads_neither_spark_nor_kafka() -> None:
    code = """
import pkgutil, sys, simulator, importlib
for module in ("cli", "schema", "compiler", "checks", "plan", "market.stream", "encode.json", "answers.windows", "modes.plan"):
    importlib.import_module(f"simulator.{module}")
print([name for name in ("pyspark", "confluent_kafka", "py4j", "jgo", "pipelines") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_the_generator_of_pipelines_imports_the_simulator() -> None:
    importing = {
        path.name
        for path in (ROOT / "pipelines").rglob("*.py")
        if re.search(r"^\s*(from|import) simulator", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importing == {"generator.py"}


def test_the_aggregation_runs_without_the_simulator() -> None:
    code = """
import sys, pipelines.server, pipelines.standalone, pipelines.runner, pipelines.session
print([name for name in sys.modules if name.split(".")[0] == "simulator" or name == "pipelines.generator"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_wheel_carries_its_configuration(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("conf", "simulator", "pipelines"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(source)]
    launch(pip, tmp_path)
    shutil.rmtree(source)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    where = "import simulator.cli as cli; print(cli.config_directory())"
    said = launch([sys.executable, "-c", where], folder, PYTHONPATH=str(site)).stdout
    assert said.strip() == str(site / "simulator" / "conf")
    launch([sys.executable, "-m", "simulator", "mode=plan"], folder, PYTHONPATH=str(site))
    assert sorted(path.name for path in (site / "pipelines").glob("*.json")) == ["aggregation.schema.json"]


def test_the_wheel_has_every_package() -> None:
    named = re.findall(
        r'^    "((?:simulator|pipelines)[\w.]*)",$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    folders = {path.parent for name in ("simulator", "pipelines") for path in (ROOT / name).rglob("__init__.py")}
    there = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(named) == there | {"simulator.conf"}


def test_a_sweep_without_verdicts_is_ok(tmp_path: Path) -> None:
    sweep = [sys.executable, "-m", "simulator", "-m", "mode=sample", "events=1", "hydra.sweep.dir=jobs"]
    assert launch([*sweep, "seed=range(2)"], tmp_path).stdout.count(" ok ") == 2
    assert launch([*sweep, "rate=100,-1"], tmp_path, code=1).stdout.count(" failed ") == 1
