"""Command lines and files that mean harm: exit code 2 and a line a fault, no code is run, and nobody else may read a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEEP = "[" * 900 + "]" * 900


def launch(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False, umask=0o022
    )


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["rate="], "rate="),
        (["+"], "+"),
        (["~"], "~"),
        (["=5"], "=5"),
        (["@x=1"], "@x=1"),
        ([""], "''"),
        (["rate='"], "rate='"),
        (["rate=${"], "rate=${"),
        (["rate=${nope}"], "rate=${nope}"),
        (["rate=${eval:1+1}"], "rate=${eval:1+1}"),
        (["rate=${oc.env:NO_SUCH_VARIABLE}"], "rate=${oc.env:NO_SUCH_VARIABLE}"),
        (["rate=${rate}"], "rate=${rate}"),
        (["rate=${duration}", "duration=${rate}"], "rate=${duration}"),
        (["rate=$(x)"], "rate=$(x)"),
        (["symbols=../x"], "symbols=../x"),
        (["+scenario=../../etc/passwd"], "scenario=../../etc/passwd"),
        (["seed=["], "seed=["),
        (["rate=" + "9" * 5000], "rate=999"),
        (["rate=" + DEEP], "rate=[[["),
        (["rate=glob(*)"], "rate=glob(*)"),
        (["symbols=glob(*)"], "symbols=glob(*)"),
        (["topic=" + "x" * 10_000], "topic=xxx"),
        (["topic=a\nb"], "topic=a\\nb"),
        (["run='\udcff'"], "run=\\udcff"),
        (["hydra.run.dir=/dev/null/x"], "/dev/null/x"),
        (["hydra/launcher=nope"], "In 'hydra/config'"),
        (["+dynamics._target_=os.system"], "dynamics._target_=os.system"),
        (["sink=file", "sink.path=../x"], "sink.path=../x"),
        (["mode=verify", "run=/dev/null"], "/dev/null/plan.json"),
        (["rate=", "+", "seed=[", "topic=a/b"], "+"),
    ],
    ids=lambda value: " ".join(value)[:40].encode("unicode_escape").decode() if isinstance(value, list) else "",
)
def test_a_hostile_command_line_is_told_in_lines(words: list[str], key: str, tmp_path: Path) -> None:
    done = launch(tmp_path, *([] if any(word.startswith("mode=") for word in words) else ["mode=plan"]), *words)
    lines = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    assert lines
    assert all(line.startswith("error: ") and line.isprintable() and len(line) < 1100 for line in lines), lines
    assert any(line.startswith(f"error: {key}") for line in lines), lines
    assert len(lines) == (4 if len(words) == 4 else 1)


FILES = {
    "tag": "rate: !!python/object/apply:os.system ['touch {marker}']",
    "target": "dynamics:\n  _target_: os.system\n  command: touch {marker}",
    "unknown": "more:\n  _target_: os.system\n  command: touch {marker}",
    "resolver": 'rate: ${{eval:\'__import__("os").system("touch {marker}")\'}}',
    "deep": "rate: " + "[" * 3000 + "]" * 3000,
    "digits": "rate: " + "9" * 5000,
    "bytes": "\udcff\udcfe: [",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_options_cannot_run_code(name: str, tmp_path: Path) -> None:
    folder, marker = tmp_path / "own" / "scenario", tmp_path / "marker"
    folder.mkdir(parents=True)
    text = FILES[name] if name in {"deep", "bytes"} else FILES[name].format(marker=marker)
    (folder / "mine.yaml").write_bytes(f"# @package _global_\n{text}\n".encode(errors="surrogateescape"))
    done = launch(tmp_path, "--config-dir", "own", "+scenario=mine", "mode=sample", "events=3")
    assert not marker.exists()
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert all(line.startswith("error: ") for line in done.stderr.splitlines()), done.stderr


def test_an_honest_file_of_options_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "own" / "scenario"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\nseed: 7\n", encoding="utf-8")
    done = launch(tmp_path, "--config-dir", "own", "+scenario=mine", "mode=plan")
    assert done.returncode == 0, done.stderr
    assert "seed: 7" in done.stdout
    told = launch(tmp_path, "--config-dir", "own", "+scenario=mine", "rat=5").stderr.splitlines()
    assert len(told) == 1
    assert told[0].startswith("error: rat=5: no such key; did you mean rate?")


@pytest.mark.parametrize("words", [["mode=plan"], ["-m", "mode=plan", "seed=1,2"]], ids=["run", "multirun"])
def test_what_is_made_is_for_its_user_alone(words: list[str], tmp_path: Path) -> None:
    done = launch(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    made = list(tmp_path.rglob("*"))
    assert len([path for path in made if path.name == "plan.json"]) == (2 if "-m" in words else 1)
    assert {oct(path.stat().st_mode & 0o777) for path in made if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in made if path.is_file()} == {"0o600"}
