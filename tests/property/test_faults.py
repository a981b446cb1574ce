"""Laws of faults, over random stacks of them: what they never change, and that the ledger has every one and none else."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.answers.ledger import Ledger
from simulator.answers.placement import Placed, Placement
from simulator.encode.payload import Payloads
from simulator.faults.damage import LEGIBLE, Damage
from simulator.faults.digest import RecordDigest
from simulator.faults.model import FAULTS, NAMES, Faults
from simulator.faults.records import Records, joined, of_market
from simulator.faults.stream import records_of
from simulator.market.conditions import LABELS
from simulator.market.digest import StreamDigest
from simulator.market.events import Events, Quotes
from simulator.market.stream import events_of
from simulator.partitioning import partition_of
from simulator.plan import Plan

MakePlan = Callable[..., Plan]
Columns = dict[str, NDArray[Any]]
Name = tuple[str, int, int]
Rows = list[dict[str, Any]]

# Not aligned with any window.
START = 1_735_828_201_234_567
SECOND = 1_000_000_000
EVENT = ("symbol", "seq", "time", "price", "volume", "condition")
QUOTES = ("bid", "ask", "bid_size", "ask_size")
RECORD = ("sent", "copy", "faults", "damage", "withheld", "repeated")

BASE = ("symbols.count=4", "rate=40", "duration=6", "clock=accelerated")
DAY = ("session=equity_day", "session.pre_open=0.5", "session.continuous=2", "session.closed=1")
MARKETS = {
    "trades": BASE,
    "quotes": (*BASE, "quotes=bid_ask", "window.slide=3"),
    "day": (*BASE, *DAY, "quotes=bid_ask", "quotes.publish=false", "window=tumbling", "window.size=0.7"),
}
DELAYS = {
    "constant": ("constant", "value=0.4"),
    "uniform": ("uniform", "high=2"),
    "exponential": ("exponential", "mean=0.5"),
    "pareto": ("pareto", "scale=0.05"),
}
ALL = f"faults=[{','.join(FAULTS)}]"

# Which part of a record a fault may change, by its declaration.
SAYS = {"window_edges", "clock_skew", "bad_tick", "drift", "corrupt"}
SENDS = {"late", "disorder", "burst", "stall"}
COPIES = {"correction", "duplicate"}
WITHHOLDS = {"drop", "stall"}


@dataclass(frozen=True)
class Scope:
    """How one fault of a stack is set."""

    rate: float
    symbols: tuple[int, ...]
    start: float
    span: float
    delay: str
    option: int


@dataclass(frozen=True)
class Stack:
    """A market and what goes wrong with it."""

    market: str
    faults: dict[str, Scope]
    aim: float | None
    seed: int

    def without(self, name: str) -> Stack:
        rest = {other: scope for other, scope in self.faults.items() if other != name}
        return Stack(self.market, rest, self.aim, self.seed)


scopes = st.builds(
    Scope,
    rate=st.sampled_from([0.02, 0.3, 1.0]),
    symbols=st.sampled_from([(), (), (0,), (1, 3)]),
    start=st.sampled_from([0.0, 0.0, 1.234567]),
    span=st.sampled_from([100.0, 2.5]),
    delay=st.sampled_from(list(DELAYS)),
    option=st.integers(0, 4),
)
stacks = st.builds(
    Stack,
    market=st.sampled_from(list(MARKETS)),
    faults=st.fixed_dictionaries({}, optional=dict.fromkeys(FAULTS, scopes)),
    aim=st.sampled_from([None, 0.3, 1.0]),
    seed=st.integers(0, 2**64),
)
EVERYTHING = Stack(
    "quotes",
    {
        name: Scope(0.3, (), 2.0 if name == "stall" else 0.0, 1.0 if name == "stall" else 100.0, "exponential", 1)
        for name in FAULTS
    },
    0.3,
    7,
)


def many(number: int) -> settings:
    """Stacks can be read as they are: they are not shrunk, which would take minutes."""
    return settings(max_examples=number, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])


Build = Callable[[Stack], Plan]


@pytest.fixture(scope="session")
def build(make_plan: MakePlan) -> Build:
    """Plans of stacks, put together from parts that are composed once each."""

    @cache
    def part(*overrides: str) -> Plan:
        return make_plan(*overrides)

    @cache
    def delay(name: str) -> Any:  # noqa: ANN401  # one of the models of delays
        option, value = DELAYS[name]
        late = part("faults=late", f"delay@faults.late.delay={option}", f"faults.late.delay.{value}").faults.late
        assert late is not None
        return late.delay

    def plan(stack: Stack) -> Plan:
        base, defaults = part(*MARKETS[stack.market]), part(ALL).faults
        names = [symbol.name for symbol in base.market.symbols]
        changed = {name: _set(name, getattr(defaults, name), scope, names, delay) for name, scope in stack.faults.items()}
        if "bad_tick" in changed and stack.market == "quotes":
            changed["bad_tick"] = changed["bad_tick"].model_copy(update={"crossed": 0.4})
        aim = {"aim": "none", "aim_rate": 0.0} if stack.aim is None else {"aim": "window_edges", "aim_rate": stack.aim}
        return base.model_copy(update={"seed": stack.seed, "faults": Faults(**aim, **changed)})

    return plan


def _set(name: str, default: Any, scope: Scope, names: list[str], delay: Callable[[str], Any]) -> Any:  # noqa: ANN401  # models
    """The parameters of a fault."""
    update: dict[str, Any] = {
        "rate": scope.rate,
        "symbols": [names[index] for index in scope.symbols],
        "start": scope.start,
        "end": scope.start + scope.span,
    }
    option = scope.option
    if hasattr(default, "delay"):
        update["delay"] = delay(scope.delay)
    own: dict[str, dict[str, Any]] = {
        "clock_skew": {"offset": (0.7, -0.3, {"uniform": [-0.5, 0.5]}, 1e-3, -1e-3)[option]},
        "bad_tick": {"factor": (2, 3, 10, 100, 10_000)[option]},
        "disorder": {"bound": (0.01, 0.1, 0.5, 1.0, 3.0)[option]},
        "correction": {"cancel": (0.0, 0.2, 0.5, 0.8, 1.0)[option]},
        "burst": {"every": 1.0 + option / 7, "over": 0.1 + option / 5},
        "stall": {"release": ("held", "lost")[option % 2], "partition": None if option < 3 else option - 3},
        "drift": {"change": ("rename", "add")[option % 2], "field": ("symbol", "seq", "event_time", "price", "volume")[option]},
        "corrupt": {"huge_bytes": 300},
    }
    return default.model_copy(update={**update, **own.get(name, {})})


def clean(plan: Plan) -> Plan:
    """The same run with nothing going wrong."""
    return plan.model_copy(update={"faults": Faults(aim="none", aim_rate=0.0)})


def blocks_of(plan: Plan, block: int | None = None) -> list[Records]:
    return list(records_of(plan, START, block))


def whole(plan: Plan, block: int | None = None) -> Records:
    return joined(blocks_of(plan, block))


def market_of(plan: Plan) -> Columns:
    pieces = [columns_of(events) for events in events_of(plan)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def columns_of(events: Events) -> Columns:
    found = {name: getattr(events, name) for name in EVENT if getattr(events, name) is not None}
    return found | ({} if events.quotes is None else {name: getattr(events.quotes, name) for name in QUOTES})


def table(records: Records) -> Columns:
    """Every column of records: payload, event and record."""
    intended = {f"intended {name}": column for name, column in columns_of(records.intended).items()}
    return columns_of(records.events) | intended | {name: getattr(records, name) for name in RECORD}


def names_of(records: Records) -> NDArray[np.int64]:
    columns = (records.events.symbol, records.events.seq, records.copy)
    return np.stack([column.astype(np.int64) for column in columns], axis=1)


def agree(one: Columns, other: Columns, but: frozenset[str] = frozenset()) -> None:
    assert one.keys() - but == other.keys() - but
    for name in one.keys() - but:
        assert np.array_equal(one[name], other[name]), name


# What records are.


@many(60)
@given(stack=stacks)
def test_records_hold_to_the_laws(stack: Stack, build: Build) -> None:
    plan = build(stack)
    blocks = blocks_of(plan, 50)
    records = joined(blocks)
    assert np.all(np.diff(records.sent) >= 0)
    assert np.all(records.sent >= records.intended.time)
    names = names_of(records)
    assert len(np.unique(names, axis=0)) == len(records)
    assert np.array_equal(names[:, :2], np.stack([records.intended.symbol, records.intended.seq], axis=1))
    for block, later in zip(blocks, range(1, len(blocks)), strict=False):
        assert min(int(rest.events.time.min()) for rest in blocks[later:]) >= block.oldest_to_come
    told_more_than_once = {tuple(name) for name, count in _counts(names[:, :2]).items() if count > 1}
    assert {tuple(name) for name in names[records.repeated, :2].tolist()} == told_more_than_once
    assert np.all((records.faults == 0) | (records.copy == 0) | (records.faults >> np.uint32(1) != 0))


def _counts(rows: NDArray[np.int64]) -> dict[tuple[int, ...], int]:
    found, counts = np.unique(rows, axis=0, return_counts=True)
    return dict(zip(map(tuple, found.tolist()), counts.tolist(), strict=True))


@many(60)
@given(stack=stacks)
def test_the_market_is_untouched(stack: Stack, build: Build) -> None:
    """And nothing but what a fault may change is changed: symbol, seq, sizes and condition are the event's own."""
    plan = build(stack)
    records = whole(plan)
    firsts = records.take(records.copy == 0)
    firsts = firsts.take(np.lexsort([firsts.intended.seq, firsts.intended.symbol, firsts.intended.time]))
    market = market_of(plan)
    agree(columns_of(firsts.intended), market)
    told, meant = columns_of(records.events), columns_of(records.intended)
    agree(told, meant, but=frozenset({"time", "price", "volume", "bid", "ask"}))
    digest, without = StreamDigest([symbol.name for symbol in plan.market.symbols]), RecordDigest(clean(plan))
    digest.update(firsts.intended)
    for block in records_of(clean(plan), START):
        without.add(block)
    assert digest.hexdigest() == without.hexdigest()


