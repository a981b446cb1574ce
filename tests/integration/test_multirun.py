"""Multiruns on a real Kafka and a real Spark: warm services, jobs of their own, and jobs that do not come to their end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.session import Sessions
from simulator.plan import Plan
from simulator.rundir import RunDirectory
from simulator.schema import Specification
from simulator.services import WarmServices

pytestmark = pytest.mark.integration

SMALL = ["symbols.count=5", "rate=200", "duration=4", "clock=unpaced", "output=parquet"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def start(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator", "-m", *overrides]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def multirun(folder: Path, *overrides: str, code: int = 0) -> str:
    with start(folder, *overrides) as process:
        out, err = process.communicate(timeout=240)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    return out + err


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def appeared(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def gone(folder: Path) -> None:
    """No process works in the folder any more: a multirun's Kafka runs in it, as does its supervisor's command."""
    deadline = time.monotonic() + 30
    while any(_works_in(process, folder) for process in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < deadline, "a process of the multirun is still there"
        time.sleep(0.1)


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(folder / "sweep")
    except OSError:
        return False


def test_jobs_share_services_but_not_topics_and_failures_are_shown(tmp_path: Path) -> None:
    # Other partitions of state, which Spark takes while it runs; a job that is refused; and one more after it.
    said = multirun(tmp_path, *SMALL, "hydra.sweep.dir=sweep", "symbols.count=1,5", "rate=200,-1", code=1)
    sweep = tmp_path / "sweep"
    jobs = pl.read_parquet(sweep / "sweep.parquet")
    assert jobs["status"].to_list() == ["match", "failed", "match", "failed"]
    assert jobs["error"][1].startswith("rate=-1:")
    assert jobs["error"][1] in said
    assert "rate=-1" in (sweep / "sweep.html").read_text(encoding="utf-8")
    assert [read(sweep / job / "plan.json")["sink"]["topic"] for job in "02"] == ["ticks-0", "ticks-2"]
    assert [read(sweep / job / "plan.json")["aggregation"]["spark"]["spark.sql.shuffle.partitions"] for job in "02"] == ["1", "2"]
    assert all((sweep / job / "checkpoint").is_dir() for job in "02")
    assert jobs.filter(pl.col("status") == "match")["peak_megabytes"].min() > 50
    (services,) = (sweep / "services").iterdir()  # of one process, which started one broker
    assert (services / "broker" / "broker.log").read_text(encoding="utf-8").count("Kafka Server started") == 1
    assert not (services / "broker" / "data").exists()
    gone(tmp_path)


@pytest.mark.chaos
def test_jobs_side_by_side_share_nothing_and_a_killed_one_is_run_again(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    overrides = [*SMALL, "seed=1,2", "clock=realtime", "duration=15", *JOBLIB, "hydra.sweep.dir=sweep"]
    with start(tmp_path, *overrides) as process:
        for job in "01":
            appeared(sweep / job / "manifest.json", process)
        workers = sorted(int(folder.name) for folder in (sweep / "services").iterdir())
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    assert "error: a process of the launcher was killed" in err
    assert "Traceback" not in err
    jobs = pl.read_parquet(sweep / "sweep.parquet")
    assert "failed" in jobs["status"].to_list()
    assert "ended without a word: it was killed" in (sweep / "sweep.html").read_text(encoding="utf-8")
    gone(tmp_path)
    multirun(tmp_path, "resume=sweep")
    assert pl.read_parquet(sweep / "sweep.parquet")["status"].to_list() == ["match", "match"]
    digests = [read(sweep / job / "manifest.json")["stream_digest"] for job in "01"]
    assert digests[0] != digests[1]


def refusal(folder: Path, *overrides: str) -> tuple[int, list[str]]:
    """The exit code, and the lines that were said."""
    command = [sys.executable, "-m", "simulator", *overrides]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.splitlines()


def test_a_multirun_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    with start(tmp_path, *SMALL, "seed=1,2,3", "hydra.sweep.dir=sweep") as process:
        appeared(sweep / "1" / "manifest.json", process)
        saved = (sweep / "multirun.yaml").read_bytes()
        commands = ("-m resume=sweep", "-m seed=4 hydra.sweep.dir=sweep", "resume=sweep/1")
        refusals = [refusal(tmp_path, *words.split()) for words in commands]
        assert (sweep / "multirun.yaml").read_bytes() == saved
        process.kill()
        process.communicate()
    goes_on = "error: sweep: what runs in this folder still goes on; stop it, or await its end"
    part = "error: resume=sweep/1: is a job of a multirun, which is resumed as a whole: resume=sweep -m"
    assert refusals == [(2, [goes_on]), (2, [goes_on]), (2, [part])]
    gone(tmp_path)
    before = (sweep / "0" / "manifest.json").stat().st_mtime_ns
    said = multirun(tmp_path, "resume=sweep")
    assert (sweep / "0" / "manifest.json").stat().st_mtime_ns == before
    jobs = pl.read_parquet(sweep / "sweep.parquet")
    assert jobs["status"].to_list() == ["match"] * 3
    assert jobs["seed"].to_list() == [1, 2, 3]
    assert f"sweep    {sweep / 'sweep.html'}" in said


def test_ctrl_c_ends_the_multirun_and_not_only_its_job(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    with start(tmp_path, *SMALL, "clock=realtime", "duration=60", "seed=1,2", "hydra.sweep.dir=sweep") as process:
        appeared(sweep / "0" / "checkpoint" / "commits" / "0", process)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    assert pl.read_parquet(sweep / "sweep.parquet")["status"].to_list() == ["incomplete"]
    assert not (sweep / "1").exists()


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["-m", "resume=nowhere"], "error: resume=nowhere: must be the directory of a multirun; there is no multirun.yaml"),
        (["-m", "resume=old", "rate=5"], "error: resume=old: the multirun has its own overrides; start another one for rate=5"),
        (["resume=old"], "error: resume=old: must be the directory of a run; there is no .hydra/overrides.yaml"),
    ],
)
def test_what_cannot_be_resumed_is_refused(overrides: list[str], error: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, *overrides) == (2, [error])


def test_warm_services_are_kept_until_they_fail(tmp_path: Path, make_specification: Callable[..., Specification]) -> None:
    settings = make_specification().broker
    assert settings.kind == "embedded"
    services, directory = WarmServices(tmp_path / "services"), RunDirectory(tmp_path)
    try:
        with services.broker(directory, settings) as first:
            process = first.process_id
        with services.broker(directory, settings) as second:
            assert second.process_id == process
            os.kill(process or 0, signal.SIGKILL)
            while second.alive:
                time.sleep(0.05)
        with services.broker(directory, settings) as third:
            assert third.process_id != process
    finally:
        services.close()


def test_a_session_takes_on_what_it_can(make_plan: Callable[..., Plan]) -> None:
    def properties(*overrides: str) -> dict[str, str]:
        aggregation = make_plan("sink=file", "output=parquet", *overrides).aggregation
        assert aggregation is not None
        return aggregation.spark

    sessions = Sessions()
    try:
        first = sessions.get(properties("symbols.count=1"))
        assert first.conf.get("spark.sql.shuffle.partitions") == "1"
        second = sessions.get(properties("symbols.count=5", "spark.trigger=0.5"))
        assert second is first
        assert second.conf.get("spark.sql.shuffle.partitions") == "2"
        third = sessions.get(properties("+spark.conf.spark.sql.streaming.stateStore.minDeltasForSnapshot=7"))
        assert third.conf.get("spark.sql.streaming.stateStore.minDeltasForSnapshot") == "7"
        assert sessions.get(properties()).conf.get("spark.sql.streaming.stateStore.minDeltasForSnapshot") == "10"
        assert sessions.get(properties()) is first
        assert sessions.get(properties("+spark.conf.spark.driver.memory=700m")) is not first
    finally:
        sessions.stop()


def test_submitit_runs_jobs_in_processes_of_its_own(tmp_path: Path) -> None:
    producer = ["mode=produce", "sink=file", "clock=unpaced", "duration=1", "symbols.count=2"]
    multirun(tmp_path, *producer, "seed=1,2", "hydra/launcher=submitit_local", "hydra.sweep.dir=sweep")
    jobs = pl.read_parquet(tmp_path / "sweep" / "sweep.parquet")
    assert jobs["status"].to_list() == ["ok", "ok"]
    assert jobs["digest"].n_unique() == 2


def test_optuna_looks_for_the_least_of_an_objective(tmp_path: Path) -> None:
    sweeper = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1", "hydra.sweeper.sampler.seed=1"]
    looked = ["objective=watermark", "window.watermark=choice(3,5,7)", "hydra.sweep.dir=sweep", "sink=file"]
    multirun(tmp_path, *SMALL, *sweeper, *looked)
    sweep = tmp_path / "sweep"
    jobs = pl.read_parquet(sweep / "sweep.parquet")
    assert jobs["status"].to_list() == ["match"] * 3
    tried = [read(sweep / str(job) / "plan.json")["answers"]["window"]["watermark"] / 1e6 for job in range(3)]
    best = (sweep / "optimization_results.yaml").read_text(encoding="utf-8")
    assert f"best_value: {min(tried)}" in best
