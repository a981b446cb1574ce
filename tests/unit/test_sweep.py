"""The table at the end of a multirun, and its exit code."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.report.sweep import _NOTHING, SweepComparison, note_exit_code, show_jobs


def job(folder: Path, name: str, overrides: list[str], code: int | None = 0, verdict: str | None = None) -> Path:
    path = folder / name
    (path / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(overrides), path / ".hydra" / "overrides.yaml")
    if code is not None:
        note_exit_code(path, code)
    if verdict:
        content = {"status": verdict, "windows": {"matched": 199, "expected": 200}}
        (path / "verdict.json").write_text(json.dumps(content), encoding="utf-8")
        manifest = {"counts": {"generated": 5016}, "rate": {"achieved": 16028.2}, "stream_digest": "560f08d0777b" * 5}
        (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return path


def shown(jobs: list[Path], width: int) -> tuple[list[str], str]:
    out = io.StringIO()
    return show_jobs(jobs, Console(file=out, width=width)), out.getvalue()


@pytest.fixture
def _clean_exit_code() -> Iterator[None]:
    SweepComparison.exit_code = EXIT_OK
    yield
    SweepComparison.exit_code = EXIT_OK


def test_a_job_without_a_verdict_is_ok_when_it_ended_well(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "0", ["mode=produce", "seed=1"]),
        job(tmp_path, "1", ["mode=produce", "seed=2"], code=2),
        job(tmp_path, "2", ["mode=produce", "seed=3"], code=None),
        job(tmp_path, "3", ["mode=run", "seed=4"], verdict="match"),
    ]
    statuses, text = shown(jobs, 150)
    assert statuses == ["ok", "failed", "failed", "match"]
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()[:1].isdigit()}
    assert rows["0"][3:] == ["ok", *[_NOTHING] * 4]
    assert rows["3"][3:] == ["match", "199/200", "5,016", "16,028/s", "560f08d0777b"]


@pytest.mark.parametrize(("codes", "exit_code"), [((0, 0), EXIT_OK), ((0, 1), EXIT_MISMATCH), ((0, None), EXIT_MISMATCH)])
@pytest.mark.usefixtures("_clean_exit_code")
def test_the_sweeps_exit_code(codes: tuple[int | None, ...], exit_code: int, tmp_path: Path) -> None:
    for number, code in enumerate(codes):
        job(tmp_path, str(number), [f"seed={number}"], code=code)
    SweepComparison().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    assert SweepComparison.exit_code == exit_code


def test_lists_are_shown_whole_and_what_is_the_same_once(tmp_path: Path) -> None:
    same = ["mode=plan", "metrics.names=[volume,msg_ct]"]
    jobs = [
        job(tmp_path, str(number), [*same, faults]) for number, faults in enumerate(["faults=[late,duplicate]", "faults=[drop]"])
    ]
    text = shown(jobs, 150)[1]
    assert text.splitlines()[0] == "all jobs: mode=plan metrics.names=[volume,msg_ct]"
    assert text.count("mode=plan") == 1
    assert " faults=[late,duplicate] " in text
    assert " faults=[drop] " in text


def test_nothing_is_the_same_in_a_single_job(tmp_path: Path) -> None:
    assert "seed=1" in shown([job(tmp_path, "0", ["seed=1"])], 150)[1].splitlines()[-2]


def test_words_stay_whole_at_eighty_columns(tmp_path: Path) -> None:
    overrides = [["+scenario=volatile", f"rate={rate}", "clock=unpaced"] for rate in (200, 1000)]
    overrides.append(["+scenario=calm", "rate=1000", "output=parquet"])
    jobs = [job(tmp_path, str(number), words, verdict="mismatch") for number, words in enumerate(overrides)]
    text = shown(jobs, 80)[1]
    assert all(len(line) <= 80 for line in text.splitlines())
    for word in (
        "+scenario=volatile",
        "clock=unpaced",
        "output=parquet",
        "mismatch",
        "199/200",
        "16,028/s",
        "560f08d0777b",
        "achieved",
    ):
        assert word in text
