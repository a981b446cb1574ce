"""The pages on the market and its scenarios say what the program does: all options are named, all commands compose."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.market.conditions import LABELS
from simulator.plan import Plan
from simulator.schema import Specification

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS, CONF = ROOT / "docs", ROOT / "conf"
MARKET = (DOCS / "market.md").read_text(encoding="utf-8")
SCENARIOS = (DOCS / "scenarios.md").read_text(encoding="utf-8")
GROUPS = ("dynamics", "arrivals", "correlation", "quotes", "volumes", "session", "halts")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
LARGEST_PICTURE = 150_000
COMMAND = "$ python -m simulator "


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def commands(page: str) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return [line.removeprefix(COMMAND) for block in blocks for line in block.splitlines() if line.startswith(COMMAND)]


def shown_files(page: str) -> dict[str, str]:
    """The files that a page shows with `cat`, by name."""
    pattern = r"^\$ cat (\S+)\n(.*?)(?=^\$ |^```)"
    return dict(re.findall(pattern, page, re.DOTALL | re.MULTILINE))


def runs(command: str) -> list[list[str]]:
    """The overrides of each run of a command: one, or all jobs of a sweep; what follows a pipe is left out."""
    words = list(itertools.takewhile(lambda word: word != "|", shlex.split(command)))
    if "-m" not in words:
        return [words]
    choices = [
        [f"{key}={choice}" for choice in values.split(",")]
        for key, _, values in (word.partition("=") for word in words if word != "-m")
    ]
    return [list(job) for job in itertools.product(*choices)]


COMMANDS = sorted({*commands(MARKET), *commands(SCENARIOS)})


@pytest.mark.parametrize(("group", "option"), [(group, option) for group in GROUPS for option in options(group)])
def test_every_option_of_the_market_is_named(group: str, option: str) -> None:
    named = f"`{option}`" in MARKET or f"`{group}={option}`" in MARKET
    assert named, f"conf/{group}/{option}.yaml is not in docs/market.md"


@pytest.mark.parametrize("group", ["dynamics", "arrivals"])
def test_every_key_of_a_process_is_named(group: str) -> None:
    for option in options(group):
        text = (CONF / group / f"{option}.yaml").read_text(encoding="utf-8")
        keys = set(re.findall(r"^(\w+):", text, re.MULTILINE)) - {"defaults", "kind", "rate"}
        missing = [key for key in keys if f"`{key}`" not in MARKET and f"`{group}.{key}" not in MARKET]
        assert not missing, f"{group}={option}: docs/market.md does not name {missing}"


@pytest.mark.parametrize("label", LABELS.values())
def test_every_condition_is_in_the_table(label: str) -> None:
    rows = [line for line in MARKET.splitlines() if line.startswith("|") and f"`{label}`" in line.split("|")[1]]
    assert len(rows) == 1


@pytest.mark.parametrize("scenario", options("scenario"))
def test_every_scenario_has_a_section_a_command_and_a_picture(scenario: str) -> None:
    section = SCENARIOS.partition(f"\n## {scenario}\n")[2].partition("\n## ")[0]
    assert f"+scenario={scenario}" in section
    assert f"![{scenario}](pictures/{scenario}.png)" in section
    assert f"[`{scenario}`](#{scenario})" in SCENARIOS


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, fragment = target.partition("#")
        page = path.parent / name if name else path
        assert page.exists(), f"{path.name}: {target}"
        assert not fragment or fragment in headings(page), f"{path.name}: {target}"


def headings(path: Path) -> set[str]:
    return {anchor(text) for text in re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)}


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", sorted((DOCS / "pictures").glob("*.png")), ids=lambda path: path.name)
def test_pictures_are_shown_and_small(path: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"](pictures/{path.name})" in pages or f"](docs/pictures/{path.name})" in readme
    assert path.stat().st_size < LARGEST_PICTURE


def test_the_pages_show_commands() -> None:
    assert len(COMMANDS) >= 2 * len(options("scenario"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_compiles(
    command: str, make_plan: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {**shown_files(MARKET), **shown_files(SCENARIOS)}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for overrides in runs(command):
        assert make_plan(*overrides).market.symbols


def test_the_commands_of_the_spark_engine_are_understood(make_specification: Callable[..., Specification]) -> None:
    page = (DOCS / "engine-spark.md").read_text(encoding="utf-8").replace("\\\n", "")
    found = re.findall(r"^(?:\$ )?python -m simulator (.*)$", page, re.MULTILINE)
    masters = {getattr(make_specification(*shlex.split(command)).engine, "master", None) for command in found}
    assert masters == {"local[2]", "local-cluster[2,1,2048]", "spark://master:7077", "yarn", "k8s://https://api:6443"}
