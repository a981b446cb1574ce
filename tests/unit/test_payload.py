"""The bytes of damaged records: each way of damage, whether what is left is an event, and that all else is the clean line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from simulator.encode.json import encode
from simulator.encode.payload import Payloads
from simulator.faults.damage import LEGIBLE, Damage
from simulator.faults.records import Records, of_market
from simulator.market.stream import events_of
from simulator.plan import Plan, read_plan, write_plan

MakePlan = Callable[..., Plan]

START = 1_735_828_201_234_567
MARKET = (
    "symbols.count=3",
    "rate=100",
    "duration=6",
    "quotes=bid_ask",
    "faults=[corrupt,drift]",
    "faults.corrupt.huge_bytes=500",
)
FIELDS = ["symbol", "seq", "event_time", "price", "volume", "bid", "ask", "bid_size", "ask_size"]


def market(plan: Plan) -> Records:
    (events,) = events_of(plan)
    return of_market(events, 0)


def damaged(plan: Plan, damage: Damage) -> list[tuple[bytes, bytes | None]]:
    """Each clean line with what the damage makes of it."""
    records = market(plan)
    clean = encode(records.events, plan, START)
    codes = np.full(len(records), damage, dtype=np.uint8)
    return list(zip(clean, Payloads(plan, START).of(replace(records, damage=codes)), strict=True))


def is_event(plan: Plan, line: bytes | None) -> bool:
    """Whether a strict reader takes the line for an event: JSON as RFC 8259 has it, all fields of their types, more allowed."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    if line is None:
        return False
    try:
        content = json.loads(line.decode(), parse_constant=refuse)
    except ValueError:
        return False
    return bool(jsonschema.Draft202012Validator({**plan.event.json_schema, "additionalProperties": True}).is_valid(content))


def test_no_damage_is_the_clean_line(make_plan: MakePlan) -> None:
    for clean, line in damaged(make_plan(*MARKET), Damage.NONE):
        assert line == clean


@pytest.mark.parametrize("drift", ["faults.drift.change=rename", "faults.drift.change=add"])
@pytest.mark.parametrize("damage", Damage)
def test_what_is_legible_is_an_event_and_all_else_is_none(damage: Damage, drift: str, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, drift)
    lines = damaged(plan, damage)
    assert len(lines) > 400
    for clean, line in lines:
        assert is_event(plan, clean)
        assert is_event(plan, line) == LEGIBLE[damage], line
        assert (line == clean) == (damage is Damage.NONE)
        assert line is None or b"\n" not in line


@pytest.mark.parametrize("damage", [damage for damage in Damage if LEGIBLE[damage]])
def test_legible_records_say_what_the_event_says(damage: Damage, make_plan: MakePlan) -> None:
    for clean, line in damaged(make_plan(*MARKET, "faults.drift.change=add"), damage):
        assert line is not None
        content = json.loads(line)
        assert {name: content[name] for name in FIELDS} == json.loads(clean)


def test_truncated_is_a_beginning_of_any_length(make_plan: MakePlan) -> None:
    lines = damaged(make_plan(*MARKET), Damage.TRUNCATED)
    lengths = set()
    for clean, line in lines:
        assert line is not None
        assert 1 <= len(line) < len(clean)
        assert clean.startswith(line)
        lengths.add(len(line))
    assert len(lengths) > 90


def test_wrong_types_are_all_there(make_plan: MakePlan) -> None:
    seen: Counter[tuple[str, type]] = Counter()
    for clean, line in damaged(make_plan(*MARKET), Damage.WRONG_TYPE):
        assert line is not None
        right, wrong = json.loads(clean), json.loads(line)
        assert list(wrong) == FIELDS
        (name,) = (field for field in FIELDS if right[field] != wrong[field])
        value, was = wrong[name], right[name]
        assert value in (f"{was} units", [was], {"value": was})
        seen[name, type(value)] += 1
    assert seen.keys() == {(name, kind) for name in ("price", "volume", "seq") for kind in (str, list, dict)}
    assert min(seen.values()) > sum(seen.values()) / 9 / 2


