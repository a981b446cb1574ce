"""Results that were tampered with are found, with the right numbers; results that differ only in form are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from simulator.answers.audit import audit_faults, tally, without_foreign
from simulator.answers.expected import expected_answers
from simulator.answers.results import merge_batches
from simulator.answers.verify import SHOWN_MISMATCHES, Comparison, compare, verdict
from simulator.answers.windows import KEYS
from simulator.plan import Plan

START = 1_735_828_200_000_000
METRICS = ["avg_price", "volume", "msg_ct", "open"]
ROW = 7


@pytest.fixture(scope="module")
def answers(make_plan: Callable[..., Plan]) -> pl.DataFrame:
    plan = make_plan("symbols.count=3", "duration=30", "clock=unpaced", f"metrics.names=[{','.join(METRICS)}]")
    return expected_answers(plan, START).windows


def changed(answers: pl.DataFrame, name: str, value: object) -> pl.DataFrame:
    """The same with one value replaced: by another, or by what a function makes of it."""
    values = answers[name].to_list()
    values[ROW] = value(values[ROW]) if callable(value) else value
    return answers.with_columns(pl.Series(name, values, dtype=answers.schema[name]))


def numbers(comparison: Comparison) -> tuple[int, int, int, int]:
    return comparison.matched, comparison.mismatched, comparison.missing, comparison.extra


def compared(answers: pl.DataFrame, results: pl.DataFrame) -> tuple[int, int, int, int]:
    """Matched less than expected, mismatched, missing, extra."""
    comparison = compare(answers, results, METRICS)
    assert comparison.expected == answers.height
    matched, *rest = numbers(comparison)
    assert comparison.equal == (rest == [0, 0, 0])
    assert bool(comparison.first) != comparison.equal
    json.dumps(comparison.first, allow_nan=False)
    return (matched - answers.height, rest[0], rest[1], rest[2])


def test_the_answers_match_themselves(answers: pl.DataFrame) -> None:
    assert answers.height > 15
    assert compared(answers, answers) == (0, 0, 0, 0)


def test_neither_the_order_of_rows_nor_of_columns_matters(answers: pl.DataFrame) -> None:
    shuffled = answers.sample(fraction=1.0, shuffle=True, seed=1).select(reversed(answers.columns))
    assert compared(answers, shuffled.with_columns(note=pl.lit("further columns do no harm"))) == (0, 0, 0, 0)


def test_other_types_of_equal_values_match(answers: pl.DataFrame) -> None:
    assert compared(answers, answers.with_columns(pl.col("msg_ct", "volume").cast(pl.Int32))) == (0, 0, 0, 0)
    assert compared(answers, answers.with_columns(pl.col("window_start").dt.cast_time_unit("ns"))) == (0, 0, 0, 0)


@pytest.mark.parametrize("change", [1e-12, -1e-12, 5e-10])
def test_the_last_digits_of_an_average_do_not_matter(change: float, answers: pl.DataFrame) -> None:
    assert compared(answers, changed(answers, "avg_price", lambda price: price * (1 + change))) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("avg_price", lambda price: price + 1e-6),
        ("avg_price", lambda price: price - 1e-6),
        ("avg_price", lambda price: -price),
        ("avg_price", float("nan")),
        ("avg_price", float("inf")),
        ("avg_price", float("-inf")),
        ("avg_price", None),
        ("volume", lambda volume: volume + 1),
        ("volume", None),
        ("msg_ct", lambda count: count + 1),
        ("msg_ct", lambda count: count - 1),
        ("open", lambda price: price * (1 + 1e-12)),  # a price that was traded is exact
        ("open", float("nan")),
    ],
)
def test_one_wrong_value_is_one_mismatch(name: str, value: object, answers: pl.DataFrame) -> None:
    results = changed(answers, name, value)
    assert compared(answers, results) == (-1, 1, 0, 0)
    (first,) = compare(answers, results, METRICS).first
    assert (first["kind"], first["metric"], first["expected"]) == ("different", name, answers[name][ROW])
    actual = results[name][ROW]
    assert first["actual"] == (actual if actual is None or abs(actual) < 1e18 else str(actual))
    assert first["symbol"] == answers["symbol"][ROW]
    assert first["window_start"] == answers["window_start"][ROW].isoformat().replace("+00:00", "Z")


def test_a_whole_column_of_wrong_values_is_that_many_mismatches(answers: pl.DataFrame) -> None:
    results = answers.with_columns(pl.col("msg_ct") * 2)
    assert compared(answers, results) == (-answers.height, answers.height, 0, 0)
    assert len(compare(answers, results, METRICS).first) == min(SHOWN_MISMATCHES, answers.height)


def test_a_window_that_is_not_there_is_missing(answers: pl.DataFrame) -> None:
    results = pl.concat([answers[:ROW], answers[ROW + 1 :]])
    assert compared(answers, results) == (-1, 0, 1, 0)
    assert compare(answers, results, METRICS).first[0]["kind"] == "missing"


def test_no_results_at_all_are_all_missing(answers: pl.DataFrame, tmp_path: Path) -> None:
    for empty in (answers.clear(), merge_batches(tmp_path, "update", METRICS)):
        assert compared(answers, empty) == (-answers.height, 0, answers.height, 0)


def test_a_window_too_many_is_extra(answers: pl.DataFrame) -> None:
    results = pl.concat([answers, answers[ROW : ROW + 1].with_columns(symbol=pl.lit("XXX"))])
    assert compared(answers, results) == (0, 0, 0, 1)
    assert compare(answers, results, METRICS).first[0]["symbol"] == "XXX"


def test_results_where_none_are_expected_are_extra(answers: pl.DataFrame) -> None:
    assert numbers(compare(answers.clear(), answers, METRICS)) == (0, 0, 0, answers.height)
    assert compare(answers.clear(), answers.clear(), METRICS).equal


@pytest.mark.parametrize("key", KEYS)
def test_a_wrong_key_is_a_window_missing_and_one_extra(key: str, answers: pl.DataFrame) -> None:
    for value in (None, "XXX" if key == "symbol" else lambda time: time.replace(microsecond=1)):
        assert compared(answers, changed(answers, key, value)) == (-1, 0, 1, 1)


def test_a_repeated_row_is_extra(answers: pl.DataFrame) -> None:
    results = pl.concat([answers, answers[ROW : ROW + 1]])
    assert compared(answers, results) == (0, 0, 0, 1)
    assert {row["kind"] for row in compare(answers, results, METRICS).first} == {"repeated"}


def test_a_second_row_of_a_window_with_other_values_is_extra(answers: pl.DataFrame) -> None:
    results = pl.concat([answers, answers[ROW : ROW + 1].with_columns(pl.col("msg_ct") + 1)])
    assert compared(answers, results) == (0, 0, 0, 1)


def test_all_kinds_at_once(answers: pl.DataFrame) -> None:
    wrong = changed(answers, "msg_ct", -1)
    results = pl.concat([wrong[2:], wrong[-3:], wrong[-1:].with_columns(symbol=pl.lit("XXX"))])
    assert compared(answers, results) == (-3, 1, 2, 4)


AUDIT = {
    "generated": 9,
    "acked": 9,
    "in_topic": 9,
    "read": 9,
    "aggregated": 9,
    "late_dropped": 0,
    "duplicates_removed": 0,
    "rejected": 0,
    "status": 0,
    "foreign": 0,
}


def test_the_verdict(answers: pl.DataFrame) -> None:
    same, other = compare(answers, answers, METRICS), compare(answers, answers[1:], METRICS)
    assert verdict(same, {}, [], {}, complete=True)["status"] == "match"
    assert verdict(other, {}, [], {}, complete=True)["status"] == "mismatch"
    assert verdict(same, {}, ["a fault"], {}, complete=True)["status"] == "mismatch"
    assert verdict(same, {}, [], {}, complete=False)["status"] == "incomplete"
    counts = verdict(other, {}, [], {}, complete=True)["windows"]
    height = answers.height
    assert counts == {"expected": height, "matched": height - 1, "mismatched": 0, "missing": 1, "extra": 0}


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({}, 0),
        ({"in_topic": None}, 0),
        ({"acked": 8}, 2),
        ({"in_topic": 8}, 2),
        ({"aggregated": 8}, 1),
        ({"aggregated": 8, "late_dropped": 1}, 1),
        ({"aggregated": 8, "duplicates_removed": 1}, 1),
        ({"aggregated": 8, "rejected": 1}, 1),
        ({"aggregated": 8, "status": 1}, 1),
        ({"generated": 10}, 1),
        ({"in_topic": 12, "read": 12, "foreign": 3}, 0),
        ({"in_topic": 12, "read": 12, "foreign": 2}, 2),
        ({"in_topic": 9, "read": 9, "foreign": 1}, 2),
    ],
)
def test_accounts_that_do_not_agree_are_told(change: dict[str, int | None], count: int) -> None:
    assert len(audit_faults({**AUDIT, **change}, 0)) == count


@pytest.mark.parametrize(
    ("change", "own", "ticks"),
    [
        ({"foreign": 3, "rejected": 3}, {"rejected": 0}, 0),
        ({"foreign": 3, "rejected": 4}, {"rejected": 1}, 0),
        ({"foreign": 3, "rejected": 1, "aggregated": 11}, {"rejected": 0, "aggregated": 9}, 2),
        ({"foreign": 3, "rejected": 1, "late_dropped": 2}, {"rejected": 0, "late_dropped": 0}, 2),
        ({"foreign": None}, {}, 0),
    ],
)
def test_what_foreign_records_led_to_is_not_the_runs(change: dict[str, Any], own: dict[str, int], ticks: int) -> None:
    assert without_foreign({**AUDIT, **change}) == ({**AUDIT, **change, **own}, ticks)


def test_the_accounts_add_up_the_batches() -> None:
    reports = [
        {
            "observed": {"parsed": {"read": 10, "rejected": 1, "status": 2}, "events": {"accepted": 7}},
            "state": [{"rows_dropped_by_watermark": 2, "duplicates_dropped": 0}],
        },
        {"observed": {}, "state": []},
        {"observed": {"parsed": {"read": 5, "rejected": None}, "events": {"accepted": 5}}, "state": []},
    ]
    audit = tally(15, 15, None, reports)
    assert audit == {**AUDIT, "generated": 15, "acked": 15, "in_topic": None, "foreign": None, "read": 15} | {
        "aggregated": 10,
        "late_dropped": 2,
        "rejected": 1,
        "status": 2,
    }


def test_counts_that_were_lost_with_spark_are_unknown_and_not_compared() -> None:
    known = {"observed": {"parsed": {"read": 10}, "events": {"accepted": 10}}, "state": []}
    audit = tally(15, 15, 15, [known, {"observed": {}, "state": [], "recovered": True}])
    assert audit == {**dict.fromkeys(AUDIT), "generated": 15, "acked": 15, "in_topic": 15, "foreign": 0}
    assert audit_faults(audit, 0) == []
    assert audit_faults({**audit, "acked": 14}, 0) == ["generated=15 but acked=14", "acked=14 but in_topic=15"]


def test_in_update_mode_a_windows_last_row_counts(answers: pl.DataFrame, tmp_path: Path) -> None:
    wrong = answers.with_columns(pl.col("msg_ct") - 1)
    wrong.write_parquet(tmp_path / "batch-000000000001.parquet")
    answers.write_parquet(tmp_path / "batch-000000000002.parquet")
    assert compare(answers, merge_batches(tmp_path, "update", METRICS), METRICS).equal
    assert numbers(compare(answers, merge_batches(tmp_path, "append", METRICS), METRICS))[3] == answers.height


@pytest.mark.parametrize("change", [0.4, -1e-3])
def test_a_fraction_of_a_whole_number_is_not_cut_off(change: float, answers: pl.DataFrame) -> None:
    whole = answers.with_columns(pl.col("volume").cast(pl.Float64))
    assert compared(answers, whole) == (0, 0, 0, 0)
    assert compared(answers, changed(whole, "volume", lambda volume: volume + change)) == (-1, 1, 0, 0)


def test_a_difference_is_told_with_its_size(answers: pl.DataFrame) -> None:
    wrong = changed(changed(answers, "msg_ct", lambda count: count * 3), "avg_price", lambda price: price / 2)
    comparison = compare(answers, wrong, METRICS)
    count, price = answers["msg_ct"][ROW], answers["avg_price"][ROW]
    of_price, of_count = comparison.first
    assert (of_count["metric"], of_count["absolute"], of_count["relative"]) == ("msg_ct", 2 * count, 2.0)
    assert (of_price["metric"], of_price["absolute"], of_price["relative"]) == (
        "avg_price",
        pytest.approx(price / 2),
        pytest.approx(0.5),
    )
    assert comparison.metrics == {
        "avg_price": {"windows": 1, "absolute": pytest.approx(price / 2), "relative": pytest.approx(0.5)},
        "msg_ct": {"windows": 1, "absolute": 2 * count, "relative": 2.0},
    }
    nothing = compare(answers, changed(answers, "avg_price", None), METRICS).metrics
    assert nothing == {"avg_price": {"windows": 1, "absolute": None, "relative": None}}


def test_times_that_python_does_not_know_are_shown(answers: pl.DataFrame) -> None:
    far = answers.with_columns((pl.col("window_start").cast(pl.Int64) * 1000).cast(pl.Datetime("us", "UTC")))
    first = compare(answers, far, METRICS).first
    assert first[0]["kind"] == "extra"
    assert any("microseconds since 1970" in row["window_start"] for row in first)


def test_the_verdict_has_metrics_and_causes(answers: pl.DataFrame) -> None:
    cause = {"cause": "boundary", "explains": 1, "of": 1, "sentence": "…"}
    content = verdict(compare(answers, changed(answers, "volume", 0), METRICS), {}, [], {}, complete=True, causes=[cause])
    assert content["causes"] == [cause]
    assert list(content["metrics"]) == ["volume"]
