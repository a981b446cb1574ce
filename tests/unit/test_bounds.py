"""Bounds on what any engine may give: jobs in plain Python are all within them, and the laziest and the strictest touch them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from simulator.answers import windows as engine
from simulator.answers.bounds import LEAST, MOST, OPTIONAL, LegalWindows, highest, legal_windows, lowest, sure
from simulator.answers.expected import expected_answers
from simulator.answers.known import WATERMARK
from simulator.answers.split import SPLIT
from simulator.answers.verify import Comparison, compare
from simulator.answers.windows import KEYS
from simulator.market import stream as market_stream
from simulator.metrics import METRICS
from simulator.plan import AnswersPlan, Plan, WindowPlan

Table = pl.DataFrame
MakePlan = Callable[..., Plan]

START = 1_735_828_201_234_567
ALL = "metrics.names=[" + ",".join(METRICS) + "]"
MARKET = ("clock=accelerated", "symbols.count=3", "rate=60", "duration=40", ALL)
SESSION = ("window=session", "output.mode=append")
DAY = ("session=equity_day", "session.pre_open=6", "session.continuous=20", "session.closed=6")
FEEDS: dict[str, tuple[str, ...]] = {
    "calm": (),
    "late": ("+scenario=late_feed",),
    "late, short watermark": ("+scenario=late_feed", "window.watermark=0.0015"),
    "late, no delay": ("+scenario=late_feed", "window.watermark=0", "output.mode=append"),
    "dirty": ("+scenario=dirty_feed",),
    "dirty, repeats count": ("+scenario=dirty_feed", "window.deduplicate=false", "~faults.correction"),
    "dirty, tumbling": ("+scenario=dirty_feed", "window=tumbling", "window.size=3", "window.deduplicate=true"),
    "edges": ("+scenario=edge_cases",),
    "edges, repeats count": ("+scenario=edge_cases", "window.deduplicate=false", "output.mode=append"),
    "edges, no delay": ("+scenario=edge_cases", "window.watermark=0"),
    "idle": ("+scenario=idle_partition", "symbols.count=8"),
    "sessions": (*SESSION, "window.gap=0.2", "+scenario=dirty_feed"),
    "sessions, late": (*SESSION, "window.gap=0.3", "+scenario=late_feed", "window.watermark=1"),
    "sessions, calm": (*SESSION, "window.gap=0.1"),
    "status events": (*DAY, "faults=late"),
}


@pytest.fixture(scope="module")
def feeds(
    make_plan: MakePlan, job_of: Callable[..., Any], messages_of: Callable[..., list[Any]]
) -> Callable[..., tuple[Plan, Any, list[Any]]]:
    known: dict[tuple[str, ...], tuple[Plan, Any, list[Any]]] = {}

    def make(*overrides: str) -> tuple[Plan, Any, list[Any]]:
        if overrides not in known:
            plan = make_plan(*MARKET, *overrides)
            known[overrides] = plan, job_of(plan), messages_of(plan, START)
        return known[overrides]

    return make


def legal(plan: Plan, limit: int, deduplicate: bool | None = None) -> Table:  # noqa: FBT001
    wanted = plan.answers.deduplicate if deduplicate is None else deduplicate
    return legal_windows(plan, START, limit, plan.answers.metrics, deduplicate=wanted)


def compared(plan: Plan, right: Table, results: Table) -> Comparison:
    return compare(right, results, plan.answers.metrics)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("feed", FEEDS)
def test_legal_jobs_are_within_the_bounds(feed: str, seed: int, feeds: Callable[..., tuple[Plan, Any, list[Any]]]) -> None:
    plan, job, stream = feeds(*FEEDS[feed], f"seed={seed}")
    right = legal(plan, len(stream))
    assert right.height
    drops = ("never", "window", "event") if plan.answers.deduplicate else ("never", "window")
    for how in drops:
        for every in (1, 7, 200):  # the watermark of a batch is behind that of a record
            comparison = compared(plan, right, job.but(drops=how, every=every).run(stream))
            assert comparison.equal, (how, every, comparison.first)


@pytest.mark.parametrize("feed", ["late", "dirty", "dirty, repeats count", "edges", "sessions", "sessions, late"])
def test_stricter_jobs_are_not(feed: str, feeds: Callable[..., tuple[Plan, Any, list[Any]]]) -> None:
    plan, job, stream = feeds(*FEEDS[feed], "seed=1")
    strict = job.but(drops="event", delay=0).run(stream)
    assert not compared(plan, legal(plan, len(stream)), strict).equal


def test_what_the_watermarks_millisecond_decides(feeds: Callable[..., tuple[Plan, Any, list[Any]]]) -> None:
    """Lateness is aimed at the verge: a delay that is shorter by 2 ms drops records that must count."""
    plan, job, stream = feeds(*FEEDS["edges, repeats count"], "duration=200")
    right = legal(plan, len(stream))
    assert compared(plan, right, job.but(drops="window").run(stream)).equal
    assert not compared(plan, right, job.but(drops="window", delay=job.delay - 2_000).run(stream)).equal


@pytest.mark.parametrize("feed", [name for name in FEEDS if "sessions" not in name])
def test_the_bounds_are_those_of_the_laziest_and_the_strictest_job(
    feed: str, feeds: Callable[..., tuple[Plan, Any, list[Any]]]
) -> None:
    plan, job, stream = feeds(*FEEDS[feed], "seed=1")
    right = legal(plan, len(stream))
    how = "event" if plan.answers.deduplicate else "window"
    most, fewest = job.run(stream), job.but(drops=how).run(stream)
    exact = [name for name in plan.answers.metrics if METRICS[name].exact]
    assert right.select(*KEYS, *exact).equals(most.select(*KEYS, *exact))
    counts = right.join(fewest.select(*KEYS, pl.col("msg_ct").alias("_found")), on=KEYS, how="left", maintain_order="left")
    # Of microseconds that Spark's whole milliseconds round away a record more may go.
    if plan.answers.window.watermark % 1000 == 0:
        assert counts[LEAST].to_list() == counts["_found"].to_list()
        assert counts[sure("volume")].to_list() == (counts[MOST] == counts["_found"]).fill_null(value=False).to_list()


def test_without_faults_there_is_one_right_answer(feeds: Callable[..., tuple[Plan, Any, list[Any]]]) -> None:
    for feed in ("calm", "sessions, calm"):
        plan, _, stream = feeds(*FEEDS[feed])
        right = legal(plan, len(stream))
        assert right[sure("avg_price")].all()
        due = right.filter(~pl.col(OPTIONAL))
        expected = expected_answers(plan, START).windows
        assert compared(plan, expected, due).equal
        assert due.height == expected.height
        if SPLIT in right.columns:
            assert not right[SPLIT].any()


def test_windows_that_nothing_has_closed_may_be_missing_in_append_mode(feeds: Callable[..., tuple[Plan, Any, list[Any]]]) -> None:
    plan, job, stream = feeds("output.mode=append")
    right = legal(plan, len(stream))
    everything = job.run(stream)
    closed = expected_answers(plan, START).windows
    assert 0 < closed.height < everything.height
    assert compared(plan, right, everything).equal
    assert compared(plan, right, closed).equal
    wrong = everything.with_columns(pl.col("volume") + (pl.int_range(pl.len()) == pl.len() - 1))
    assert compared(plan, right, wrong).mismatched == 1


@pytest.mark.parametrize("feed", ["dirty", "edges", "sessions"])
def test_blocks_of_any_size_give_the_same_bounds(
    feed: str, feeds: Callable[..., tuple[Plan, Any, list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _, stream = feeds(*FEEDS[feed], "seed=1")
    whole = legal(plan, len(stream))
    monkeypatch.setattr(market_stream, "BLOCK_EVENTS", 50)
    monkeypatch.setattr(engine, "_BATCH_ROWS", 300)
    pieces = legal(plan, len(stream))
    exact = [name for name, kind in whole.schema.items() if not kind.is_float()]
    assert pieces.select(exact).equals(whole.select(exact))


def test_whether_repeats_are_dropped_can_be_said(feeds: Callable[..., tuple[Plan, Any, list[Any]]]) -> None:
    plan, job, stream = feeds(*FEEDS["dirty"], "seed=1")
    assert plan.answers.deduplicate
    every = job.but(deduplicate=None).run(stream)
    assert not compared(plan, legal(plan, len(stream)), every).equal
    # Reports of a trade share a seq: which of two prices is the first cannot be known.
    shuffled = every.with_columns(open=pl.col("high"), close=pl.col("low"))
    for results in (every, shuffled):
        assert compared(plan, legal(plan, len(stream), deduplicate=False), results).equal
    outside = every.with_columns(open=pl.col("high") + 1)
    assert compared(plan, legal(plan, len(stream), deduplicate=False), outside).mismatched == every.height


def test_a_run_that_was_interrupted_has_the_answers_of_what_was_sent(feeds: Callable[..., tuple[Plan, Any, list[Any]]]) -> None:
    plan, job, stream = feeds(*FEEDS["dirty"], "seed=1")
    half = len(stream) // 2
    assert compared(plan, legal(plan, half), job.run(stream[:half])).equal
    assert not compared(plan, legal(plan, half + 100), job.run(stream[:half])).equal


def altered(table: Table, row: int, **values: Any) -> Table:  # noqa: ANN401
    here = pl.int_range(pl.len()) == row
    return table.with_columns(pl.when(here).then(value).otherwise(name).alias(name) for name, value in values.items())


def test_a_count_at_either_end_tells_all_other_metrics(feeds: Callable[..., tuple[Plan, Any, list[Any]]]) -> None:
    plan, job, stream = feeds(*FEEDS["late"], "seed=1")
    right = legal(plan, len(stream))
    unsure = right.with_row_index("n").filter(~pl.col(sure("volume")) & ~pl.col(OPTIONAL) & (pl.col(MOST) > pl.col(LEAST) + 1))
    row = int(unsure["n"][0])
    for results in (job.run(stream), job.but(drops="window").run(stream)):
        assert compared(plan, right, results).equal
        for name in plan.answers.metrics:
            off = altered(results, row, **{name: pl.col(name) * (1 + 1e-6) if METRICS[name].sql != "count(*)" else pl.col(name)})
            assert compared(plan, right, off).equal == (name == "msg_ct"), name
    between = altered(job.run(stream), row, msg_ct=pl.col("msg_ct") - 1, avg_price=pl.col("high"), vwap=pl.col("low"))
    assert compared(plan, right, between).equal
    for name, value in (("avg_price", pl.col("high") + 1e-3), ("volume", pl.col("volume") + 1), ("vwap", pl.col("low") - 1e-3)):
        assert compared(plan, right, altered(between, row, **{name: value})).mismatched == 1


SECONDS = 1_000_000
RECORDS = {
    "symbol": pl.String,
    "seq": pl.Int64,
    "event_time": pl.Int64,
    "price": pl.Float64,
    "volume": pl.Int64,
    WATERMARK: pl.Int64,
}


def by_hand(rows: list[tuple[int, float, int, int]]) -> Table:
    """Bounds of tumbling windows of 10 s, from (event time, price, volume, watermark that it meets), times in seconds."""
    window = WindowPlan(kind="tumbling", size=10 * SECONDS, slide=10 * SECONDS, watermark=5 * SECONDS)
    answers = AnswersPlan(window=window, deduplicate=False, output_mode="update", metrics=list(METRICS))
    windows = LegalWindows(answers, list(METRICS), drops_by_event=False)
    numbered = [("A", seq, time * SECONDS, price, volume, wm * SECONDS) for seq, (time, price, volume, wm) in enumerate(rows)]
    windows.add(pl.DataFrame(numbered, schema=RECORDS, orient="row"), 0)
    return windows.finish()


def test_the_pages_example() -> None:
    """Seven trades of 100 shares in [0, 10), a late one of 50 that may go, and one in [10, 20) that must stay."""
    rows = [(second, 100.0 + second, 100, -5) for second in range(1, 8)] + [
        (16, 110.0, 10, 2),
        (9, 120.0, 50, 11),
        (12, 90.0, 20, 11),
    ]
    right = by_hand(rows)
    first, second = right.rows(named=True)
    assert (first[LEAST], first[MOST], first[OPTIONAL]) == (7, 8, False)
    assert {name: (first[lowest(name)], first[highest(name)]) for name in ("volume", "high", "low", "avg_price")} == {
        "volume": (700, 750),
        "high": (107.0, 120.0),
        "low": (101.0, 101.0),
        "avg_price": (101.0, 120.0),
    }
    assert (second[sure("volume")], second["volume"]) == (True, 30)


def test_a_window_of_optional_records_may_be_missing_or_have_some() -> None:
    right = by_hand([(30, 100.0, 1, -5), (1, 100.0, 5, 25), (2, 101.0, 6, 25), (3, 102.0, 7, 25)])
    whole = right.select(*KEYS, *METRICS)
    assert compare(right, whole, list(METRICS)).equal
    assert compare(right, whole[1:], list(METRICS)).equal
    one = {
        "avg_price": 101.0,
        "volume": 6,
        "msg_ct": 1,
        "vwap": 101.0,
        "open": 101.0,
        "high": 101.0,
        "low": 101.0,
        "close": 101.0,
    }
    assert compare(right, altered(whole, 0, **one), list(METRICS)).equal
    for name, wrong in (
        ("high", 99.0),
        ("high", 103.0),
        ("low", 103.0),
        ("low", 99.0),
        ("msg_ct", 0),
        ("volume", 19),
        ("vwap", None),
    ):
        assert compare(right, altered(whole, 0, **{**one, name: wrong}), list(METRICS)).mismatched == (name != "vwap"), name


def test_there_may_be_no_vwap_where_what_must_count_has_no_volume() -> None:
    right = by_hand([(1, 100.0, 0, -5), (30, 100.0, 1, -5), (2, 101.0, 6, 25), (3, 103.0, 6, 25)])
    table = right.select(*KEYS, *METRICS)
    assert compare(right, altered(table, 0, msg_ct=2, volume=0, vwap=None), list(METRICS)).equal
    assert not compare(right, altered(table, 1, vwap=None), list(METRICS)).equal
