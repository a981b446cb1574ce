"""The end of a multirun: one comparison of all its jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, final

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from simulator.errors import EXIT_MISMATCH, EXIT_OK


@final
class SweepComparison(Callback):
    """Hydra's callback: after a multirun, a table of its jobs; `exit_code` is 1 if one of them did not match."""

    exit_code: ClassVar[int] = EXIT_OK

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401, ARG002  # Hydra's signature
        """Compare the jobs' verdicts."""
        jobs = sorted(Path(config.hydra.sweep.dir).glob("*/.hydra"), key=lambda path: (len(path.parent.name), path.parent.name))
        rows = [_row(path.parent) for path in jobs]
        Console(highlight=False).print(_table(rows))
        if any(row["status"] != "match" for row in rows):
            SweepComparison.exit_code = EXIT_MISMATCH


def _row(job: Path) -> dict[str, Any]:
    overrides = (job / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")
    verdict, manifest = _read(job / "verdict.json"), _read(job / "manifest.json")
    windows = verdict.get("windows", {})
    return {
        "job": job.name,
        "overrides": " ".join(line.removeprefix("- ") for line in overrides.split("\n") if line.startswith("- ")),
        "status": verdict.get("status", "failed"),
        "windows": f"{windows.get('matched', 0)}/{windows.get('expected', 0)}",
        "events": str(manifest.get("counts", {}).get("generated", "")),
        "rate": f"{manifest.get('rate', {}).get('achieved', 0):,.0f}/s",
        "digest": (manifest.get("stream_digest") or "")[:12],
    }


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="jobs", title_justify="left")
    for heading in rows[0] if rows else ("job",):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row.values(), style=None if row["status"] == "match" else "red")
    return table
