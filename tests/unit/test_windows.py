"""The reference engine against a few lines of plain Python, which look at every event and every window."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from simulator.answers import expected
from simulator.answers import windows as engine
from simulator.answers.expected import expected_answers, final_watermark
from simulator.answers.windows import KEYS
from simulator.encode.frame import standard_frame
from simulator.market.stream import events_of
from simulator.metrics import METRICS
from simulator.plan import AnswersPlan, Plan, WindowPlan

MakePlan = Callable[..., Plan]
Row = dict[str, Any]

# Not aligned with any window.
START = 1_735_828_201_234_567
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
ALL = "metrics.names=[" + ",".join(METRICS) + "]"
MARKET = ("symbols.count=3", "rate=40", "duration=20", "dynamics.volatility=30", ALL)
SESSION = ("window=session", "output.mode=append")


def events(plan: Plan) -> list[Row]:
    return pl.concat([standard_frame(block, plan, START) for block in events_of(plan)]).to_dicts()


def metrics_of(rows: list[Row]) -> Row:
    prices = [row["price"] for row in rows]
    volume = sum(row["volume"] for row in rows)
    by_seq = sorted(rows, key=lambda row: row["seq"])
    return {
        "avg_price": math.fsum(prices) / len(prices),
        "volume": volume,
        "msg_ct": len(rows),
        "vwap": math.fsum(row["price"] * row["volume"] for row in rows) / volume,
        "open": by_seq[0]["price"],
        "high": max(prices),
        "low": min(prices),
        "close": by_seq[-1]["price"],
    }


def in_time_windows(rows: Iterable[Row], size: int, slide: int) -> dict[tuple[int, int, str], Row]:
    held = defaultdict(list)
    for row in rows:
        time = row["event_time"]
        for start in range((time - size) // slide * slide, time + slide, slide):
            if start % slide == 0 and start <= time < start + size:
                held[start, start + size, row["symbol"]].append(row)
    return {key: metrics_of(inside) for key, inside in held.items()}


def in_sessions(rows: list[Row], gap: int) -> dict[tuple[int, int, str], Row]:
    """Spark's way: each event opens [t, t + gap], and windows that touch are merged."""
    result = {}
    for symbol in {row["symbol"] for row in rows}:
        sessions: list[tuple[int, int, list[Row]]] = []
        for row in sorted((row for row in rows if row["symbol"] == symbol), key=lambda row: row["event_time"]):
            time = row["event_time"]
            if sessions and time <= sessions[-1][1]:
                start, _, inside = sessions.pop()
                sessions.append((start, time + gap, [*inside, row]))
            else:
                sessions.append((time, time + gap, [row]))
        result.update({(start, end, symbol): metrics_of(inside) for start, end, inside in sessions})
    return result


def microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def assert_equal(table: pl.DataFrame, expected: dict[tuple[int, int, str], Row]) -> None:
    assert table.columns[:3] == KEYS
    assert table.equals(table.sort(KEYS))
    found = {(microseconds(row.pop(KEYS[0])), microseconds(row.pop(KEYS[1])), row.pop(KEYS[2])): row for row in table.to_dicts()}
    assert len(found) == table.height
    assert found.keys() == expected.keys()
    for key, row in found.items():
        for name, value in row.items():
            right = expected[key][name]
            assert value == (right if METRICS[name].exact else pytest.approx(right, rel=1e-12)), (key, name)


def micros(text: str) -> int:
    return round(float(text) * 1_000_000)


SLIDING = [("10", "5"), ("10", "10"), ("10", "4"), ("10", "3"), ("1", "0.7"), ("0.3", "0.002"), ("7", "6.999999"), ("100", "30")]


@pytest.mark.parametrize("arrivals", ["fixed", "poisson"])
@pytest.mark.parametrize(("size", "slide"), SLIDING)
def test_sliding_windows(size: str, slide: str, arrivals: str, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, f"arrivals={arrivals}", f"window.size={size}", f"window.slide={slide}")
    assert_equal(expected_answers(plan, START).windows, in_time_windows(events(plan), micros(size), micros(slide)))


@pytest.mark.parametrize("size", ["10", "0.1", "3.000001", "1000"])
def test_tumbling_windows(size: str, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, "window=tumbling", f"window.size={size}")
    assert_equal(expected_answers(plan, START).windows, in_time_windows(events(plan), micros(size), micros(size)))


@pytest.mark.parametrize("gap", ["0.000001", "0.05", "0.1", "0.2", "100"])
def test_sessions(gap: str, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, *SESSION, f"window.gap={gap}", "window.watermark=0")
    rows = events(plan)
    watermark = max(row["event_time"] for row in rows) // 1000 * 1000
    closed = {key: row for key, row in in_sessions(rows, micros(gap)).items() if key[1] <= watermark}
    assert bool(closed) == (gap != "100")
    assert_equal(expected_answers(plan, START).windows, closed)