# What does not change records.


@many(20)
@given(stack=stacks)
def test_blocks_leave_every_column_alone(stack: Stack, build: Build) -> None:
    plan = build(stack)
    digests = set()
    for block in (1, 64, 100_000):
        pieces = blocks_of(plan, block)
        agree(table(joined(pieces)), table(whole(plan)))
        digest = RecordDigest(plan)
        for piece in pieces:
            digest.add(piece)
        digests.add(digest.hexdigest())
    assert len(digests) == 1


@many(30)
@given(stack=stacks)
def test_a_seed_gives_the_same_faults_again(stack: Stack, build: Build) -> None:
    plan, again = build(stack), Plan.model_validate(build(stack).model_dump(mode="json"))
    agree(table(whole(plan)), table(whole(again)))


def test_another_seed_strikes_others(build: Build) -> None:
    plan = build(EVERYTHING)
    market = market_of(plan)
    one = whole(plan)
    # The same market, so that only the chance of faults differs.
    other = [Records(*_fields(block)) for block in records_of(plan, START)]
    assert np.array_equal(one.faults, joined(other).faults)
    seeded = whole(plan.model_copy(update={"seed": 8}))
    for number in range(len(NAMES)):
        struck = [{tuple(name) for name in names_of(records)[_has(records, number)].tolist()} for records in (one, seeded)]
        assert struck[0] != struck[1], NAMES[number]
    assert len(market["seq"]) > 100


