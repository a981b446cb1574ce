"""Anybody's file: every form of times, columns under any name, and one clear line for whatever it lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from simulator.answers.expected import expected_answers
from simulator.answers.results import ColumnMapping, read_results
from simulator.answers.verify import compare
from simulator.errors import BadConfigError
from simulator.modes.verify import mapping_of, of_anybody
from simulator.plan import Plan, WindowPlan, read_plan
from simulator.schema import Specification

ROOT = Path(__file__).resolve().parent.parent.parent
Table = pl.DataFrame

START = 1_735_828_200_000_000
METRICS = ["avg_price", "volume", "msg_ct", "open"]
MAPPING = ColumnMapping(metrics={name: name for name in METRICS})
WINDOW = WindowPlan(kind="sliding", size=10_000_000, slide=5_000_000, watermark=0)
SESSION = WindowPlan(kind="session", size=10_000_000, slide=10_000_000, watermark=0)


@pytest.fixture(scope="module")
def plan(make_plan: Callable[..., Plan]) -> Plan:
    return make_plan("symbols.count=3", "duration=30", "clock=unpaced", f"metrics.names=[{','.join(METRICS)}]")


@pytest.fixture(scope="module")
def answers(plan: Plan) -> Table:
    return expected_answers(plan, START).windows


def written(table: Table, path: Path) -> Path:
    {".parquet": table.write_parquet, ".csv": table.write_csv}.get(path.suffix, table.write_ndjson)(path)
    return path


def refusal(path: Path, mapping: ColumnMapping = MAPPING, window: WindowPlan = WINDOW) -> tuple[str, ...]:
    with pytest.raises(BadConfigError) as caught:
        read_results(path, mapping, window)
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


FORMS: dict[str, pl.Expr] = {
    "zone": pl.col("window_start"),
    "other zone": pl.col("window_start").dt.convert_time_zone("America/New_York"),
    "no zone": pl.col("window_start").dt.replace_time_zone(None),
    "nanoseconds": pl.col("window_start").dt.cast_time_unit("ns"),
    "milliseconds without zone": pl.col("window_start").dt.replace_time_zone(None).dt.cast_time_unit("ms"),
    "text with Z": pl.col("window_start").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "text with a fraction": pl.col("window_start").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"),
    "text without zone": pl.col("window_start").dt.strftime("%Y-%m-%d %H:%M:%S"),
    "text of pandas": pl.col("window_start").dt.strftime("%Y-%m-%d %H:%M:%S+00:00"),
    "text of India": pl.col("window_start").dt.convert_time_zone("Asia/Kolkata").dt.strftime("%Y-%m-%dT%H:%M:%S%:z"),
    "text of the east coast": pl.col("window_start").dt.convert_time_zone("America/New_York").dt.strftime("%FT%T%z"),
    "text of postgres": pl.col("window_start").dt.strftime("%Y-%m-%d %H:%M:%S+00"),
    "text of seconds": (pl.col("window_start").cast(pl.Int64) // 10**6).cast(pl.String),
    "seconds": pl.col("window_start").cast(pl.Int64) // 10**6,
    "fractional seconds": pl.col("window_start").cast(pl.Int64) / 10**6,
    "integer milliseconds": pl.col("window_start").cast(pl.Int64) // 10**3,
    "integer microseconds": pl.col("window_start").cast(pl.Int64),
    "integer nanoseconds": pl.col("window_start").cast(pl.Int64) * 10**3,
}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "jsonl"])
@pytest.mark.parametrize("form", FORMS)
def test_times_in_any_form(form: str, suffix: str, answers: Table, tmp_path: Path) -> None:
    ends = FORMS[form].meta.root_names()
    assert ends == ["window_start"]
    table = answers.with_columns(FORMS[form].alias("window_start")).drop("window_end")
    mapping = ColumnMapping(window_end=None, metrics=MAPPING.metrics)
    path = written(table, tmp_path / f"results.{suffix}")
    assert compare(answers, read_results(path, mapping, WINDOW), METRICS).equal


@pytest.mark.parametrize(("unit", "per"), [("s", 10**6), ("ms", 10**3), ("us", 1)])
def test_the_unit_of_numbers_can_be_said(unit: str, per: int, answers: Table, tmp_path: Path) -> None:
    numbers = answers.with_columns(pl.col("window_start", "window_end").cast(pl.Int64) // per)
    path = written(numbers, tmp_path / "results.parquet")
    right = ColumnMapping(metrics=MAPPING.metrics, time_unit=unit)
    assert compare(answers, read_results(path, right, WINDOW), METRICS).equal
    other = ColumnMapping(metrics=MAPPING.metrics, time_unit="ns")
    assert compare(answers, read_results(path, other, WINDOW), METRICS).missing == answers.height


def test_columns_under_other_names(answers: Table, tmp_path: Path) -> None:
    names = {"window_start": "ts", "window_end": "until", "symbol": "ticker", "avg_price": "mean px", "msg_ct": "n"}
    path = written(answers.rename(names), tmp_path / "results.csv")
    metrics = {"avg_price": "mean px", "msg_ct": "n", "volume": "volume"}
    found = read_results(path, ColumnMapping("ts", "until", "ticker", metrics), WINDOW)
    assert found.columns == ["window_start", "window_end", "symbol", *metrics]
    assert compare(answers, found, list(metrics)).equal


def test_either_end_of_a_window_is_enough(answers: Table, tmp_path: Path) -> None:
    for given, other in (("window_start", "window_end"), ("window_end", "window_start")):
        path = written(answers.drop(other), tmp_path / f"{given}.parquet")
        mapping = ColumnMapping(**{other: None}, metrics=MAPPING.metrics)
        assert compare(answers, read_results(path, mapping, WINDOW), METRICS).equal
        (fault,) = refusal(path, mapping, SESSION)
        assert fault == "verify.columns: window_start and window_end must both be given for session windows"


def test_types_are_those_of_all_rows(answers: Table, tmp_path: Path) -> None:
    """An average that is whole for a thousand rows is an integer to who looks at the first."""
    many = pl.concat([answers.with_columns(avg_price=pl.lit(100))] * 50 + [answers.with_columns(avg_price=pl.lit(1))])
    lines = (
        written(many, tmp_path / "results.csv").read_text(encoding="utf-8")
        + "2025-01-02T14:30:00Z,2025-01-02T14:30:10Z,A,1.5,1,1,NaN\n"
    )
    (tmp_path / "results.csv").write_text(lines, encoding="utf-8")
    found = read_results(tmp_path / "results.csv", MAPPING, WINDOW)
    assert found["avg_price"][-1] == 1.5
    assert found["open"].is_nan()[-1]


def test_a_symbol_that_looks_like_a_number_is_text(answers: Table, tmp_path: Path) -> None:
    path = written(answers.with_columns(symbol=pl.lit(700)), tmp_path / "results.csv")
    assert set(read_results(path, MAPPING, WINDOW)["symbol"]) == {"700"}


def test_what_a_file_lacks_is_told_by_key_with_a_suggestion(answers: Table, tmp_path: Path) -> None:
    path = written(answers.rename({"volume": "volumes", "symbol": "sym"}).drop("open"), tmp_path / "results.csv")
    has = "it has window_start, window_end, sym, avg_price, volumes, msg_ct"
    assert refusal(path) == (
        f"verify.columns.symbol=symbol: {path} has no such column; did you mean sym?; {has}",
        f"verify.metrics.volume=volume: {path} has no such column; did you mean volumes?; {has}",
        f"verify.metrics.open=open: {path} has no such column; {has}",
    )


def test_columns_of_no_use_are_told(answers: Table, tmp_path: Path) -> None:
    wrong = answers.with_columns(window_start=pl.lit("yesterday"), window_end=pl.lit(value=True), volume=pl.lit("many"))
    path = written(wrong, tmp_path / "results.parquet")
    assert refusal(path) == (
        "verify.columns.window_start=window_start: must be times, RFC 3339 text or whole numbers, and holds 'yesterday'",
        "verify.columns.window_end=window_end: must be times, RFC 3339 text or whole numbers, and is Boolean",
        "verify.metrics.volume=volume: must be numbers, and is String",
    )


def test_a_file_that_is_no_table_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"no parquet")
    assert "cannot be read" in refusal(broken)[0]
    assert "cannot be read" in refusal(tmp_path / "absent.csv")[0]
    assert refusal(tmp_path / "a.txt") == (f"results={tmp_path}/a.txt: must end in .parquet, .csv, .ndjson, .jsonl",)


def test_metrics_are_the_plans_but_for_what_is_said(plan: Plan, make_specification: Callable[..., Specification]) -> None:
    def metrics(*overrides: str) -> dict[str, str]:
        return mapping_of(make_specification(*overrides).verify, plan).metrics

    same = {name: name for name in METRICS}
    assert metrics() == same
    assert metrics("+verify.metrics={avg_price: mean}") == {**same, "avg_price": "mean"}
    assert metrics("+verify.metrics.open=null") == {name: name for name in METRICS[:-1]}
    assert metrics("+verify.metrics={vwap: vwap}") == {**same, "vwap": "vwap"}  # the answers can be computed all the same
    with pytest.raises(BadConfigError, match="leaves nothing to check; the run has avg_price, volume, msg_ct, open"):
        metrics("+verify.metrics={avg_price: null, volume: null, msg_ct: null, open: null}")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "+verify.metrics={volum: v}",
            "verify.metrics={'volum': 'v'}: holds unknown volum; did you mean volume?; allowed: avg_price, ",
        ),
        ("verify.time_unit=h", "verify.time_unit=h: must be 'auto', 's', 'ms', 'us' or 'ns'"),
        ("verify.columns.symbol=null", "verify.columns.symbol=null: must be text"),
        ("+verify.columns.ticker=t", "verify.columns.ticker=t: no such key; allowed: window_start, window_end, symbol"),
        ("verify.deduplicate=maybe", "verify.deduplicate=maybe: must be true or false"),
    ],
)
def test_settings_that_are_not_allowed(override: str, line: str, make_specification: Callable[..., Specification]) -> None:
    with pytest.raises(BadConfigError) as caught:
        make_specification(override)
    assert caught.value.faults[0].startswith(line)


def test_one_end_of_the_window_must_be_named(make_specification: Callable[..., Specification]) -> None:
    with pytest.raises(BadConfigError) as caught:
        make_specification("verify.columns.window_start=null", "verify.columns.window_end=null")
    assert caught.value.faults == ("verify.columns.window_end=null: must not be null when verify.columns.window_start is",)


def test_the_verdict_on_anybodys_file(
    plan: Plan, answers: Table, tmp_path: Path, make_specification: Callable[..., Specification]
) -> None:
    settings = make_specification("+verify.metrics={msg_ct: n}").verify
    counts = {"generated": 10**9, "acked": 10**9}
    manifest = {"start": START, "counts": counts, "status": "complete"}
    path = written(answers.rename({"msg_ct": "n"}), tmp_path / "results.parquet")
    content = of_anybody(plan, manifest, path, settings)
    assert (content["status"], content["causes"], content["windows"]["matched"]) == ("match", [], answers.height)
    shifted = answers.rename({"msg_ct": "n"}).with_columns(pl.col("window_start", "window_end") + pl.duration(hours=1))
    content = of_anybody(plan, manifest, written(shifted, tmp_path / "shifted.parquet"), settings)
    assert content["status"] == "mismatch"
    assert content["causes"][0]["cause"] == "time_zone"
    # A run that was interrupted sent what it counted; one that lost records is another matter.
    assert of_anybody(plan, {**manifest, "status": "incomplete"}, path, settings)["status"] == "match"
    lost = {**manifest, "counts": {**counts, "acked": 5}}
    assert of_anybody(plan, lost, path, settings)["status"] == "incomplete"


def launched(folder: Path, *overrides: str) -> tuple[int, str, str]:
    """The program as a user starts it: exit code, stdout, stderr."""
    command = [sys.executable, "-m", "simulator", *overrides]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)
    return ended.returncode, ended.stdout, ended.stderr


def test_a_run_that_only_produced_is_enough(tmp_path: Path, job_of: Callable[..., Any]) -> None:
    """From files that it left, by a job of its own, to the verdict."""
    made = ("+scenario=dirty_feed", "symbols.count=3", "duration=30", "sink=file", "clock=unpaced", "~faults.correction")
    assert launched(tmp_path, "mode=produce", *made, "hydra.run.dir=feed")[0] == 0
    plan = read_plan(tmp_path / "feed" / "plan.json")
    lines = [line for file in sorted((tmp_path / "feed" / "events").iterdir()) for line in file.read_bytes().split(b"\n")]
    stream = [SimpleNamespace(payload=line, sent=0) for line in lines if line]
    for number, (options, code) in enumerate((({}, 0), ({"drops": "event"}, 0), ({"deduplicate": None}, 1))):
        table = job_of(plan, **options).run(stream).drop("window_end").rename({"symbol": "ticker", "msg_ct": "n"})
        table.write_csv(tmp_path / "windows.csv")
        mapping = ("verify.columns.window_end=null", "verify.columns.symbol=ticker", "+verify.metrics.msg_ct=n")
        out = f"hydra.run.dir=verdict{number}"
        found, said, _ = launched(tmp_path, "mode=verify", "run=feed", "results=windows.csv", *mapping, out)
        content = json.loads((tmp_path / f"verdict{number}" / "verdict.json").read_text(encoding="utf-8"))
        status = "mismatch" if code else "match"
        assert (found, content["status"], said.splitlines()[-1]) == (code, status, status)
    assert content["causes"][0]["cause"] == "duplicates_counted"
    assert "cause    duplicates_counted explains" in said
    assert "metric   msg_ct differs in" in said
    code, _, error = launched(tmp_path, "mode=verify", "run=feed")
    assert (code, error) == (2, "error: feed/results.parquet: is not there; the run has no results, give results=FILE\n")
