"""What a multirun leaves: a table on the terminal, `sweep.parquet` and `sweep.html`."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
from rich.console import Console

from simulator.report.sweeps.jobs import SUCCESSES, jobs_of, swept
from simulator.report.sweeps.page import write_sweep
from simulator.report.sweeps.table import show_jobs

_WIDTH = 150
"""Characters of a line where no terminal says how many there are."""


def close_sweep(sweep: Path, command: str) -> bool:
    """Compare the jobs of a multirun; gives whether all of them ended well.

    Args:
        sweep: the multirun's folder.
        command: that started it.
    """
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    jobs, keys = jobs_of(sweep)
    show_jobs(jobs, keys, console)
    part = sweep / ".sweep.parquet.part"
    jobs.write_parquet(part)
    part.replace(sweep / "sweep.parquet")
    page = sweep / "sweep.html"
    write_sweep(jobs, swept(jobs, keys), command, page)
    console.print(f"sweep    {page}", markup=False, soft_wrap=True)
    return jobs.filter(~pl.col("status").is_in(list(SUCCESSES))).is_empty()
