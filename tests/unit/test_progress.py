"""What people are told while they wait, and that nothing else is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

_CODE = """
from simulator.report.progress import working
with working("computing the answers", 100) as watch:
    watch(25)
    import time
    time.sleep(0.4)
"""


def on_a_terminal(folder: Path, environment: dict[str, str]) -> str:
    """What a terminal at stderr receives."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment}
    done = subprocess.run(
        [sys.executable, "-c", _CODE], cwd=folder, stderr=theirs, capture_output=False, check=True, env=settings
    )
    os.close(theirs)
    assert done.returncode == 0
    received = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        received += part
    os.close(ours)
    return received.decode()


def test_a_terminal_shows_what_goes_on_and_how_far_it_is(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, {"NO_COLOR": ""})
    assert "computing the answers" in shown
    assert "25%" in shown
    assert "left" in shown


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_no_color_is_respected(no_color: str, colored: bool, tmp_path: Path) -> None:  # noqa: FBT001  # a parameter of a test
    shown = on_a_terminal(tmp_path, {"NO_COLOR": no_color})
    assert any(f"\x1b[{code}" in shown for code in ("3", "38;", "1;3")) == colored, repr(shown)


def test_a_pipe_receives_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
