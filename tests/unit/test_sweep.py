"""The end of a multirun: the table of its jobs, the data, the page, and the exit code."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console

from simulator.cli import config_directory
from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.plan import Plan, write_plan
from simulator.report.sweeps.callback import SweepComparison, job_line, jobs_asked, note_exit_code
from simulator.report.sweeps.jobs import jobs_of, repeats, swept
from simulator.report.sweeps.objectives import OBJECTIVES, WORST, objective_of
from simulator.report.sweeps.page import write_sweep
from simulator.report.sweeps.table import _NOTHING, show_jobs
from simulator.schema import Specification

REPORT = {
    "rows": 100,
    "duration_ms": {"triggerExecution": 240},
    "state": [{"rows_total": 24, "memory_bytes": 1_000_000}, {"rows_total": 6, "memory_bytes": 500_000}],
}


def job(folder: Path, name: str, overrides: list[str], code: int | None = 0, verdict: str | None = None, **manifest: Any) -> Path:  # noqa: ANN401  # JSON
    path = folder / name
    (path / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(overrides), path / ".hydra" / "overrides.yaml")
    if code is not None:
        note_exit_code(path, code)
    if verdict:
        content = {"status": verdict, "windows": {"matched": 199, "expected": 200}, "audit": {"late_dropped": 3}}
        (path / "verdict.json").write_text(json.dumps(content), encoding="utf-8")
        known = {"counts": {"generated": 5016}, "rate": {"achieved": 16028.2}, "stream_digest": "560f08d0777b" * 5}
        (path / "manifest.json").write_text(json.dumps(known | manifest), encoding="utf-8")
        (path / "microbatches.ndjson").write_text(f"{json.dumps(REPORT)}\n", encoding="utf-8")
    return path


def shown(sweep: Path, width: int) -> str:
    out = io.StringIO()
    jobs, keys = jobs_of(sweep)
    show_jobs(jobs, keys, Console(file=out, width=width))
    return out.getvalue()


@pytest.fixture
def _clean_exit_code() -> Iterator[None]:
    SweepComparison.exit_code = EXIT_OK
    yield
    SweepComparison.exit_code = EXIT_OK


def test_a_job_without_a_verdict_is_ok_when_it_ended_well(tmp_path: Path) -> None:
    job(tmp_path, "0", ["mode=produce", "seed=1"])
    job(tmp_path, "1", ["mode=produce", "seed=2"], code=2)
    job(tmp_path, "2", ["mode=produce", "seed=3"], code=None)
    job(tmp_path, "3", ["mode=run", "seed=4"], verdict="match")
    jobs, _ = jobs_of(tmp_path)
    assert jobs["status"].to_list() == ["ok", "failed", "failed", "match"]
    rows = {line.split()[0]: line.split() for line in shown(tmp_path, 150).splitlines() if line.strip()[:1].isdigit()}
    assert rows["0"][3:] == ["ok", *[_NOTHING] * 4]
    assert rows["3"][3:] == ["match", "199/200", "5,016", "16,028/s", "560f08d0777b"]


def test_a_job_that_failed_says_why(tmp_path: Path) -> None:
    refused = job(tmp_path, "0", ["rate=-1"], code=2)
    line = "2026-01-02 03:04:05,678 ERROR simulator: rate=-1: must be > 0\n"
    (refused / "simulator.log").write_text(f"2026-01-02 INFO simulator: hello\n{line}", encoding="utf-8")
    job(tmp_path, "1", ["rate=1"], code=None)
    jobs, _ = jobs_of(tmp_path)
    assert jobs["error"].to_list() == ["rate=-1: must be > 0", "ended without a word: it was killed"]
    assert "job 0: rate=-1: must be > 0" in shown(tmp_path, 150)


def test_a_row_has_what_a_job_was_asked_and_what_came_of_it(tmp_path: Path) -> None:
    lags = {"p50": 0.001, "p99": 0.004}
    job(tmp_path, "0", ["+scenario=volatile", "rate=500"], verdict="match", seed=42, lag_seconds=lags, peak_megabytes=190.5)
    jobs, keys = jobs_of(tmp_path)
    assert keys == ["scenario", "rate"]
    row = jobs.to_dicts()[0]
    assert (row["job"], row["scenario"], row["rate"], row["seed"]) == (0, "volatile", "500", 42)
    assert (row["lag_p50"], row["lag_p99"], row["peak_megabytes"]) == (0.001, 0.004, 190.5)
    assert (row["batch_seconds"], row["state_rows"], row["state_megabytes"]) == (0.24, 30, 1.5)
    assert (row["windows_matched"], row["windows_expected"], row["late_dropped"], row["error"]) == (199, 200, 3, None)


@pytest.mark.parametrize(("codes", "exit_code"), [((0, 0), EXIT_OK), ((0, 1), EXIT_MISMATCH), ((0, None), EXIT_MISMATCH)])
@pytest.mark.usefixtures("_clean_exit_code")
def test_the_sweeps_exit_code(codes: tuple[int | None, ...], exit_code: int, tmp_path: Path) -> None:
    for number, code in enumerate(codes):
        job(tmp_path, str(number), [f"seed={number}"], code=code)
    SweepComparison().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    assert SweepComparison.exit_code == exit_code
    assert pl.read_parquet(tmp_path / "sweep.parquet").height == len(codes)
    assert (tmp_path / "sweep.html").is_file()


def test_lists_are_shown_whole_and_what_is_the_same_once(tmp_path: Path) -> None:
    same = ["mode=plan", "metrics.names=[volume,msg_ct]"]
    for number, faults in enumerate(["faults=[late,duplicate]", "faults=[drop]"]):
        job(tmp_path, str(number), [*same, faults])
    text = shown(tmp_path, 150)
    assert text.splitlines()[0] == "all jobs: mode=plan metrics.names=[volume,msg_ct]"
    assert text.count("mode=plan") == 1
    assert " faults=[late,duplicate] " in text
    assert " faults=[drop] " in text


def test_nothing_is_the_same_in_a_single_job(tmp_path: Path) -> None:
    job(tmp_path, "0", ["seed=1"])
    assert "seed=1" in shown(tmp_path, 150).splitlines()[-2]


def test_words_stay_whole_at_eighty_columns(tmp_path: Path) -> None:
    overrides = [["+scenario=volatile", f"rate={rate}", "clock=unpaced"] for rate in (200, 1000)]
    overrides.append(["+scenario=calm", "rate=1000", "output=parquet"])
    for number, words in enumerate(overrides):
        job(tmp_path, str(number), words, verdict="mismatch")
    text = shown(tmp_path, 80)
    assert all(len(line) <= 80 for line in text.splitlines())
    for word in ("scenario=volatile", "clock=unpaced", "mismatch", "199/200", "16,028/s", "560f08d0777b", "achieved"):
        assert word in text


def test_repeats_are_summed_up_with_students_interval(tmp_path: Path) -> None:
    for number, (rate, achieved) in enumerate([(100, 90.0), (100, 100.0), (100, 110.0), (200, 200.0)]):
        job(tmp_path, str(number), [f"rate={rate}", f"seed={number}"], verdict="match", rate={"achieved": achieved})
    summed = repeats(*jobs_of(tmp_path)).to_dicts()
    assert [(row["rate"], row["repeats"], row["matched"]) for row in summed] == [("100", 3, 3), ("200", 1, 1)]
    assert summed[0]["rate_achieved"] == pytest.approx(100.0)
    # t(0.975, 2) = 4.302653 (any table of Student's t), the standard deviation is 10.
    assert summed[0]["rate_achieved_half"] == pytest.approx(4.302653 * 10 / math.sqrt(3), rel=1e-6)
    assert summed[1]["rate_achieved_half"] is None


def test_the_page_escapes_what_it_is_given(tmp_path: Path) -> None:
    for number, symbol in enumerate(["<script>alert(1)</script>", "A&B"]):
        job(tmp_path, str(number), [f"topic={symbol}", f"seed={number}"], code=2)
    jobs, keys = jobs_of(tmp_path)
    page = tmp_path / "sweep.html"
    write_sweep(jobs, swept(jobs, keys), "python -m simulator -m 'topic=<script>'", page)
    text = page.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize(
    ("overrides", "jobs"),
    [
        (["seed=1,2,3", "rate=100,200"], 6),
        (["seed=range(1,5)"], 4),
        (["dynamics=glob(*)"], None),  # only the sweeper can look what there is
        (["+sweep=rate_by_scenario"], 8),
        (["+sweep=rate_by_scenario", "duration=5,10"], 16),
    ],
)
def test_the_jobs_of_a_multirun_are_known_beforehand(overrides: list[str], jobs: int | None) -> None:
    fixed = [word for word in overrides if "," not in word and "(" not in word]
    with initialize_config_dir(config_directory(), version_base="1.3"):
        config = compose("config", fixed, return_hydra_config=True)
    OmegaConf.update(config, "hydra.overrides.task", overrides)
    assert jobs_asked(config) == jobs


def test_the_line_of_a_job() -> None:
    assert job_line(0, 64, 0.0, "seed=1") == "job 1 of 64: seed=1"
    assert job_line(16, 64, 80.0, "seed=2") == "job 17 of 64: seed=2; about 4 min left"
    assert job_line(60, 64, 300.0, "seed=2") == "job 61 of 64: seed=2; about 20 s left"
    assert job_line(3, None, 9.0, "rate=2") == "job 4: rate=2"


def test_an_objective_is_what_the_job_came_to(tmp_path: Path, make_plan: Callable[..., Plan]) -> None:
    lossless = job(tmp_path, "0", [], verdict="match", lag_seconds={"p99": 0.004})
    write_plan(make_plan("window.watermark=7"), lossless / "plan.json")
    assert objective_of("watermark", lossless) == 1_000_003  # three records were dropped as late
    verdict = json.loads((lossless / "verdict.json").read_text(encoding="utf-8"))
    (lossless / "verdict.json").write_text(json.dumps({**verdict, "audit": {"late_dropped": 0}}), encoding="utf-8")
    values = {name: objective_of(name, lossless) for name in OBJECTIVES}
    assert values == {"watermark": 7.0, "batch_seconds": 0.24, "lag_p99": 0.004, "state_rows": 30.0}


def test_the_objective_of_a_job_that_has_none_is_the_worst(tmp_path: Path, make_plan: Callable[..., Plan]) -> None:
    unpaced = job(tmp_path, "0", [], verdict="match")
    write_plan(make_plan(), unpaced / "plan.json")
    assert objective_of("lag_p99", unpaced) == WORST
    assert objective_of("watermark", job(tmp_path, "1", [], verdict="mismatch")) == WORST


def test_the_configuration_knows_the_objectives() -> None:
    allowed = get_args(get_args(Specification.model_fields["objective"].annotation)[0])
    assert set(allowed) == set(OBJECTIVES)
