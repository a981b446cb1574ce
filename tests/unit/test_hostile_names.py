"""Names and paths from a configuration: what no place could take is refused, all else is quoted wherever it goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from prometheus_client import generate_latest

from simulator import sql
from simulator.checks import CHECKS
from simulator.compiler import compile_plan
from simulator.encode.payload import Payloads
from simulator.errors import BadConfigError
from simulator.faults.stream import records_of
from simulator.modes import plan as plan_mode
from simulator.modes.context import Context
from simulator.partitioning import partition_of
from simulator.plan import Plan
from simulator.report import terminal
from simulator.report.live.figures import Figures
from simulator.report.live.metrics import registry_of
from simulator.report.sweeps.close import close_sweep
from simulator.rundir import RunDirectory
from simulator.schema import Specification, read_specification

MakePlan = Callable[..., Plan]
Make = Callable[..., Specification]
CONF = Path(__file__).resolve().parents[2] / "conf"
SCRIPT = "</script><script>alert(1)</script>"
QUOTABLE = ["O'Neil", "ba`ck``tick", "back\\\\slash", SCRIPT, "価格", "[/bold]", "../../etc", "a b", "$(x)", "%s", "x" * 200]
REFUSED = ["a\nb", "a\tb", "\x1b[31m", "\u202eabc", "x" * 300]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


def refused(make_specification: Make, *overrides: str) -> str:
    with pytest.raises(BadConfigError) as caught:
        make_specification(*overrides)
    (fault,) = caught.value.faults
    assert fault.isprintable()
    return fault


@pytest.fixture
def config() -> dict[str, Any]:
    """The default, to be changed: Hydra's grammar has no quotes for keys, YAML has."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        content = OmegaConf.to_container(compose("config"), resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


@pytest.mark.parametrize("name", QUOTABLE)
def test_events_of_any_printable_name_are_json(name: str, config: dict[str, Any]) -> None:
    config["symbols"] |= {"count": 0, "tickers": {name: {}}}
    config["event"]["names"]["price"] = name
    plan = compile_plan(read_specification(config, CHECKS))
    (block, *_) = records_of(plan, 0, 5)
    (symbol,) = plan.market.symbols
    lines = [json.loads(line) for line in Payloads(plan, 0).lines(block.present.take(slice(0, 5)))]
    assert {line["symbol"] for line in lines} == {symbol.name}
    assert all(line[plan.event.names["price"]] > 0 for line in lines)
    assert 0 <= partition_of(symbol.name, 4) < 4


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("place", ["tickers", "field", "target", "path"])
def test_names_that_would_break_a_line_are_refused(name: str, place: str, config: dict[str, Any]) -> None:
    if place == "tickers":
        config["symbols"]["tickers"] = {name: {}}
    elif place == "field":
        config["event"]["names"]["price"] = name
    elif place == "target":
        config["shocks"] = [{"at": 1, "move": 0.1, "target": name}]
    else:
        config["dead_letters"]["path"] = name
    with pytest.raises(BadConfigError) as caught:
        read_specification(config, CHECKS)
    (fault,) = caught.value.faults
    assert fault.isprintable()
    assert len(fault) < 400


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/srv/x",
        "/",
        ".",
        "..",
        "a//b",
        "a/",
        ".hidden",
        "_hidden",
        "a*",
        "a{b}",
        "a?b",
        "a:b",
        " a",
        "x" * 300,
    ],
)
@pytest.mark.parametrize("place", [("sink=file", "sink"), ("output=parquet", "output"), ("dead_letters=files", "dead_letters")])
def test_folders_stay_within_the_run(path: str, place: tuple[str, str], make_specification: Make) -> None:
    group, key = place
    told = refused(make_specification, group, f"{key}.path={quoted(path)}")
    assert told.startswith(f"{key}.path=")