def _fields(records: Records) -> list[Any]:
    return [getattr(records, name) for name in records.__dataclass_fields__]


def _has(records: Records, number: int) -> NDArray[np.bool_]:
    return (records.faults >> np.uint32(number) & np.uint32(1)).astype(bool)


MORE = ["AAA", "BBB", "CCC", "DDD"]


def of_rates(plan: Plan, names: list[str]) -> Plan:
    """The plan with these symbols, each with a rate of its own, and the faults' scopes by place among `MORE`."""
    symbol = plan.market.symbols[0]
    known = {each.name: MORE[place] for place, each in enumerate(plan.market.symbols)}
    symbols = [symbol.model_copy(update={"name": name, "rate": 5.0 + ord(name[0]) / 20}) for name in names]
    arrivals = plan.market.arrivals.model_copy(update={"rate": None})
    market = {"symbols": symbols, "rate": sum(each.rate for each in symbols), "rotating": False, "arrivals": arrivals}
    faults = {
        name: parameters.model_copy(update={"symbols": [known[each] for each in parameters.symbols]})
        for name, parameters in plan.faults.active.items()
    }
    return plan.model_copy(
        update={"market": plan.market.model_copy(update=market), "faults": plan.faults.model_copy(update=faults)}
    )


@many(40)
@given(stack=stacks, place=st.integers(0, 4))
def test_a_further_symbol_leaves_the_records_of_the_others_alone(stack: Stack, place: int, build: Build) -> None:
    plan = build(stack)
    before = whole(of_rates(plan, MORE))
    after = whole(of_rates(plan, [*MORE[:place], "NEW", *MORE[place:]]))
    for index in range(len(MORE)):
        mine, same = (
            records.take(records.events.symbol == number)
            for records, number in ((before, index), (after, index + (index >= place)))
        )
        agree(table(mine), table(same), but=frozenset({"symbol", "intended symbol"}))


