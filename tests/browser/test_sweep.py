"""The page of a multirun in a real browser: no errors, no network, the numbers of `sweep.parquet`, and what failed in red."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Page

Opened = Callable[[str], AbstractContextManager[Page]]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four jobs that match and two that are refused, on a real Spark, from files."""
    folder = tmp_path_factory.mktemp("sweep")
    jobs = ["rate=100,200,-1", "seed=1,2", "duration=4", "symbols.count=3", "sink=file", "clock=unpaced", "output=parquet"]
    command = [sys.executable, "-m", "simulator", "-m", "hydra.sweep.dir=jobs", *jobs]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return folder / "jobs"


def cells(page: Page, table: str) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in page.locator(f"#{table} tr").all()[1:]]


def test_the_page_shows_every_job_and_what_failed(opened: Opened, sweep: Path) -> None:
    jobs = pl.read_parquet(sweep / "sweep.parquet")
    with opened((sweep / "sweep.html").as_uri()) as page:
        page.wait_for_function("Bokeh.documents.length > 0 && Bokeh.documents.every(each => each.is_idle)")
        assert page.locator("#status").inner_text() == "2 of 6 jobs did not end well"
        assert [row[:2] for row in cells(page, "failed")] == [["4", "failed"], ["5", "failed"]]
        shown = cells(page, "jobs")
        headings = page.locator("#jobs th").all_inner_texts()
        assert len(shown) == jobs.height == 6
        for row, job in zip(shown, jobs.iter_rows(named=True), strict=True):
            told = dict(zip(headings, row, strict=True))
            assert (told["job"], told["rate"], told["seed"], told["status"]) == (
                str(job["job"]),
                job["rate"],
                str(job["seed"]),
                job["status"],
            )
            assert told["digest"] == (job["digest"] or "")[:12]
            if job["windows_matched"] is not None:
                assert told["windows that match"] == str(job["windows_matched"])
        red = page.locator("#jobs tr.alarm").count()
        assert red == 2
        assert page.evaluate("getComputedStyle(document.getElementById('status')).color") == "rgb(198, 40, 40)"
        # Repeats over the two seeds, with their interval.
        assert [row[1:3] for row in cells(page, "repeats")] == [["2", "2"], ["2", "2"], ["2", "0"]]
        assert page.locator(".bk-Figure").count() > 2
