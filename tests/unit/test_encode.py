"""The payload: valid by its own schema, in its order, and its numbers read back as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.encode.json import encode, rfc3339
from simulator.market.events import Events
from simulator.market.stream import events_of
from simulator.plan import Plan

MakePlan = Callable[..., Plan]

START = 1_735_828_200_000_000


def one(**columns: int) -> Events:
    values = {"symbol": 0, "seq": 0, "time": 0, "price": 10_000, "volume": 1, **columns}
    return Events(
        **{name: np.array([value], dtype=np.uint32 if name == "symbol" else np.int64) for name, value in values.items()}
    )


@pytest.mark.parametrize("event", ["trade", "compact"])
def test_every_line_is_valid_by_the_plans_schema(event: str, make_plan: MakePlan) -> None:
    plan = make_plan(f"event={event}", "symbols=equities", "rate=300", "duration=2")
    validator = jsonschema.Draft202012Validator(plan.event.json_schema, format_checker=jsonschema.FormatChecker())
    lines = [line for events in events_of(plan) for line in encode(events, plan, START)]
    assert len(lines) > 300
    for line in lines:
        content = json.loads(line)
        validator.validate(content)
        assert list(content) == [plan.event.names[field] for field in plan.event.order]
    validator.validate(json.loads(lines[0]))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**json.loads(lines[0]), plan.event.names["price"]: "100"})


def test_a_line_to_the_byte(make_plan: MakePlan) -> None:
    (line,) = encode(one(seq=7, time=1_234_567_890, price=12_345, volume=9), make_plan(), START)
    text = '{"symbol":"SYM000","seq":7,"event_time":"2025-01-02T14:30:01.234567Z","price":123.45,"volume":9}'
    assert line.decode() == text


@pytest.mark.parametrize(
    ("time_format", "written"), [("epoch_micros", START + 1_234_567), ("epoch_millis", START // 1000 + 1234)]
)
def test_integer_times_are_rounded_down(time_format: str, written: int, make_plan: MakePlan) -> None:
    (line,) = encode(one(time=1_234_567_890), make_plan(f"event.time_format={time_format}"), START)
    assert json.loads(line)["event_time"] == written


@pytest.mark.parametrize("tick", ["0.01", "0.0001", "1e-8", "5", "0.25"])
def test_prices_read_back_as_the_double_nearest_to_the_decimal(tick: str, make_plan: MakePlan) -> None:
    plan = (
        make_plan("symbols.price=3.14159", f"symbols.tick_size={tick}") if tick != "5" else make_plan(f"symbols.tick_size={tick}")
    )
    decimals = plan.market.price_decimals
    for price in (1, 3, 7, 10_001, 999_999_999, 123_456_789_012):
        (line,) = encode(one(price=price), plan, START)
        assert json.loads(line)["price"] == float(f"{price}e-{decimals}")


def test_odd_names_are_escaped(make_plan: MakePlan) -> None:
    name = 'a"b\\é'
    plan = make_plan("symbols.count=1")
    market = plan.market.model_copy(update={"symbols": [plan.market.symbols[0].model_copy(update={"name": name})]})
    (line,) = encode(one(), plan.model_copy(update={"market": market}), START)
    assert json.loads(line)["symbol"] == name


def test_no_events_give_no_lines(make_plan: MakePlan) -> None:
    assert encode(one().rows(0, 0), make_plan(), START) == []


_TIMES = st.lists(st.integers(0, 253_402_300_799_999_999), max_size=50)


@given(st.one_of(_TIMES, _TIMES.map(sorted)))
def test_times_are_written_as_the_calendar_has_them(times: list[int]) -> None:
    given_times = np.array(times, dtype=np.int64)
    written = rfc3339(given_times).to_list()
    expected = [datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=int(time)) for time in given_times]
    assert written == [each.isoformat(timespec="microseconds").replace("+00:00", "Z") for each in expected]