@many(80)
@given(stack=stacks, data=st.data())
def test_a_further_fault_leaves_alone_what_it_does_not_strike(stack: Stack, data: st.DataObject, build: Build) -> None:
    """Every record of an event that it does not strike is the same in every column, and so is what the others strike."""
    if not stack.faults:
        return
    name = data.draw(st.sampled_from(sorted(stack.faults)))
    number = NAMES.index(name)
    after, before = whole(build(stack)), whole(build(stack.without(name)))
    struck = {tuple(row) for row in names_of(after)[_has(after, number), :2].tolist()}
    kept = []
    for records in (after, before):
        records = records.take(np.lexsort([records.copy, records.events.seq, records.events.symbol]))  # noqa: PLW2901
        rows = [tuple(row) not in struck for row in names_of(records)[:, :2].tolist()]
        kept.append(table(records.take(np.array(rows, dtype=bool))))
    agree(*kept)


# The ledger.


@dataclass(frozen=True)
class Sent:
    """A record as a reader finds it: its bytes, and the moment and place of sending."""

    name: Name
    line: bytes | None
    sent: int
    partition: int
    offset: int


def stream_of(plan: Plan) -> tuple[list[Sent], dict[str, list[list[int]]]]:
    """What a topic holds, with gaps in its offsets as transactions leave them, and its delivery reports."""
    names = [symbol.name for symbol in plan.market.symbols]
    partitions = plan.sink.partitions
    assert partitions is not None
    payloads = Payloads(plan, START)
    found: list[Sent] = []
    runs: dict[str, list[list[int]]] = defaultdict(list)
    for block in records_of(plan, START, 77):
        present = block.present
        rows = zip(names_of(present).tolist(), payloads.of(present), present.sent.tolist(), strict=True)
        for (symbol, seq, copy), line, sent in rows:
            partition = partition_of(names[symbol], partitions)
            last = runs[str(partition)]
            if not last or last[-1][1] >= 5 + 3 * partition:
                last.append([(last[-1][0] + last[-1][1] + 2) if last else 100 * partition, 0])
            found.append(Sent((names[symbol], seq, copy), line, sent, partition, last[-1][0] + last[-1][1]))
            last[-1][1] += 1
    return found, runs


