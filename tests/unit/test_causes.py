"""Each mistake that jobs make is recognised, by a job in plain Python that makes it; and a job without is not accused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from itertools import combinations
from typing import Any

import polars as pl
import pytest

from simulator.answers.bounds import legal_windows
from simulator.answers.causes import case as case_module
from simulator.answers.causes.case import Case
from simulator.answers.causes.lateness import _is_sum
from simulator.answers.causes.table import CAUSES, SHOWN_CAUSES, causes_of
from simulator.answers.expected import expected_answers
from simulator.answers.verify import compare
from simulator.answers.windows import KEYS
from simulator.market import stream as market_stream
from simulator.metrics import METRICS
from simulator.plan import Plan
from simulator.report.terminal import cause_line, metric_line

Table = pl.DataFrame
Row = dict[str, Any]
MakePlan = Callable[..., Plan]

START = 1_735_828_201_234_567
ALL = "metrics.names=[" + ",".join(METRICS) + "]"
MARKET = ("clock=accelerated", "symbols.count=3", "rate=60", "duration=40", "dynamics.volatility=20", ALL)
DEDUPLICATED = "window.deduplicate=true"
# Some of the event times are at the very edge of a window.
EDGES = ("+scenario=edge_cases", "~faults.late", "~faults.duplicate", "window.deduplicate=false")
DIRTY = ("+scenario=dirty_feed",)
LATE = ("+scenario=late_feed",)
CORRUPT = ("faults=corrupt", "faults.corrupt.rate=0.1")
# A trade a second of a symbol, ten in a window.
SPARSE = ("symbols.count=100", "rate=100", "duration=60", "metrics=basic")
NANS = (*CORRUPT, "faults.corrupt.kinds=[not_a_number]")


def carelessly(message: Any) -> Row | None:  # noqa: ANN401
    """Takes whatever is a JSON object with a symbol and a time; what is no number is None."""
    try:
        row = json.loads((message.payload or b"").decode(errors="replace"))
    except ValueError:
        return None
    if not isinstance(row, dict) or not isinstance(row.get("symbol"), str) or "event_time" not in row:
        return None
    numbers = {name: value if isinstance(value := row.get(name), (int, float)) else None for name in ("seq", "price", "volume")}
    if isinstance(numbers["price"], float) and not math.isfinite(numbers["price"]):
        numbers["price"] = None
    return {**row, **numbers, "time": microseconds(row["event_time"]), "sent": message.sent}


@cache  # every job of a feed reads the same times
def microseconds(text: str) -> int:
    """Since 1970."""
    return round(pl.Series([text]).str.to_datetime(time_zone="UTC").cast(pl.Int64)[0])


def around_nulls(rows: list[Row]) -> Row:
    """Metrics as SQL has them, which leaves nulls out."""
    priced = [row for row in rows if row["price"] is not None]
    prices = [row["price"] for row in priced]
    volume = sum(row["volume"] or 0 for row in rows)
    ordered = sorted((row for row in rows if row["seq"] is not None), key=lambda row: row["seq"])
    value = math.fsum(row["price"] * (row["volume"] or 0) for row in priced)
    return {
        "avg_price": math.fsum(prices) / len(prices) if prices else None,
        "volume": volume,
        "msg_ct": len(rows),
        "vwap": value / volume if volume else None,
        "open": ordered[0]["price"] if ordered else None,
        "high": max(prices, default=None),
        "low": min(prices, default=None),
        "close": ordered[-1]["price"] if ordered else None,
    }


class Maker:
    """Results of a plan's job, as it should be or with options."""

    def __init__(self, plan: Plan, job: Any, stream: list[Any]) -> None:  # noqa: ANN401
        self.plan, self.job, self.stream = plan, job, stream

    def __call__(self, **options: object) -> Table:
        return self.job.but(**options).run(self.stream)


@pytest.fixture(scope="module")
def made(make_plan: MakePlan, job_of: Callable[..., Any], messages_of: Callable[..., list[Any]]) -> Callable[..., Maker]:
    known: dict[tuple[str, ...], Maker] = {}

    def make(*overrides: str) -> Maker:
        if overrides not in known:
            plan = make_plan(*MARKET, *overrides)
            known[overrides] = Maker(plan, job_of(plan), messages_of(plan, START))
        return known[overrides]

    return make


def causes(made: Maker, results: Table, metrics: list[str] | None = None, right: Table | None = None) -> list[dict[str, Any]]:
    plan, limit = made.plan, len(made.stream)
    metrics = metrics or plan.answers.metrics
    right = legal_windows(plan, START, limit, metrics, deduplicate=plan.answers.deduplicate) if right is None else right
    found = causes_of(Case(plan, START, limit, metrics, right, results), compare(right, results, metrics))
    json.dumps(found, allow_nan=False)
    assert len(found) <= SHOWN_CAUSES
    return found


