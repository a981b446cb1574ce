"""docs/guide.md as a user follows it: a job in plain Python that is found to be wrong, mended, and found to be right."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from simulator.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.integration

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "guide.md").read_text(encoding="utf-8")
MENDED = """    seen = set()
    for trade in stream:
        if (trade["symbol"], trade["seq"]) in seen:
            continue
        seen.add((trade["symbol"], trade["seq"]))
"""


def command(beginning: str) -> list[str]:
    """A command of the guide, without its line breaks and remarks."""
    (found,) = re.findall(rf"^{re.escape(beginning)}(?:.*\\\n)*.*$", GUIDE, re.MULTILINE)
    words = shlex.split(found.replace("\\\n", " "), comments=True)
    return [sys.executable, *words[1:]]


def run(words: list[str], folder: Path, code: int = 0) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_job_of_the_guide_is_caught_and_mended(broker: EmbeddedBroker, tmp_path: Path) -> None:
    address = ["broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}"]
    run([*command("python -m simulator mode=produce"), *address], tmp_path)
    job = DOCS / "examples" / "consumer.py"
    run([sys.executable, str(job), broker.bootstrap_servers, "trades", "results.csv"], tmp_path)
    verify = command("python -m simulator mode=verify")
    told = run(verify, tmp_path, code=1)
    for promised in ("windows  expected 600 · matched 382 · mismatched 218", "cause    duplicates_counted explains 218 of 218"):
        assert promised in GUIDE
        assert promised in told
    assert told.splitlines()[-1] == "mismatch"
    text = job.read_text(encoding="utf-8")
    mended = tmp_path / "mended.py"
    assert MENDED in GUIDE
    mended.write_text(text.replace("    for trade in stream:\n", MENDED), encoding="utf-8")
    run([sys.executable, str(mended), broker.bootstrap_servers, "trades", "results.csv"], tmp_path)
    assert run(verify, tmp_path).splitlines()[-1] == "match"