def ledger_of(plan: Plan, deliveries: dict[str, list[list[int]]]) -> pl.DataFrame:
    placement = Placement(plan, deliveries, plan.sink.partitions)
    ledger = Ledger(plan, START, placement.names)
    for block in records_of(plan, START, 91):
        ledger.add(placement.of(block))
    return ledger.frame()


def by_name(ledger: pl.DataFrame) -> dict[Name, Rows]:
    rows: dict[Name, Rows] = defaultdict(list)
    times = [name for name in ("intended_time", "actual_time", "sent_time") if name in ledger.columns]
    for row in ledger.with_columns(pl.col(times).dt.epoch("us")).to_dicts():
        rows[row["symbol"], row["seq"], row["copy"]].append(row)
    return rows


@many(50)
@given(stack=stacks)
def test_the_ledger_has_every_fault_and_none_else(stack: Stack, build: Build) -> None:
    """From the bytes of both streams alone: whatever differs has a row that says so, and every row says what differs."""
    plan = build(stack)
    if not plan.faults.any:
        return
    meant, _ = stream_of(clean(plan))
    found, deliveries = stream_of(plan)
    rows = by_name(ledger_of(plan, deliveries))
    there = {record.name: record for record in found}
    assert len(there) == len(found)
    for event in meant:
        record, told = there.pop(event.name, None), rows.pop(event.name, [])
        if record is None:
            check_missing(event, told)
        else:
            check_changed(event, record, told)
    originals = {event.name[:2]: event for event in meant}
    for name, record in there.items():
        check_copy(originals[name[:2]], record, rows.pop(name))
    for name, told in rows.items():  # copies that are lost in a stall
        assert name[2] > 0
        check_missing(originals[name[:2]], told)


def check_missing(event: Sent, told: Rows) -> None:
    assert {row["kind"] for row in told} & WITHHOLDS
    for row in told:
        assert row["intended_time"] == START + event.sent // 1000
        assert [row[name] for name in ("actual_time", "sent_time", "partition", "offset")] == [None] * 4


def check_changed(event: Sent, record: Sent, told: Rows) -> None:
    kinds = [row["kind"] for row in told]
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) <= SAYS | SENDS
    assert bool(set(kinds) & SAYS) == (record.line != event.line), (event, record, kinds)
    assert bool(set(kinds) & SENDS) == (record.sent != event.sent), (event, record, kinds)
    check_rows(event, record, told)


def check_copy(event: Sent, record: Sent, told: Rows) -> None:
    kinds = {row["kind"] for row in told}
    assert kinds & COPIES
    assert kinds <= COPIES | SENDS | {"drift", "corrupt"}
    assert ("duplicate" in kinds) == (record.name[2] % 2 == 1)
    assert ("correction" in kinds) == (record.name[2] == 2)
    check_rows(event, record, told)


def check_rows(event: Sent, record: Sent, told: Rows) -> None:
    for row in told:
        assert row["intended_time"] == START + event.sent // 1000
        assert row["sent_time"] == START + record.sent // 1000
        assert (row["partition"], row["offset"]) == (record.partition, record.offset)
        assert (row["detail"] is not None) == (row["kind"] in {"drift", "corrupt"})
        intact = all(each["detail"] in {None, "extra_field", "huge", "added_field"} for each in told)
        if intact and record.line is not None:
            said = json.loads(record.line)["event_time"]
            assert said == _written(row["actual_time"])


