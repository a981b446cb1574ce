"""The page of a run while it goes on, in a real browser beside a real Kafka and a real Spark."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from simulator.rundir import RunDirectory, read_json

Opened = Callable[[str], AbstractContextManager[Page]]
PATIENCE = 120
"""Seconds for what takes as long as a machine takes."""
ENDED = "document.getElementById('header').className !== ''"
HAS_WINDOWS = "Bokeh.documents[0].get_model_by_name('windows').data.value.length > 0"
CHOSEN = "Bokeh.documents[0].get_model_by_name('chosen').title.text.endsWith('volume of <b>003</b>')"


@contextmanager
def started(folder: Path, *overrides: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run, and the address that it has told; nothing of it outlives the test."""
    command = [sys.executable, "-m", "simulator", "live=true", f"hydra.run.dir={folder}", *overrides]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert re.fullmatch(r"live     http://127\.0\.0\.1:\d+/\n", line), line + process.stderr.read()
            yield process, line.split()[1]
        finally:
            process.kill()


def until(page: Page, condition: str) -> None:
    """Wait for a condition. Playwright's own way to wait evaluates text within the page, which the page's policy forbids."""
    deadline = time.monotonic() + PATIENCE
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(100)


def has_counted(name: str) -> str:
    return f"Number(document.querySelector('dd[data-name={name}]').textContent.replace(/,/g, '')) > 0"


def counts(page: Page) -> dict[str, int]:
    numbers = page.locator("#counts dd").all()
    return {str(number.get_attribute("data-name")): int(number.inner_text().replace(",", "")) for number in numbers}


def fact(page: Page, group: str, name: str) -> str:
    return page.locator(f"#{group} div", has=page.get_by_text(name, exact=True)).locator("dd").inner_text()


def drawn(page: Page, source: str, column: str) -> Any:  # noqa: ANN401  # what the page says
    return page.evaluate(f"Array.from(Bokeh.documents[0].get_model_by_name('{source}').data['{column}'])")


def test_a_run_can_be_watched(opened: Opened, tmp_path: Path) -> None:
    run = tmp_path / "run"
    overrides = ("duration=15", "rate=200", "symbols.pattern='<b>%03d</b>'", "symbols.count=5")
    with started(run, *overrides) as (process, address):
        with opened(address) as page:
            until(page, has_counted("generated"))
            early = counts(page)
            assert page.locator("#status").inner_text() == "running"
            assert "producing" in page.locator("#run").inner_text()
            assert fact(page, "producer", "rate").endswith("/s of 200/s asked")
            until(page, has_counted("aggregated"))
            until(page, HAS_WINDOWS)

            assert page.locator("#symbol option").all_inner_texts() == [f"<b>{number:03d}</b>" for number in range(5)]
            assert page.locator("body b").count() == 0
            page.locator("#symbol").select_option("<b>003</b>")
            page.locator("#metric").select_option("volume")
            until(page, f"{CHOSEN} && {HAS_WINDOWS}")
            assert all(float(value).is_integer() for value in drawn(page, "windows", "value"))

            until(page, ENDED)
            late = counts(page)
            shown = {name: page.locator(f"#{name}").inner_text() for name in ("status", "run")}
            elapsed, held = drawn(page, "samples", "elapsed"), drawn(page, "samples", "held")
            durations, rows = drawn(page, "batches", "duration"), drawn(page, "batches", "rows")
            asked = set(drawn(page, "samples", "asked"))
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 0, said + errors
        assert shown == {"status": "match", "run": "the run has ended"}
        assert late["generated"] > early["generated"]

        directory = RunDirectory(run)
        manifest, verdict = read_json(directory.manifest), read_json(directory.verdict)
        told = {**manifest["counts"], **verdict["audit"]}
        assert {name: told.pop(name) for name in ("resumed", "foreign")} == {"resumed": 0, "foreign": 0}
        del told["in_topic"]  # which is asked for only at the end
        assert late == told
        assert elapsed == sorted(elapsed)
        assert len(elapsed) == len(set(elapsed)) == len(held) > 20
        assert asked == {200.0}
        assert max(durations) > 0
        assert sum(rows) == late["read"]


def test_a_page_whose_run_is_killed_says_so(browser: Browser, tmp_path: Path) -> None:
    with started(tmp_path / "run", "mode=produce", "sink=file", "duration=null", "rate=50") as (process, address):
        page = browser.new_page()
        page.goto(address)
        until(page, has_counted("generated"))
        assert page.locator("#spark, #symbol").count() == 0, "nobody aggregates"
        process.kill()
        process.communicate()
        until(page, ENDED)
        assert page.locator("#status").inner_text() == "ended"
        page.close()


def test_an_open_page_learns_that_a_producer_was_stopped(opened: Opened, tmp_path: Path) -> None:
    with started(tmp_path / "run", "mode=produce", "sink=file", "duration=null", "rate=50") as (process, address):
        with opened(address) as page:
            until(page, has_counted("generated"))
            process.terminate()
            until(page, ENDED)
            assert page.locator("#status").inner_text() == "incomplete"
            late = counts(page)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert {**late, "resumed": 0} == read_json(tmp_path / "run" / "manifest.json")["counts"]
