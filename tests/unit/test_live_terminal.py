"""The lines that a terminal shows while a run goes on: on stderr, only where somebody is looking, and gone at the end."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from simulator.plan import Plan
from simulator.produce.producer import Progress
from simulator.report.live.figures import Figures
from simulator.report.live.terminal import terminal_view, view

SMALL = ("mode=produce", "sink=file", "duration=2", "rate=50", "symbols.count=2")


def test_the_view_has_a_line_for_each_half(make_plan: Callable[..., Plan]) -> None:
    figures = Figures(make_plan("rate=500", "duration=30"), aggregates=True)
    figures.produced(Progress(6012, 6000, 0, 12, 12.0, 12.0, 0.0004, 0.01))
    figures.reported(
        {
            "batch_id": 0,
            "timestamp": "2025-01-02T14:30:10.000Z",
            "rows": 500,
            "duration_ms": {"triggerExecution": 412},
            "watermark": "2025-01-02T14:30:00.000Z",
            "newest": "2025-01-02T14:30:10.250Z",
            "state": [],
            "observed": {},
        }
    )
    shown = Console(file=StringIO(), width=150)
    shown.print(view(figures.read()))
    lines = [line.rstrip() for line in shown.file.getvalue().splitlines()]  # type: ignore[attr-defined]  # a StringIO
    assert lines[0] == "run       producing · 12 s of 30 s elapsed, 18 s left"
    assert lines[1].strip("━╸╺ ") == ""
    assert lines[2] == (
        "producer  events 6,012 · acknowledged 6,000 · rate 501/s of 500/s asked · lag 0 ms, largest 10 ms · queue 12"
    )
    assert lines[3] == (
        "spark     batches 1 · rows read 500 · last batch 412 ms · rows 1,214/s · state 0 rows"
        " · watermark 10.2 s behind the newest event"
    )
    narrow = Console(file=StringIO(), width=40)
    narrow.print(view(figures.read()))
    assert len(narrow.file.getvalue().splitlines()) == 4, "a line stays a line"  # type: ignore[attr-defined]  # a StringIO


def test_without_a_terminal_nothing_is_said(make_plan: Callable[..., Plan], capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan()
    figures = Figures(plan, aggregates=True)
    with terminal_view(figures, plan):
        figures.produced(Progress(1, 1))
    assert capsys.readouterr() == ("", "")


def in_a_terminal(folder: Path, *overrides: str, **environment: str) -> tuple[str, str]:
    """What a run says to a terminal on its stderr, and to a pipe on its stdout."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "simulator", f"hydra.run.dir={folder}", *SMALL, *overrides]
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    variables = {**clean, "TERM": "xterm-256color", "COLUMNS": "150", **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=variables)
    os.close(theirs)
    said = b""
    with suppress(OSError):  # Linux tells the end of a terminal so
        while select.select([ours], [], [], 60)[0]:
            said += os.read(ours, 65536)
    printed = process.communicate(timeout=60)[0].decode()
    os.close(ours)
    assert process.returncode == 0, said
    return said.decode(), printed


COLORS = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|38;5;\d+|9\d)(?:;\d+)*m")


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_shows_it_and_stdout_stays_clean(tmp_path: Path, no_color: bool) -> None:  # noqa: FBT001  # a parameter
    said, printed = in_a_terminal(tmp_path / "run", **({"NO_COLOR": "1"} if no_color else {}))
    assert printed == ""
    assert "producing · " in said
    assert "/s of 50/s asked" in said
    assert "\x1b[2K" in said, "the lines are taken away again"
    assert bool(COLORS.search(said)) != no_color


def test_events_on_stdout_are_not_disturbed(tmp_path: Path) -> None:
    _, printed = in_a_terminal(tmp_path / "run", "sink=stdout", "duration=1")
    assert printed
    assert all(line.startswith('{"symbol"') for line in printed.splitlines())