def _written(microseconds: int) -> str:
    return str(pl.Series([microseconds]).cast(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ")[0])


@many(30)
@given(stack=stacks)
def test_with_faults_removed_by_the_ledger_the_stream_is_the_clean_one(stack: Stack, build: Build) -> None:
    """Its digest, for which only the nanoseconds below the ledger's are taken from the market; and its bytes, from the ledger."""
    plan = build(stack)
    if not plan.faults.any:
        return
    found, deliveries = stream_of(plan)
    ledger = ledger_of(plan, deliveries)
    rows = by_name(ledger)
    restored = {record.name: record.line for record in found if record.name[2] == 0}
    of_events = {name: told[0] for name, told in rows.items() if name[2] == 0}
    if of_events:
        lines = Payloads(clean(plan), START).of(_as_told(plan, list(of_events.values())))
        restored |= dict(zip(of_events, lines, strict=True))
    meant, _ = stream_of(clean(plan))
    assert restored == {event.name: event.line for event in meant}

    names = [symbol.name for symbol in plan.market.symbols]
    records = whole(plan)
    own = records.take(records.copy == 0)
    keys = [(names[symbol], seq, 0) in rows for symbol, seq in zip(own.events.symbol, own.events.seq.tolist(), strict=True)]
    changed = np.array(keys, dtype=bool)
    pieces = joined([own.take(~changed), _as_meant(own.take(changed))]) if changed.any() else own
    digest, right = StreamDigest(names), StreamDigest(names)
    digest.update(pieces.events.take(np.lexsort([pieces.events.seq, pieces.events.symbol, pieces.events.time])))
    for events in events_of(plan):
        right.update(events)
    assert digest.hexdigest() == right.hexdigest()


def _as_meant(records: Records) -> Records:
    return Records(records.intended, *_fields(records)[1:])


def _as_told(plan: Plan, rows: Rows) -> Records:
    """Records of the events that rows of the ledger say were meant, of nothing else."""
    names = [symbol.name for symbol in plan.market.symbols]
    unit = 10**plan.market.price_decimals
    prices = {name: np.array([round(row[name] * unit) for row in rows]) for name in ("price", "bid", "ask") if name in rows[0]}
    sizes = {name: np.array([row[name] for row in rows]) for name in ("bid_size", "ask_size") if name in rows[0]}
    codes = {label: code for code, label in LABELS.items()}
    return of_market(
        Events(
            symbol=np.array([names.index(row["symbol"]) for row in rows], dtype=np.uint32),
            seq=np.array([row["seq"] for row in rows]),
            time=np.array([(row["intended_time"] - START) * 1000 for row in rows]),
            price=prices.pop("price"),
            volume=np.array([row["volume"] for row in rows]),
            quotes=Quotes(**prices, **sizes) if prices else None,
            condition=np.array([codes[row["condition"]] for row in rows], dtype=np.uint8) if "condition" in rows[0] else None,
        ),
        0,
    )


@many(40)
@given(stack=stacks)
def test_nothing_in_a_payload_gives_a_fault_away(stack: Stack, build: Build) -> None:
    """Fields, their order and their types are those of the schema; faults that change the schema do it by declaration."""
    plan = build(stack)
    (clean_line, *_) = Payloads(clean(plan), START).of(next(records_of(clean(plan), START)))
    assert clean_line is not None
    fields = {name: type(value) for name, value in json.loads(clean_line).items()}
    declared = {Damage.EXTRA_FIELD, Damage.HUGE, Damage.ADDED_FIELD}
    for block in records_of(plan, START):
        present = block.present
        for line, damage in zip(Payloads(plan, START).of(present), present.damage.tolist(), strict=True):
            if LEGIBLE[damage]:
                assert line is not None
                content = json.loads(line)
                told = {name: type(value) for name, value in content.items() if name in fields}
                assert told == fields
                assert list(told) == list(fields)
                assert len(content) == len(fields) + (damage in declared)


def test_everything_at_once_has_every_kind(build: Build) -> None:
    """Or the laws of the ledger would say nothing."""
    plan = build(EVERYTHING)
    ledger = ledger_of(plan, stream_of(plan)[1])
    assert set(ledger["kind"]) == set(NAMES)
    assert set(ledger["detail"].drop_nulls()) >= {damage.label for damage in Damage} - {"none", "renamed_field"}


def test_placed_takes_what_records_take(build: Build) -> None:
    records = whole(build(EVERYTHING))
    numbers = np.arange(len(records))
    half = Placed(records, numbers, numbers).take(numbers % 2 == 0)
    assert half.place.tolist() == half.offset.tolist() == numbers[::2].tolist()
    assert np.array_equal(half.records.sent, records.sent[::2])
