"""Quoting, durations and the shape of the generated SQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simulator import sql
from simulator.metrics import METRICS
from simulator.plan import Plan


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("price", "`price`"), ("a b", "`a b`"), ("a`b", "`a``b`"), ("`", "````"), ("é'\"", "`é'\"`"), ("a.b", "`a.b`")],
)
def test_identifier(name: str, quoted: str) -> None:
    assert sql.identifier(name) == quoted


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("x", "'x'"), ("it's", r"'it\'s'"), ("a\\b", r"'a\\b'"), ("\\'", r"'\\\''"), ("", "''"), ("`é`", "'`é`'")],
)
def test_literal(text: str, quoted: str) -> None:
    assert sql.literal(text) == quoted


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 microseconds"),
        (999, "999 microseconds"),
        (1_000, "1 millisecond"),
        (1_500, "1500 microseconds"),
        (2_000, "2 milliseconds"),
        (1_000_000, "1 second"),
        (1_000_001, "1000001 microseconds"),
        (1_500_000, "1500 milliseconds"),
        (10_000_000, "10 seconds"),
        (3_155_760_000_000_000, "3155760000 seconds"),
    ],
)
def test_interval(microseconds: int, text: str) -> None:
    assert sql.interval(microseconds) == text


def test_ddl() -> None:
    properties = {
        "s": {"type": "string"},
        "t": {"type": "string", "format": "date-time"},
        "n": {"type": "integer"},
        "p`": {"type": "number"},
    }
    assert sql.ddl({"properties": properties}) == "`s` STRING, `t` TIMESTAMP, `n` BIGINT, `p``` DOUBLE"


@pytest.mark.parametrize("sink", ["kafka", "file"])
def test_odd_payload_names_are_quoted(sink: str, make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(f"sink={sink}", "event.names.price='the price'", 'event.names.volume="vol`s"')
    assert plan.aggregation is not None
    text = plan.aggregation.views[0].sql
    assert "event.`the price` AS price" in text
    assert "event.`vol``s` AS volume" in text
    assert "`the price` DOUBLE, `vol``s` BIGINT" in text


@pytest.mark.parametrize(
    ("overrides", "expression"),
    [
        ((), "window(event_time, '10 seconds', '5 seconds')"),
        (("window.slide=10",), "window(event_time, '10 seconds')"),
        (("window.size=1.5", "window.slide=0.0005"), "window(event_time, '1500 milliseconds', '500 microseconds')"),
        (("window=tumbling",), "window(event_time, '10 seconds')"),
        (("window=session", "output.mode=append"), "session_window(event_time, '2 seconds')"),
    ],
)
def test_windows(overrides: tuple[str, ...], expression: str, make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(*overrides)
    assert plan.aggregation is not None
    text = plan.aggregation.views[-1].sql
    assert text.endswith(f"GROUP BY {expression}, symbol")
    function = expression.split("(", maxsplit=1)[0]
    assert text.startswith(f"SELECT\n  {function}.start AS window_start,\n  {function}.end AS window_end,\n  symbol,\n")


def test_every_metric_is_a_column_in_the_order_that_was_asked_for(make_plan: Callable[..., Plan]) -> None:
    names = list(reversed(METRICS))
    plan = make_plan(f"metrics.names=[{','.join(names)}]", "output=parquet")
    assert plan.aggregation is not None
    places = [plan.aggregation.views[-1].sql.index(f"{METRICS[name].sql} AS {name}") for name in names]
    assert places == sorted(places)
    assert plan.aggregation.output.columns == [*sql.KEYS, *names]