def moved(table: Table, start: timedelta, end: timedelta | None = None) -> Table:
    return table.with_columns(pl.col("window_start") + start, pl.col("window_end") + (start if end is None else end))


def scaled(table: Table, factor: float) -> Table:
    micros = [(pl.col(name).cast(pl.Int64) * factor).cast(pl.Int64).cast(pl.Datetime("us", "UTC")) for name in KEYS[:2]]
    return table.with_columns(micros)


def whole_seconds(row: Row) -> int:
    return (int(row["time"]) + 500_000) // 1_000_000 * 1_000_000


def mean_of_means(rows: list[Row]) -> Row:
    """Averages of five seconds, averaged."""
    parts: dict[int, list[float]] = {}
    for row in rows:
        parts.setdefault(row["time"] // 5_000_000, []).append(row["price"])
    means = [math.fsum(prices) / len(prices) for prices in parts.values()]
    return {**around_nulls(rows), "avg_price": math.fsum(means) / len(means)}


def by_arrival(rows: list[Row]) -> Row:
    return {**around_nulls(rows), "open": rows[0]["price"], "close": rows[-1]["price"]}


def with_nan(table: Table) -> Table:
    nan = pl.when(pl.col("msg_ct") % 2 == 0).then(float("nan"))
    return table.with_columns(nan.otherwise(name).alias(name) for name in ("avg_price", "high"))


def in_update_mode(table: Table) -> Table:
    """As it grew: first with half of the volume, then with all."""
    return pl.concat([table.with_columns(pl.col("volume", "msg_ct") // 2), table])


HOUR = timedelta(hours=1)
MISTAKES: dict[str, tuple[tuple[str, ...], Callable[[Maker], Table]]] = {
    "late_dropped": (LATE, lambda made: made(drops="event", delay=0)),
    "late_dropped by the window": (LATE, lambda made: made(drops="window", delay=1_000_000)),
    "duplicates_counted": (("faults=duplicate", DEDUPLICATED), lambda made: made(deduplicate=None)),
    "duplicates_counted of a dirty feed": (DIRTY, lambda made: made(deduplicate=None)),
    "duplicates_removed": (("faults=duplicate",), lambda made: made(deduplicate="first")),
    "last_report": (("faults=correction", DEDUPLICATED), lambda made: made(deduplicate="last")),
    "boundary": (EDGES, lambda made: made(within=lambda time, start, end: start < time <= end)),
    "both_ends": (EDGES, lambda made: made(within=lambda time, start, end: start <= time <= end)),
    "time_zone": ((), lambda made: moved(made(), 5 * HOUR)),
    "time_zone of India": (DIRTY, lambda made: moved(made(), -5.5 * HOUR)),
    "time_unit": ((), lambda made: scaled(made(), 1e-3)),
    "time_unit too large": (DIRTY, lambda made: scaled(made(), 1e3)),
    "time_unit of seconds as microseconds": ((), lambda made: scaled(made(), 1e-6)),
    "not_a_number_counted": (NANS, lambda made: made(parse=carelessly, measure=around_nulls)),
    "not_a_number": (CORRUPT, lambda made: with_nan(made())),
    "rejected_counted": (CORRUPT, lambda made: made(parse=carelessly, measure=around_nulls)),
    "publish_time": (LATE, lambda made: made(time=lambda row: row["sent"])),
    "symbol_names": (
        DIRTY,
        lambda made: made().with_columns((pl.lit(" ") + pl.col("symbol").str.to_lowercase()).alias("symbol")),
    ),
    "missing_symbols": (DIRTY, lambda made: made().filter(pl.col("symbol") != "SYM001")),
    "window_shape": ((), lambda made: made(slide=10_000_000)),
    "window_shape of other sizes": (DIRTY, lambda made: made(size=8_000_000, slide=2_000_000)),
    "window_shape of an offset": (
        (),
        lambda made: moved(made(time=lambda row: row["time"] - 1_000_000), timedelta(seconds=1)),
    ),
    "window_end": ((), lambda made: moved(made(), timedelta(), timedelta(microseconds=-1))),
    "rounded_times": ((), lambda made: made(time=whole_seconds)),
    "rounded": ((), lambda made: made().with_columns(pl.col("avg_price", "vwap").round(2))),
    "rounded down": (DIRTY, lambda made: made().with_columns((pl.col("avg_price") * 10).floor() / 10)),
    "rounded to 32 bits": ((), lambda made: made().with_columns(pl.col("avg_price", "vwap", "open").cast(pl.Float32))),
    "statuses_counted": (
        ("session=equity_day", "session.pre_open=6", "session.continuous=20", "session.closed=6"),
        lambda made: made(parse=carelessly, measure=around_nulls),
    ),
    "order_of_arrival": (LATE, lambda made: made(measure=by_arrival)),
    "mean_of_means": ((), lambda made: made(measure=mean_of_means)),
    "other_metric": ((), lambda made: made().rename({"high": "low", "low": "high"})),
    "other_metric for the mean": ((), lambda made: made().with_columns(pl.col("avg_price") * pl.col("msg_ct"))),
    "constant": ((), lambda made: made().with_columns(-pl.col("avg_price"), pl.col("volume") * 100)),
    "constant amount": ((), lambda made: made().with_columns(pl.col("msg_ct") + 1)),
    "repeated_rows": ((), lambda made: in_update_mode(made())),
    "not_closed": (("+scenario=late_feed",), lambda made: made().filter(pl.col("window_end") <= CLOSED)),
    "began_late": ((), lambda made: made().filter(pl.col("window_start") > BEGIN)),
    "ended_early": ((), lambda made: made().filter(pl.col("window_start") < BEGIN)),
}
BEGIN = pl.lit(START + 10_000_000).cast(pl.Datetime("us", "UTC"))
CLOSED = pl.lit(START + 40_000_000 - 5_050_000).cast(pl.Datetime("us", "UTC"))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_recognised(mistake: str, made: Callable[..., Maker]) -> None:
    overrides, wrong = MISTAKES[mistake]
    maker = made(*overrides)
    assert causes(maker, maker()) == []
    first, *rest = causes(maker, wrong(maker))
    assert first["cause"] == mistake.split(" ", maxsplit=1)[0], [first, *rest]
    # What a careless reader makes of a record without a seq is not known to the last digit.
    assert first["of"] >= first["explains"] >= first["of"] * (0.9 if mistake == "rejected_counted" else 1.0) > 0
    assert all(other["explains"] <= first["explains"] for other in rest)
    assert first["sentence"].endswith(".")


def without(condition: Callable[[Row], bool]) -> Callable[[Any], Row | None]:
    """A parser that passes over some trades, whatever their time."""

    def parse(message: Any) -> Row | None:  # noqa: ANN401
        row = strictly(message)
        return None if row is None or condition(row) else row

    return parse


def strictly(message: Any) -> Row | None:  # noqa: ANN401
    row = carelessly(message)
    return None if row is None or None in row.values() else row


@pytest.mark.parametrize(
    "condition",
    [
        lambda row: row["volume"] < 10,
        lambda row: row["volume"] < 3,
        lambda row: row["volume"] > 200,
        lambda row: row["seq"] % 9 == 0,
    ],
    ids=["small", "smallest", "large", "every ninth"],
)
@pytest.mark.parametrize("feed", [LATE, ("faults=late",), DIRTY], ids=["late_feed", "late", "dirty_feed"])
@pytest.mark.parametrize("records", [1_000_000, 4000])
def test_what_is_dropped_for_another_reason_is_not_called_late(
    records: int,
    feed: tuple[str, ...],
    condition: Callable[[Row], bool],
    made: Callable[..., Maker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(case_module, "_RECORDS", records)
    monkeypatch.setattr(market_stream, "BLOCK_EVENTS", 500)
    maker = made(*feed, *SPARSE)
    found = causes(maker, maker(parse=without(condition)))
    assert "late_dropped" not in {cause["cause"] for cause in found}


@pytest.mark.parametrize("metrics", [["msg_ct", "volume"], ["volume"], ["msg_ct"], ["avg_price"]])
def test_late_records_are_found_by_any_metric(metrics: list[str], made: Callable[..., Maker]) -> None:
    maker = made(*LATE)
    first, *_ = causes(maker, maker(drops="event", delay=0).select(*KEYS, *metrics), metrics)
    assert (first["cause"], first["explains"]) == ("late_dropped", first["of"])


def test_late_records_are_found_among_the_first_records(made: Callable[..., Maker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_module, "_RECORDS", 1000)
    monkeypatch.setattr(market_stream, "BLOCK_EVENTS", 100)
    maker = made(*LATE)
    first, *_ = causes(maker, maker(drops="event", delay=0))
    assert first["cause"] == "late_dropped"
    assert 0 < first["explains"] < first["of"]


def test_sums_of_late_volumes() -> None:
    volumes = [3, 5, 5, 40]
    reached = {(count, total) for count in range(5) for total in range(60) if _is_sum(volumes, float(count), float(total))}
    wanted = {(count, sum(chosen)) for count in range(5) for chosen in combinations(volumes, count)}
    assert reached == wanted
    assert [total for total in range(-2, 60) if _is_sum(volumes, None, float(total))] == sorted({total for _, total in wanted})
    assert _is_sum(volumes, 2.0, None)
    for count, total in ((5.0, None), (-1.0, None), (1.5, None), (1.0, 2.5), (None, 54.0)):
        assert not _is_sum(volumes, count, total)


def test_many_late_volumes_are_held_against_their_extremes() -> None:
    volumes = [2] * 1000
    assert _is_sum(volumes, 10.0, 20.0)
    assert not _is_sum(volumes, 10.0, 21.0)


def test_every_cause_has_a_mistake() -> None:
    assert {mistake.split(" ")[0] for mistake in MISTAKES} | {"late_counted", "other_watermark"} == {
        cause.name for cause in CAUSES
    }
    assert len({cause.sentence for cause in CAUSES}) == len(CAUSES)


def test_late_records_that_a_runs_own_job_drops(made: Callable[..., Maker]) -> None:
    """Its answers are exact: they know what was late for it."""
    maker = made(*LATE)
    first, *_ = causes(maker, maker(), right=maker(drops="window"))
    assert first["cause"] == "late_counted"
    assert first["explains"] == first["of"] > 0
    first, *_ = causes(maker, maker(drops="window", every=500), right=maker(drops="window"))
    assert first["cause"] == "other_watermark"
    assert first["explains"] == first["of"] > 0


def test_a_run_without_faults_has_exact_answers(made: Callable[..., Maker]) -> None:
    maker = made()
    right = expected_answers(maker.plan, START).windows
    assert causes(maker, maker(), right=right) == []
    assert causes(maker, maker(deduplicate=None, slide=10_000_000), right=right)[0]["cause"] == "window_shape"


@pytest.mark.parametrize("records", [1, 1500])
def test_causes_are_sought_among_the_first_records(
    records: int, made: Callable[..., Maker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_module, "_RECORDS", records)
    monkeypatch.setattr(market_stream, "BLOCK_EVENTS", 100)
    maker = made("faults=duplicate", DEDUPLICATED)
    found = causes(maker, maker(deduplicate=None))
    named = [cause["cause"] for cause in found]
    assert (named[:1] == ["duplicates_counted"]) == (records > 1)
    assert all(cause["explains"] < cause["of"] for cause in found)


def test_a_mistake_that_would_put_more_out_of_place_is_not_told(made: Callable[..., Maker]) -> None:
    maker = made()
    right = maker()
    found = causes(maker, pl.concat([right[:-6], moved(right[-6:], HOUR)]))
    assert "time_zone" not in {cause["cause"] for cause in found}


@pytest.mark.parametrize("name", ["avg_price", "vwap", "open", "high", "volume", "msg_ct"])
def test_one_odd_number_is_nobodys_usual_mistake(name: str, made: Callable[..., Maker]) -> None:
    maker = made()
    table = maker()
    row = pl.int_range(pl.len()) == 7
    wrong = table.with_columns(pl.when(row).then(pl.col(name) + 17).otherwise(name).alias(name))
    assert causes(maker, wrong) == []


def test_fewer_metrics_are_enough(made: Callable[..., Maker]) -> None:
    maker = made("faults=duplicate", DEDUPLICATED)
    for metric in METRICS:
        results = maker(deduplicate=None).select(*KEYS, metric)
        if metric in {"avg_price", "volume", "msg_ct", "vwap"}:
            assert causes(maker, results, [metric])[0]["cause"] == "duplicates_counted"
        else:
            assert causes(maker, results, [metric]) == []  # the same price once more is no other extreme


def test_no_results_and_no_records_have_no_cause_worth_telling(made: Callable[..., Maker]) -> None:
    maker = made()
    assert causes(maker, maker().clear()) == []
    nothing = made("rate=0.001", "duration=0.001")
    assert not nothing.stream
    assert causes(nothing, maker()) == []


def test_the_lines_of_the_terminal() -> None:
    cause = {"cause": "late_dropped", "explains": 1234, "of": 1235, "sentence": "Late."}
    assert cause_line(cause) == "late_dropped explains 1,234 of 1,235: Late."
    off = {"windows": 1200, "absolute": 0.25, "relative": None}
    assert metric_line("vwap", off) == "vwap differs in 1,200 windows, by 0.25 at most"
    off = {"windows": 1, "absolute": 2.0, "relative": 0.01}
    assert metric_line("volume", off) == "volume differs in 1 window, by 2 at most, 0.01 of what it should be"