@pytest.mark.parametrize("delay", ["0", "0.0015", "3", "10", "100"])
def test_append_gives_the_windows_that_the_last_watermark_has_closed(delay: str, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, "output.mode=append", f"window.watermark={delay}", "window.size=4", "window.slide=2")
    rows = events(plan)
    watermark = final_watermark(max(row["event_time"] for row in rows), micros(delay))
    everything = in_time_windows(rows, 4_000_000, 2_000_000)
    closed = {key: row for key, row in everything.items() if key[1] <= watermark}
    assert len(closed) < len(everything)
    assert bool(closed) == (delay != "100")
    assert_equal(expected_answers(plan, START).windows, closed)


def test_the_watermark_counts_whole_milliseconds() -> None:
    assert final_watermark(10_999, 0) == 10_000
    assert final_watermark(10_999, 2_500) == 8_000
    assert final_watermark(11_000, 11_000) == 0


def answers(kind: str, size: int, slide: int) -> AnswersPlan:
    window = WindowPlan.model_validate({"kind": kind, "size": size, "slide": slide, "watermark": 0})
    return AnswersPlan(window=window, deduplicate=False, output_mode="update", metrics=["msg_ct"])


def counts(kind: str, size: int, slide: int, times: list[int]) -> dict[tuple[int, int], int]:
    """Number of events by window, from the engine itself."""
    running = engine.windows_of(answers(kind, size, slide))
    schema = {"symbol": pl.String, "seq": pl.Int64, "event_time": pl.Int64, "price": pl.Float64, "volume": pl.Int64}
    rows = [("A", seq, time, 1.0, 1) for seq, time in enumerate(times)]
    running.add(pl.DataFrame(rows, schema=schema, orient="row"), 0)
    table = running.finish()
    return {(start, end): count for start, end, _, count in table.sort(KEYS).iter_rows()}


def test_a_window_holds_its_start_and_not_its_end() -> None:
    assert counts("tumbling", 10, 10, [0, 9, 10, 19, 20]) == {(0, 10): 2, (10, 20): 2, (20, 30): 1}
    assert counts("sliding", 10, 5, [10]) == {(5, 15): 1, (10, 20): 1}
    assert counts("sliding", 10, 5, [9]) == {(0, 10): 1, (5, 15): 1}
    assert counts("sliding", 10, 4, [10]) == {(4, 14): 1, (8, 18): 1}
    assert counts("sliding", 10, 4, [8]) == {(0, 10): 1, (4, 14): 1, (8, 18): 1}


def test_windows_are_aligned_to_1970_also_before_it() -> None:
    assert counts("sliding", 10, 5, [3]) == {(-5, 5): 1, (0, 10): 1}


def test_sessions_that_touch_are_one() -> None:
    assert counts("session", 10, 10, [0, 10, 20]) == {(0, 30): 3}
    assert counts("session", 10, 10, [0, 11, 11, 20]) == {(0, 10): 1, (11, 30): 3}


@pytest.mark.parametrize("batch", [1, 50, 333, 2000])
@pytest.mark.parametrize("block", [1, 37, 400])
@pytest.mark.parametrize(
    "window",
    [
        ("window.size=2", "window.slide=1"),
        ("window.size=1", "window.slide=0.3"),
        ("window=tumbling", "window.size=0.5"),
        (*SESSION, "window.gap=0.1", "window.watermark=0"),
    ],
    ids=["sliding", "uneven", "tumbling", "session"],
)
def test_batches_of_any_size_give_the_same_windows(
    window: tuple[str, ...], block: int, batch: int, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(*MARKET, *window)
    whole = expected_answers(plan, START).windows
    closings: list[int | None] = []

    def counted(close: Callable[[object, int | None], None]) -> Callable[[object, int | None], None]:
        def run(self: object, frontier: int | None) -> None:
            closings.append(frontier)
            close(self, frontier)

        return run

    for kind in (engine._TimeWindows, engine._SessionWindows):
        monkeypatch.setattr(kind, "_close", counted(kind._close))
    monkeypatch.setattr(engine, "_BATCH_ROWS", batch)
    monkeypatch.setattr(expected, "_BLOCK_EVENTS", block)
    pieces = expected_answers(plan, START).windows
    assert len(closings) > 1 or batch == 2000
    exact = [name for name in plan.answers.metrics if METRICS[name].exact]
    assert pieces.select(*KEYS, *exact).equals(whole.select(*KEYS, *exact))
    for name in set(plan.answers.metrics) - set(exact):
        assert pieces[name].to_list() == pytest.approx(whole[name].to_list(), rel=1e-12)


@pytest.mark.parametrize("window", [(), SESSION], ids=["sliding", "session"])
def test_no_events_give_no_windows_of_the_same_columns(window: tuple[str, ...], make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, *window, "rate=0.001", "duration=0.001")
    assert not events(plan)
    empty, full = expected_answers(plan, START).windows, expected_answers(make_plan(*MARKET), START).windows
    assert empty.height == 0
    assert empty.schema == full.schema


def test_a_limit_takes_the_first_events(make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET)
    assert_equal(expected_answers(plan, START, 100).windows, in_time_windows(events(plan)[:100], 10_000_000, 5_000_000))
    assert expected_answers(plan, START, 10**9).windows.equals(expected_answers(plan, START).windows)
