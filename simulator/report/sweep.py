"""The end of a multirun: one comparison of all its jobs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar, final

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulator.errors import EXIT_MISMATCH, EXIT_OK

_WIDTH = 150
"""Characters of a line where no terminal says how many there are."""
_GOOD = ("match", "ok")
_NOTHING = "–"  # noqa: RUF001  # a dash, not a minus
_FOLDED = "overrides"
_GAP, _LEAST = 2, 16
"""Characters between two columns, and for the overrides at least."""


@final
class SweepComparison(Callback):
    """Hydra's callback: after a multirun, a table of its jobs; `exit_code` is 1 if one of them failed or did not match."""

    exit_code: ClassVar[int] = EXIT_OK

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401, ARG002  # Hydra's signature
        """Compare the jobs' verdicts."""
        jobs = sorted(Path(config.hydra.sweep.dir).glob("*/.hydra"), key=lambda path: (len(path.parent.name), path.parent.name))
        statuses = show_jobs(
            [path.parent for path in jobs], Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
        )
        if any(status not in _GOOD for status in statuses):
            SweepComparison.exit_code = EXIT_MISMATCH


def note_exit_code(job: Path, code: int) -> None:
    """Keep a job's exit code in its folder: it may run in another process, and not every mode has a verdict."""
    (job / ".hydra" / "exit_code").write_text(f"{code}\n", encoding="utf-8")


def show_jobs(jobs: list[Path], console: Console) -> list[str]:
    """Print one table of all jobs; gives their statuses."""
    overrides = [_overrides(job) for job in jobs]
    same = [word for word in overrides[0] if all(word in words for words in overrides)] if len(jobs) > 1 else []
    rows = [_row(job, [word for word in words if word not in same]) for job, words in zip(jobs, overrides, strict=True)]
    if same:
        console.print(f"all jobs: {' '.join(same)}", markup=False, soft_wrap=True)
    console.print(_table(rows, console.width))
    return [row["status"] for row in rows]


def _overrides(job: Path) -> list[str]:
    return [str(word) for word in OmegaConf.load(job / ".hydra" / "overrides.yaml")]


def _row(job: Path, overrides: list[str]) -> dict[str, str]:
    verdict, manifest = _read(job / "verdict.json"), _read(job / "manifest.json")
    windows, achieved = verdict.get("windows"), manifest.get("rate", {}).get("achieved")
    generated = manifest.get("counts", {}).get("generated")
    return {
        "job": job.name,
        "overrides": " ".join(overrides),
        "status": verdict.get("status") or ("ok" if _succeeded(job) else "failed"),
        "windows": _NOTHING if windows is None else f"{windows['matched']}/{windows['expected']}",
        "events": _NOTHING if generated is None else f"{generated:,}",
        "achieved": f"{achieved:,.0f}/s" if achieved else _NOTHING,
        "digest": (manifest.get("stream_digest") or _NOTHING)[:12],
    }


def _succeeded(job: Path) -> bool:
    path = job / ".hydra" / "exit_code"
    return path.is_file() and path.read_text(encoding="utf-8").strip() == str(EXIT_OK)


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def _table(rows: list[dict[str, str]], width: int) -> Table:
    table = Table(title="jobs", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    headings = list(rows[0]) if rows else ["job"]
    # What tells jobs apart may take several lines; a number or digest in pieces could not be read.
    taken = sum(max(len(heading), *(len(row[heading]) for row in rows)) + _GAP for heading in headings if heading != _FOLDED)
    for heading in headings:
        if heading == _FOLDED:
            table.add_column(heading, overflow="fold", max_width=max(width - taken - _GAP, _LEAST))
        else:
            table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row.values()), style=None if row["status"] in _GOOD else "red")
    return table
