"""Compiling is pure, exact in its units, and what it gives can be trusted when read back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.compiler import compile_plan, microseconds
from simulator.errors import BadConfigError
from simulator.plan import Plan, content_hash, read_plan, write_plan
from simulator.schema import Specification

MakePlan = Callable[..., Plan]


def spark(plan: Plan) -> dict[str, str]:
    assert plan.aggregation is not None
    return plan.aggregation.spark


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.0, 1_000_000),
        (0.1, 100_000),
        (0.000001, 1),
        (0.3, 300_000),
        (1e-7, 0),
        (4.35, 4_350_000),
        (3_155_760_000, 3_155_760_000_000_000),
    ],
)
def test_decimals_stay_exact(seconds: float, expected: int) -> None:
    assert microseconds(seconds) == expected


def test_the_same_specification_gives_the_same_plan(make_specification: Callable[..., Specification]) -> None:
    first, second = make_specification("+scenario=volatile"), make_specification("+scenario=volatile")
    assert compile_plan(first).model_dump_json() == compile_plan(second).model_dump_json()


@pytest.mark.parametrize("change", ["seed=43", "rate=101", "duration=61", "window.watermark=9", "event=compact", "sink.linger=6"])
def test_what_changes_the_run_changes_the_hash(change: str, make_plan: MakePlan) -> None:
    assert make_plan(change).hash != make_plan().hash


@pytest.mark.parametrize("change", ["mode=plan", "events=11", "mode=produce", "rate=100.0", "broker.keep=true"])
def test_what_does_not_change_the_run_leaves_the_hash(change: str, make_plan: MakePlan) -> None:
    assert make_plan(change).hash == make_plan().hash


def test_compiling_loads_neither_kafka_nor_spark_nor_polars(tmp_path: Path) -> None:
    unwanted = "{'pyspark', 'confluent_kafka', 'hydra', 'pipelines', 'polars'}"
    code = f"import sys, simulator.compiler; print(*{unwanted} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert not result.stdout.split()


def test_checkpoints_of_one_machine_are_plain_files(make_plan: MakePlan) -> None:
    key = "spark.sql.streaming.checkpointFileManagerClass"
    assert spark(make_plan())[key].endswith(".FileSystemBasedCheckpointFileManager")
    assert key not in spark(make_plan("spark.master=spark://somewhere:7077"))


def test_a_plan_that_is_read_is_the_plan_that_was_written(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("+scenario=flash_crash", "sink=file")
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    assert plan.hash == content_hash(plan.model_dump(mode="json"))


def test_a_plan_that_was_altered_is_refused(make_plan: MakePlan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(make_plan("symbols.count=2"), path)
    content = json.loads(path.read_text(encoding="utf-8"))
    cases = {
        "was altered": json.dumps({**content, "seed": 1}),
        r"is not a plan \(\$": json.dumps({**content, "seed": "x"}),
        "no valid JSON": "{",
    }
    for message, text in cases.items():
        path.write_text(text, encoding="utf-8")
        with pytest.raises(BadConfigError, match=message):
            read_plan(path)
    with pytest.raises(BadConfigError, match="cannot be read"):
        read_plan(tmp_path / "none.json")


def test_symbols_share_the_rate(make_plan: MakePlan) -> None:
    equal = make_plan("symbols.count=4", "rate=10").market
    assert [symbol.rate for symbol in equal.symbols] == [2.5] * 4
    assert equal.rotating
    weighted = make_plan("symbols=equities", "rate=1000").market
    assert {symbol.name: symbol.rate for symbol in weighted.symbols}["NVDA"] == 250
    assert not weighted.rotating
    own = make_plan("symbols.count=0", "rate=null", "+symbols.tickers={A:{rate:2},B:{rate:0.5}}").market
    assert ([symbol.rate for symbol in own.symbols], own.rate, own.rotating) == ([2.0, 0.5], 2.5, False)


def test_prices_are_counted_in_the_finest_ticks_decimals(make_plan: MakePlan) -> None:
    market = make_plan("symbols.count=1", "symbols.tick_size=0.25", "+symbols.tickers={A:{price:7,tick_size:0.001}}").market
    assert market.price_decimals == 3
    assert [(symbol.tick, symbol.opening_ticks) for symbol in market.symbols] == [(250, 400.0), (1, 7000.0)]
    assert make_plan("symbols.tick_size=5").market.price_decimals == 0


def test_the_start_is_fixed_but_for_a_live_clock(make_plan: MakePlan) -> None:
    assert make_plan().clock.start is None
    assert make_plan("clock=unpaced").clock.start == 1_735_828_200_000_000
    assert make_plan("clock=unpaced", "clock.start='1970-01-01T00:00:01.5Z'").clock.start == 1_500_000


def test_the_sinks_skew_is_half_the_watermark(make_plan: MakePlan) -> None:
    assert make_plan("window.watermark=3").sink.skew == 1_500_000
    assert make_plan("sink=file").sink.skew is None


@pytest.mark.parametrize(
    ("overrides", "partitions"),
    [
        ((), "2"),
        (("spark.master=local",), "1"),
        (("spark.master='local[8]'",), "8"),
        (("spark.master='local[*]'",), "4"),
        (("spark.master=yarn",), "4"),
        (("spark.master='local[8]'", "symbols.count=3"), "3"),
        (("spark.shuffle_partitions=7",), "7"),
    ],
)
def test_shuffle_partitions(overrides: tuple[str, ...], partitions: str, make_plan: MakePlan) -> None:
    assert spark(make_plan(*overrides))["spark.sql.shuffle.partitions"] == partitions


def test_the_users_spark_properties_win(make_plan: MakePlan) -> None:
    properties = spark(make_plan("+spark.conf={spark.driver.memory: 2g, spark.ui.enabled: true, x: 1.5}"))
    assert (properties["spark.driver.memory"], properties["spark.ui.enabled"], properties["x"]) == ("2g", "true", "1.5")


def test_a_bound_on_a_batch_only_where_it_does_no_harm(make_plan: MakePlan) -> None:
    def bound(*overrides: str) -> str | None:
        plan = make_plan(*overrides)
        assert plan.aggregation is not None
        return plan.aggregation.source.options.get("maxOffsetsPerTrigger")

    assert bound("clock=unpaced") is None
    assert bound() == "1000000"
    assert bound("rate=100000") == "6000000"
    assert bound("clock=unpaced", "spark.max_offsets_per_trigger=5") == "5"


def test_nothing_is_aggregated_from_standard_output(make_plan: MakePlan) -> None:
    assert make_plan("mode=produce", "sink=stdout").aggregation is None