def test_any_field_can_be_missing(make_plan: MakePlan) -> None:
    missing = Counter()
    for clean, line in damaged(make_plan(*MARKET), Damage.MISSING_FIELD):
        assert line is not None
        right, left = json.loads(clean), json.loads(line)
        (name,) = right.keys() - left.keys()
        assert left == {field: value for field, value in right.items() if field != name}
        missing[name] += 1
    assert set(missing) == set(FIELDS)


def test_not_a_number_is_as_javascript_writes_it(make_plan: MakePlan) -> None:
    seen = set()
    for clean, line in damaged(make_plan(*MARKET), Damage.NOT_A_NUMBER):
        assert line is not None
        price = json.dumps(json.loads(clean)["price"]).encode()
        before, after = clean.split(b'"price":' + price)
        assert line.startswith(before + b'"price":')
        assert line.endswith(after)
        seen.add(line[len(before) + len(b'"price":') : len(line) - len(after)])
    assert seen == {b"NaN", b"Infinity", b"-Infinity"}


def test_bytes_of_the_other_ways(make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, "faults.drift.field=volume", "faults.drift.name=size")
    for clean, line in damaged(plan, Damage.INVALID_UTF8):
        assert line == clean.replace(b'"symbol":"', b'"symbol":"\xff')
    for clean, line in damaged(plan, Damage.HUGE):
        assert line == clean[:-1] + b',"padding":"' + b"x" * 500 + b'"}'
    for clean, line in damaged(plan, Damage.RENAMED_FIELD):
        assert line == clean.replace(b'"volume":', b'"size":')
    assert {line for _, line in damaged(plan, Damage.EMPTY)} == {b""}
    assert {line for _, line in damaged(plan, Damage.NULL)} == {None}
    extra = {line.removeprefix(clean[:-1]) for clean, line in damaged(plan, Damage.EXTRA_FIELD) if line is not None}
    assert extra == {b',"venue":"V%d"}' % number for number in range(10)}
    for clean, line in damaged(make_plan(*MARKET, "faults.drift.change=add"), Damage.ADDED_FIELD):
        assert line is not None
        assert 0 <= json.loads(b"{" + line.removeprefix(clean[:-1])[1:])["last_price"] < 100


@pytest.mark.parametrize("damage", [Damage.EXTRA_FIELD, Damage.HUGE])
def test_a_further_field_never_has_the_name_of_another(damage: Damage, make_plan: MakePlan) -> None:
    """Or a reader would take its value for the event's."""
    plan = make_plan(*MARKET, "event.names.symbol=Venue", "event.names.volume=padding")
    for clean, line in damaged(plan, damage):
        assert line is not None
        pairs = json.loads(line, object_pairs_hook=list)
        assert len({name.lower() for name, _ in pairs}) == len(pairs) == len(FIELDS) + 1
        assert dict(pairs).items() > json.loads(clean).items()


def test_a_name_that_json_escapes_is_no_trouble(make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, "event.names.symbol='the \"symbol\" ü'")
    for clean, line in damaged(plan, Damage.INVALID_UTF8):
        assert line is not None
        assert line == clean.replace(b'":"SYM', b'":"\xffSYM', 1)


def test_where_there_are_lines_only_null_is_json(make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET)
    records = market(plan).take(slice(0, 3))
    codes = np.array([Damage.NULL, Damage.EMPTY, Damage.NONE], dtype=np.uint8)
    lines = Payloads(plan, START).lines(replace(records, damage=codes))
    assert lines == [b"null", b"", encode(records.events, plan, START)[2]]


def test_a_line_depends_on_its_record_alone(make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET)
    records = market(plan)
    codes = (np.arange(len(records)) % len(Damage)).astype(np.uint8)
    records = replace(records, damage=codes)
    rows = np.arange(len(records))[::-3]
    whole = Payloads(plan, START).of(records)
    assert Payloads(plan, START).of(records.take(rows)) == [whole[row] for row in rows.tolist()]
    assert Payloads(plan, START).of(records.take(rows[:0])) == []


def test_a_plan_that_was_written_and_read_gives_the_same_bytes(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(*MARKET)
    write_plan(plan, tmp_path / "plan.json")
    again = read_plan(tmp_path / "plan.json")
    for damage in Damage:
        assert damaged(again, damage) == damaged(plan, damage)
