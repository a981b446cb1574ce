"""The page of a run in a real browser: no errors, no network, the numbers of the verdict, and a difference that meets the eye."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Page

from simulator.answers.judge import judge
from simulator.modes.verify import verdict_of
from simulator.plan import read_plan
from simulator.report.page.content import read_content
from simulator.report.page.write import write_page
from simulator.rundir import RunDirectory, read_json, write_json

Opened = Callable[[str], AbstractContextManager[Page]]
SYMBOL = '</script><script>document.title="owned"</script><img src=x onerror="document.title=1"><b>%03d</b>'
OVERRIDES = ["+scenario=dirty_feed", "rate=2000", "duration=10", "clock=unpaced", f"symbols.pattern='{SYMBOL}'"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with every fault, and a symbol whose name is markup."""
    folder = tmp_path_factory.mktemp("report") / "run"
    command = [sys.executable, "-m", "simulator", *OVERRIDES, f"hydra.run.dir={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    assert f"report   {folder}/report.html" in done.stdout
    return RunDirectory(folder)


@pytest.fixture(scope="module")
def altered(finished: RunDirectory) -> RunDirectory:
    """The same run with one wrong number in its results."""
    directory = RunDirectory(finished.path.with_name("altered"))
    shutil.copytree(finished.path, directory.path)
    results = pl.read_parquet(directory.results).sort("window_end", "symbol")
    off = pl.int_range(pl.len()) == 100
    results = results.with_columns(pl.when(off).then(pl.col("volume") + 7).otherwise(pl.col("volume")).alias("volume"))
    results.write_parquet(directory.results)
    plan, manifest = read_plan(directory.plan), read_json(directory.manifest)
    judgement = judge(plan, directory, manifest, manifest["counts"]["generated"])
    write_json(verdict_of(judgement, results, plan, manifest, complete=True), directory.verdict)
    write_page(read_content(directory, OVERRIDES), directory.report)
    return directory


def shown(page: Page, group: str) -> dict[str, int]:
    numbers = page.locator(f"#{group} dd").all()
    return {str(number.get_attribute("data-name")): int(number.inner_text().replace(",", "")) for number in numbers}


def test_the_numbers_are_those_of_the_verdict(opened: Opened, finished: RunDirectory) -> None:
    verdict = json.loads(finished.verdict.read_text(encoding="utf-8"))
    with opened(finished.report.as_uri()) as page:
        assert page.locator("#status").inner_text() == verdict["status"] == "match"
        for group in ("windows", "audit", "faults"):
            assert shown(page, group) == {name: count for name, count in verdict[group].items() if count is not None}
        assert page.locator("#digest").inner_text() == read_json(finished.manifest)["stream_digest"]
        assert page.locator("#differences").count() == 0


def drawn_symbol(page: Page) -> Any:  # noqa: ANN401  # what the page says
    return page.evaluate("Bokeh.documents[0].get_model_by_name('symbol').value")


def test_a_symbol_can_be_picked_and_markup_is_text(opened: Opened, finished: RunDirectory) -> None:
    with opened(finished.report.as_uri()) as page:
        before = page.locator("canvas").first.screenshot()
        options = page.evaluate("Bokeh.documents[0].get_model_by_name('symbol').options")
        assert len(options) == 30
        page.locator("select").first.select_option(SYMBOL % 7)
        page.wait_for_timeout(300)
        assert drawn_symbol(page) == SYMBOL % 7
        groups = page.evaluate(
            "[...Bokeh.documents[0]._all_models.values()].filter(m => m.type == 'GroupFilter').map(m => m.group)"
        )
        assert groups == [SYMBOL % 7]
        assert page.locator("canvas").first.screenshot() != before
        text = page.locator("#plan").text_content()
        assert json.dumps(SYMBOL % 7) in (text or "")
        assert page.title().startswith("match"), "a script of a symbol's name has run"
        assert page.locator("body img").count() == 0
        assert page.locator("body b").count() == 0


def test_a_difference_meets_the_eye(opened: Opened, altered: RunDirectory) -> None:
    verdict = json.loads(altered.verdict.read_text(encoding="utf-8"))
    (mismatch,) = verdict["first_mismatches"]
    with opened(altered.report.as_uri()) as page:
        assert page.locator("#status").inner_text() == "mismatch"
        assert page.locator("#status").evaluate("node => getComputedStyle(node).color") == "rgb(198, 40, 40)"
        row = page.locator("#differences tr").nth(1).inner_text()
        for value in (mismatch["symbol"], str(mismatch["expected"]), str(mismatch["actual"])):
            assert value in row
        # The symbol that is off is the one that is shown.
        assert drawn_symbol(page) == mismatch["symbol"]
        page.locator("select").nth(1).select_option("volume")
        page.wait_for_timeout(300)
        screenshot = page.locator("body").screenshot()
        assert len(screenshot) > 50_000


def test_the_command_gives_the_same_run_again(opened: Opened, finished: RunDirectory, tmp_path: Path) -> None:
    with opened(finished.report.as_uri()) as page:
        words = shlex.split(page.locator("#command").inner_text())
    assert words[:3] == ["python", "-m", "simulator"]
    command = [sys.executable, *words[1:], "mode=produce", "sink=stdout", f"hydra.run.dir={tmp_path}"]
    assert subprocess.run(command, capture_output=True, check=True).stdout
    assert read_json(tmp_path / "manifest.json")["stream_digest"] == read_json(finished.manifest)["stream_digest"]
