"""`mode=produce`: what it says when it is done, and what it refuses before it begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.errors import EXIT_OK, BadConfigError
from simulator.modes import produce
from simulator.modes import run as run_mode
from simulator.modes.context import Context
from simulator.report.terminal import rate_lines
from simulator.rundir import RunDirectory
from simulator.schema import Specification

MakeContext = Callable[..., Context]
SMALL = ("mode=produce", "sink=file", "clock=unpaced", "duration=3", "symbols.count=2")
LATE = ("faults=[late,drop]", "faults.late.rate=0.5", "faults.drop.rate=0.5")


@pytest.fixture
def make_context(make_specification: Callable[..., Specification], tmp_path: Path) -> MakeContext:
    def make(*overrides: str) -> Context:
        (tmp_path / "feed").mkdir(exist_ok=True)
        return Context(make_specification(*SMALL, *overrides), RunDirectory(tmp_path / "feed"))

    return make


def test_it_ends_with_what_was_sent_and_where(make_context: MakeContext, capsys: pytest.CaptureFixture[str]) -> None:
    context = make_context(*LATE)
    assert produce.run(context) == EXIT_OK
    said = capsys.readouterr()
    assert said.out == ""
    sent, faults, digest, run = said.err.splitlines()
    manifest = json.loads(context.directory.manifest.read_text(encoding="utf-8"))
    assert sent.startswith(f"sent and acknowledged: {manifest['counts']['generated']:,} events")
    assert [word for word in faults.split() if word.isalpha()] == ["faults", "drop", "late"]
    assert digest == f"digest   {manifest['stream_digest']}"
    assert run == f"run      {context.directory.path}"
    assert manifest["begin_offsets"] is None


@pytest.mark.parametrize("overrides", [(), ("faults=late", "faults.late.rate=0")])
def test_without_faults_none_are_counted(
    overrides: tuple[str, ...], make_context: MakeContext, capsys: pytest.CaptureFixture[str]
) -> None:
    produce.run(make_context(*overrides))
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["sent", "digest", "run"]


@pytest.mark.parametrize("mode", [produce.run, run_mode.run], ids=["produce", "run"])
def test_events_of_two_runs_do_not_share_a_folder(
    mode: Callable[[Context], int], make_context: MakeContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    produce.run(make_context())
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "feed").rglob("*") if path.is_file()}
    with pytest.raises(BadConfigError) as caught:
        mode(make_context("seed=1"))
    assert caught.value.faults == (
        "hydra.run.dir=feed: feed/events holds events of another run; take another folder or remove it",
    )
    assert {path: path.read_bytes() for path in (tmp_path / "feed").rglob("*") if path.is_file()} == before


def test_an_empty_folder_or_half_a_file_is_no_other_run(make_context: MakeContext, tmp_path: Path) -> None:
    events = tmp_path / "feed" / "events"
    events.mkdir(parents=True)
    (events / ".part-000000-000.ndjson.part").write_bytes(b"{")
    assert produce.run(make_context()) == EXIT_OK


@pytest.mark.parametrize(("fault", "until"), [("late", True), ("burst", True), ("drop", False), ("none", False)])
def test_the_rate_says_that_it_waits_for_late_records(
    fault: str,
    until: bool,  # noqa: FBT001  # a parameter
    make_context: MakeContext,
    capsys: pytest.CaptureFixture[str],
) -> None:
    produce.run(make_context(f"faults={fault}", "clock=accelerated", "clock.speed=100"))
    assert ("/s asked (until the last late record)  lag" in capsys.readouterr().err) == until


def test_the_rate_of_a_run_says_so_too() -> None:
    rate, lag = {"achieved": 90.0, "asked": 100.0}, {"p50": 0.0, "p99": 0.0, "largest": 0.0, "last": 0.0}
    assert "/s asked · lag" in rate_lines(rate, lag)[0]
    assert "/s asked (until the last late record) · lag" in rate_lines(rate, lag, holds_up=True)[0]


@pytest.mark.parametrize("left", ["manifest.json", "checkpoint"])
def test_a_run_is_not_laid_over_an_earlier_one(
    left: str, make_specification: Callable[..., Specification], tmp_path: Path
) -> None:
    context = Context(make_specification(), RunDirectory(tmp_path))
    (tmp_path / left).mkdir()
    with pytest.raises(BadConfigError) as caught:
        run_mode.run(context)
    assert str(caught.value) == f"hydra.run.dir={tmp_path}: holds an earlier run ({left}); take another folder or remove it"
    assert [path.name for path in tmp_path.iterdir()] == [left]
    produce.check_run_is_new(replace(context, is_resumed=True))