@pytest.mark.parametrize("path", ["events", "a/b", "Ereignisse é", "a.b-c", "価格"])
def test_other_folders_may_have_any_name(path: str, make_specification: Make) -> None:
    make_specification("sink=file", f"sink.path={quoted(path)}")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["sink=file", "sink.path=checkpoint"], "sink.path=checkpoint: checkpoint is a name that every run uses itself"),
        (["dead_letters.path=batches/x"], "dead_letters.path=batches/x: batches is a name that every run uses itself"),
        (["sink=file", "output=parquet", "output.path=events"], "output.path=events: must be apart from sink.path=events"),
        (["sink=file", "dead_letters.path=events/x"], "dead_letters.path=events/x: must be apart from sink.path=events"),
    ],
)
def test_folders_are_apart(overrides: list[str], told: str, make_specification: Make) -> None:
    assert refused(make_specification, *overrides) == told


def test_fields_that_spark_takes_for_one_are_refused(config: dict[str, Any]) -> None:
    config["event"]["names"]["price"] = "\u017feq"  # the long s, of which Java makes an S
    with pytest.raises(BadConfigError, match="must be distinct, also without regard to case"):
        read_specification(config, CHECKS)


@pytest.mark.parametrize("name", ["a`b", "``", "`; DROP TABLE x; --"])
def test_an_identifier_ends_where_it_should(name: str) -> None:
    inner = sql.identifier(name)[1:-1]
    assert inner.replace("``", "") == name.replace("`", "")
    assert inner.count("`") == 2 * name.count("`")


@pytest.mark.parametrize("text", ["'", "\\", "\\'", "a\\", "' OR '1'='1"])
def test_a_literal_ends_where_it_should(text: str) -> None:
    inner = sql.literal(text)[1:-1]
    assert inner.replace("\\\\", "\0").replace("\\'", "'").replace("\0", "\\") == text
    assert not inner.replace("\\\\", "").replace("\\'", "").count("'")


def test_metrics_for_prometheus_have_no_labels_from_outside(make_plan: MakePlan) -> None:
    plan = make_plan("symbols.count=3", f"symbols.pattern='{SCRIPT}%d'")
    told = generate_latest(registry_of(Figures(plan, aggregates=True))).decode()
    assert "simulator_events_generated_total" in told
    assert "script" not in told


def test_names_are_no_markup_of_the_terminal(
    config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    config["symbols"] |= {"count": 0, "tickers": {"[/bold]": {}, "[red]x": {}}}
    config["dynamics"]["symbols"] = {"[/bold]": {"volatility": 0.5}}
    specification = read_specification(config, CHECKS)
    plan = Context(specification, RunDirectory(tmp_path)).compile()
    plan_mode.run(Context(specification, RunDirectory(tmp_path)))
    terminal.say("job 1: symbols=[/bold]")
    difference = {"window_start": "", "window_end": "", "symbol": "[/bold]", "kind": "missing"}
    verdict = {
        "windows": {},
        "audit": {},
        "audit_faults": [],
        "faults": {},
        "first_mismatches": [difference],
        "status": "mismatch",
    }
    lags = dict.fromkeys(("p50", "p99", "largest", "last"))
    manifest = {"rate": {"achieved": 1.0, "asked": None}, "lag_seconds": lags, "stream_digest": "0", "status": "complete"}
    terminal.show_verdict(verdict, manifest, plan, {})
    captured = capsys.readouterr()
    assert captured.out.count("[/bold]") >= 3
    assert "symbols=[/bold]" in captured.err


def test_the_page_of_a_multirun_takes_overrides_for_text(tmp_path: Path) -> None:
    job = tmp_path / "0" / ".hydra"
    job.mkdir(parents=True)
    (job / "overrides.yaml").write_text(json.dumps([f"topic={SCRIPT}", "seed=1"]), encoding="utf-8")
    (job / "exit_code").write_text("0\n", encoding="utf-8")
    close_sweep(tmp_path, f"python -m simulator -m topic={SCRIPT}")
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert "<script>alert(1)" not in page
