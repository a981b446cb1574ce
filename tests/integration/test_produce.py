"""`mode=produce` into a topic that is not empty: said, and the run's own offsets are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulator.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.integration


def produce(folder: Path, address: str, name: str) -> tuple[dict[str, Any], str]:
    """Send a little; the manifest, and what was said."""
    small = ["mode=produce", "topic=earlier", "clock=unpaced", "duration=2", "symbols.count=8", f"hydra.run.dir={name}"]
    external = ["broker=external", f"broker.bootstrap_servers='{address}'"]
    command = [sys.executable, "-m", "simulator", *small, *external]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / name / "manifest.json").read_text(encoding="utf-8")), done.stderr


def test_records_from_before_are_told_and_where_the_runs_own_begin(tmp_path: Path, broker: EmbeddedBroker) -> None:
    first, said = produce(tmp_path, broker.bootstrap_servers, "first")
    assert "already holds" not in said
    assert first["begin_offsets"] == {"0": 0, "1": 0, "2": 0, "3": 0}
    sent = first["counts"]["acked"]
    second, said = produce(tmp_path, broker.bootstrap_servers, "second")
    assert said.splitlines()[0] == (
        f"topic earlier already holds {sent:,} records; this run's begin after them: offsets in manifest.json"
    )
    assert sum(second["begin_offsets"].values()) == sent
    for partition, runs in second["deliveries"].items():
        assert runs[0][0] == second["begin_offsets"][partition]
