"""Each fault by itself: that it strikes as often, where and when it says, and does what it says and nothing else."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, kstest

from simulator.answers.ledger import Ledger
from simulator.answers.placement import Placement
from simulator.encode.payload import Payloads
from simulator.faults.bad_tick import BadTick
from simulator.faults.chance import Chance
from simulator.faults.correction import Correction
from simulator.faults.damage import LEGIBLE, Damage
from simulator.faults.model import FAULTS, NAMES, faults_at_work
from simulator.faults.records import Records, joined
from simulator.faults.stream import records_of
from simulator.partitioning import partition_of
from simulator.plan import Plan

MakePlan = Callable[..., Plan]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

START = 1_735_828_201_234_567
SECOND, MILLISECOND, MICROSECOND = 1_000_000_000, 1_000_000, 1_000
MARKET = ("symbols.count=6", "rate=4000", "duration=10", "clock=accelerated")
MOST_SIGMAS = 4.5
LEAST_P = 1e-5

COLUMNS = ("time", "price", "volume", "bid", "ask", "sent", "damage", "withheld")
CHANGES = {
    "clock_skew": {"time"},
    "bad_tick": {"price"},
    "drop": {"withheld"},
    "late": {"sent"},
    "disorder": {"sent"},
    "correction": {"price", "volume", "sent"},
    "duplicate": {"sent"},
    "burst": {"sent"},
    "stall": {"sent"},
    "drift": {"damage"},
    "corrupt": {"damage"},
}


def whole(plan: Plan) -> Records:
    return joined(list(records_of(plan, START)))


def struck(records: Records, name: str) -> Mask:
    return (records.faults >> np.uint32(NAMES.index(name)) & np.uint32(1)).astype(bool)


def split(make_plan: MakePlan, name: str, *overrides: str) -> tuple[Records, Records]:
    """The records that a fault strikes, and the others; of faults that copy: the copies, and the originals."""
    records = whole(make_plan(*MARKET, f"faults={name}", *(f"faults.{name}.{override}" for override in overrides)))
    hit = struck(records, name)
    return records.take(hit), records.take(~hit)


def column(records: Records, name: str, *, meant: bool = False) -> NDArray[Any]:
    if name in {"sent", "damage", "withheld"}:
        if not meant:
            found: NDArray[Any] = getattr(records, name)
            return found
        return records.intended.time if name == "sent" else np.zeros(len(records), dtype=np.uint8)
    events = records.intended if meant else records.events
    values: NDArray[Any] = getattr(events if name in {"time", "price", "volume"} else events.quotes, name)
    return values


def changed(records: Records) -> set[str]:
    """The columns that are not as they were meant, in any record."""
    names = COLUMNS if records.events.quotes is not None else [name for name in COLUMNS if name not in {"bid", "ask"}]
    return {name for name in names if np.any(column(records, name) != column(records, name, meant=True))}


def assert_share(hits: int, count: int, rate: float) -> None:
    """Within 4.5 standard errors of a binomial share."""
    assert abs(hits - count * rate) <= MOST_SIGMAS * np.sqrt(count * rate * (1 - rate)), (hits / count, rate)


def in_span(records: Records, low: float, high: float) -> Mask:
    return (records.intended.time >= low * SECOND) & (records.intended.time < high * SECOND)


# What all faults have in common.


def test_faults_have_the_numbers_of_their_order(make_plan: MakePlan) -> None:
    assert ("window_edges", *FAULTS) == NAMES
    assert CHANGES.keys() == FAULTS.keys()
    plan = make_plan(*MARKET, f"faults=[{','.join(FAULTS)}]", "faults.aim=window_edges")
    setting = _setting(plan)
    assert [fault.number for fault in faults_at_work(plan.faults, setting)] == [1, 0, *range(2, len(NAMES))]


def _setting(plan: Plan) -> Any:  # noqa: ANN401  # of `faults.base`
    from simulator.faults.base import Setting  # noqa: PLC0415

    window = plan.answers.window
    names = [symbol.name for symbol in plan.market.symbols]
    return Setting(plan.seed, names, plan.sink.partitions, window, START % window.slide)


@pytest.mark.parametrize("rate", [0.0, 0.003, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_strikes_its_share_of_its_scope_and_nothing_else(name: str, rate: float, make_plan: MakePlan) -> None:
    hit, others = split(make_plan, name, f"rate={rate}", "symbols=[SYM001,SYM004]", "start=2", "end=8.5")
    assert not len(hit) or CHANGES[name] <= changed(hit) <= CHANGES[name]
    assert not changed(others)
    originals = others if name in {"correction", "duplicate"} else joined([hit, others])
    scope = in_span(originals, 2, 8.5) & np.isin(originals.events.symbol, [1, 4])
    if name == "burst":
        scope &= originals.intended.time % SECOND >= SECOND // 2
    assert np.all(in_span(hit, 2, 8.5))
    assert set(hit.events.symbol.tolist()) <= {1, 4}
    assert_share(len(hit), int(scope.sum()), rate)
    assert rate == 0 or len(hit) > 10


@pytest.mark.parametrize(("one", "other"), list(pairwise(FAULTS)))
def test_faults_strike_independently(one: str, other: str, make_plan: MakePlan) -> None:
    """The same records would be struck by both if they shared their chance."""
    settings = [f"faults.{name}.{setting}" for name in (one, other) for setting in ("rate=0.3", "start=0", "end=100")]
    always = ["faults.burst.over=1"] if "burst" in {one, other} else []
    records = whole(make_plan(*MARKET, f"faults=[{one},{other}]", *settings, *always))
    first, second = _names_struck(records, one), _names_struck(records, other)
    candidates = len({tuple(row) for row in _names(records)})
    if one == "drop" or other == "corrupt":  # which pass over what the one before has struck
        assert not first & second
        assert_share(len(second), candidates - len(first), 0.3)
    else:  # a copy is one more to strike
        assert_share(len(first & second), candidates, 0.3 * (0.51 if "duplicate" in {one, other} else 0.3))


def _names(records: Records) -> list[list[int]]:
    names: list[list[int]] = np.stack([records.events.symbol, records.events.seq], axis=1).tolist()
    return names


def _names_struck(records: Records, name: str) -> set[tuple[int, ...]]:
    return {tuple(row) for row in _names(records.take(struck(records, name)))}


# Chance.


def some_records(make_plan: MakePlan) -> Records:
    return whole(make_plan(*MARKET))


def test_chance_is_uniform(make_plan: MakePlan) -> None:
    records = some_records(make_plan)
    names = [f"SYM{number:03}" for number in range(6)]
    uniform = Chance(1, names, "test").uniform(records)
    assert np.all((uniform >= 0) & (uniform < 1))
    assert kstest(uniform, "uniform").pvalue > LEAST_P
    # Neighbours in a symbol, and pairs of them in the unit square.
    for symbol in range(6):
        mine = uniform[records.events.symbol == symbol]
        assert abs(np.corrcoef(mine[1:], mine[:-1])[0, 1]) < MOST_SIGMAS / np.sqrt(mine.size)
        assert_flat(np.histogram2d(mine[1:], mine[:-1], bins=8, range=[[0, 1], [0, 1]])[0])
    words = Chance(1, names, "test").words(records)
    for bit in range(64):
        assert_share(int((words >> np.uint64(bit) & np.uint64(1)).sum()), words.size, 0.5)


def assert_flat(counts: NDArray[np.float64]) -> None:
    expected = counts.sum() / counts.size
    assert chi2.sf(float(((counts - expected) ** 2 / expected).sum()), counts.size - 1) > LEAST_P


def test_purposes_seeds_symbols_and_copies_are_independent(make_plan: MakePlan) -> None:
    records = some_records(make_plan)
    names = [f"SYM{number:03}" for number in range(6)]
    copies = replace(records, copy=records.copy + np.uint8(1))
    base = Chance(1, names, "one").uniform(records)
    for other in (
        Chance(1, names, "other").uniform(records),
        Chance(2, names, "one").uniform(records),
        Chance(1, [*names[1:], names[0]], "one").uniform(records),
        Chance(1, names, "one").uniform(copies),
    ):
        assert abs(np.corrcoef(base, other)[0, 1]) < MOST_SIGMAS / np.sqrt(base.size)
        assert_flat(np.histogram2d(base, other, bins=10, range=[[0, 1], [0, 1]])[0])
    further = replace(records, events=replace(records.events, symbol=records.events.symbol + np.uint32(1)))
    assert np.array_equal(Chance(1, ["NEW", *names], "one").uniform(further), base)


def test_symbols_draw_for_themselves() -> None:
    names = [f"S{number}" for number in range(5000)]
    uniform = Chance(3, names, "offset").uniform_by_symbol()
    assert kstest(uniform, "uniform").pvalue > LEAST_P
    assert np.array_equal(Chance(3, names[::-1], "offset").uniform_by_symbol(), uniform[::-1])


def test_rates_of_0_1_and_next_to_nothing(make_plan: MakePlan) -> None:
    records = some_records(make_plan)
    chance = Chance(1, [f"SYM{number:03}" for number in range(6)], "test")
    assert not chance.below(records, 0.0).any()
    assert chance.below(records, 1.0).all()
    assert chance.below(records, float(np.nextafter(1.0, 0.0))).all()
    assert not chance.below(records, 1e-300).any()
    assert not chance.below(records, 2.0**-63).any()
    for rate in (1e-3, 0.25):
        assert np.array_equal(chance.below(records, rate), chance.uniform(records) < rate)


# Delays.

DELAYS: dict[str, tuple[list[str], Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "uniform": (["low=1", "high=4"], lambda x: np.clip((x - 1) / 3, 0, 1)),
    "exponential": (["mean=0.7", "longest=1000"], lambda x: 1 - np.exp(-x / 0.7)),
    "pareto": (["scale=0.2", "shape=1.5", "longest=1000000"], lambda x: 1 - (0.2 / np.maximum(x, 0.2)) ** 1.5),
}


@pytest.mark.parametrize("kind", DELAYS)
@pytest.mark.parametrize("name", ["late", "duplicate", "correction"])
def test_delays_have_their_distribution(name: str, kind: str, make_plan: MakePlan) -> None:
    values, distribution = DELAYS[kind]
    late = make_plan(
        "faults=late", f"delay@faults.late.delay={kind}", *(f"faults.late.delay.{value}" for value in values)
    ).faults.late
    assert late is not None
    plan = make_plan(*MARKET, f"faults={name}", f"faults.{name}.rate=0.5")
    parameters = plan.faults.active[name].model_copy(update={"delay": late.delay})
    records = whole(plan.model_copy(update={"faults": plan.faults.model_copy(update={name: parameters})}))
    hit = records.take(struck(records, name))
    seconds = (hit.sent - hit.intended.time) / SECOND
    assert kstest(seconds, distribution).pvalue > LEAST_P
    assert seconds.min() >= {"uniform": 1, "exponential": 0, "pareto": 0.2}[kind] - 1e-9


@pytest.mark.parametrize("kind", ["exponential", "pareto"])
def test_no_delay_is_longer_than_the_longest(kind: str, make_plan: MakePlan) -> None:
    overrides = [f"delay@faults.late.delay={kind}", "faults.late.delay.longest=1.5", "faults.late.rate=1"]
    records = whole(make_plan(*MARKET, "faults=late", *overrides))
    seconds = (records.sent - records.intended.time) / SECOND
    assert seconds.max() == 1.5
    assert_share(int((seconds == 1.5).sum()), seconds.size, np.exp(-1.5 / 5) if kind == "exponential" else (0.5 / 1.5) ** 1.2)


def test_a_constant_delay_is_exact(make_plan: MakePlan) -> None:
    records = whole(make_plan(*MARKET, "faults=late", "delay@faults.late.delay=constant", "faults.late.delay.value=1.000000001"))
    hit = records.take(struck(records, "late"))
    assert set((hit.sent - hit.intended.time).tolist()) == {1_000_000_001}


# When records are sent.


def test_disorder_is_bounded(make_plan: MakePlan) -> None:
    hit, _ = split(make_plan, "disorder", "rate=0.5", "bound=0.25")
    moved = (hit.sent - hit.intended.time) / SECOND
    assert moved.min() >= 0
    assert moved.max() < 0.25
    assert kstest(moved / 0.25, "uniform").pvalue > LEAST_P


def test_disorder_lets_only_neighbours_change_places(make_plan: MakePlan) -> None:
    records = whole(make_plan(*MARKET, "faults=disorder", "faults.disorder.rate=1", "faults.disorder.bound=0.01"))
    newest = np.maximum.accumulate(records.intended.time)
    assert 0 < (newest - records.intended.time).max() < 0.01 * SECOND


def test_a_burst_is_sent_at_the_end_of_its_period(make_plan: MakePlan) -> None:
    hit, others = split(make_plan, "burst", "every=2.5", "over=0.7")
    period = 2.5 * SECOND
    assert np.all(hit.intended.time % period >= 1.8 * SECOND)
    assert np.all(others.intended.time % period < 1.8 * SECOND)
    assert np.array_equal(hit.sent, (hit.intended.time // period + 1) * period)


@pytest.mark.parametrize("release", ["held", "lost"])
def test_a_stall_is_a_silence(release: str, make_plan: MakePlan) -> None:
    records = whole(
        make_plan(*MARKET, "faults=stall", "faults.stall.start=3", "faults.stall.end=5.5", f"faults.stall.release={release}")
    )
    hit = struck(records, "stall")
    assert np.array_equal(hit, in_span(records, 3, 5.5))
    sent = records.present.sent
    assert not np.any((sent >= 3 * SECOND) & (sent < 5.5 * SECOND))
    assert np.array_equal(records.withheld, hit if release == "lost" else np.zeros_like(hit))
    if release == "held":
        assert set(records.sent[hit].tolist()) == {5_500_000_000}
        # At the end all is sent in the market's order.
        assert np.all(np.diff(records.intended.time[hit]) >= 0)


@pytest.mark.parametrize("partition", range(4))
def test_a_stall_of_a_partition_strikes_its_symbols(partition: int, make_plan: MakePlan) -> None:
    hit, others = split(make_plan, "stall", f"partition={partition}", "start=1", "end=4")
    names = [f"SYM{number:03}" for number in range(6)]
    mine = {index for index, name in enumerate(names) if partition_of(name, 4) == partition}
    assert set(hit.events.symbol.tolist()) == mine
    assert not set(others.events.symbol[in_span(others, 1, 4)].tolist()) & mine


def test_a_stall_holds_up_whatever_would_be_sent(make_plan: MakePlan) -> None:
    """Also what is late, and repeats; its span is that of sending."""
    stall = ["faults.stall.start=5", "faults.stall.end=8"]
    late = ["faults.late.rate=0.5", "faults.duplicate.rate=0.5", "faults.late.delay.mean=3"]
    records = whole(make_plan(*MARKET, "faults=[late,duplicate,stall]", *stall, *late))
    assert not np.any((records.sent >= 5 * SECOND) & (records.sent < 8 * SECOND))
    hit = records.take(struck(records, "stall"))
    assert np.all(hit.sent == 8 * SECOND)
    assert np.any(hit.intended.time < 4 * SECOND)
    assert np.any(hit.copy == 1)


def test_dropped_records_leave_gaps(make_plan: MakePlan) -> None:
    hit, others = split(make_plan, "drop", "rate=0.1")
    assert np.all(hit.withheld)
    for symbol in range(6):
        gone, left = (set(part.events.seq[part.events.symbol == symbol].tolist()) for part in (hit, others))
        assert gone | left == set(range(len(gone) + len(left)))
        assert gone


# What is sent once more.


def pairs(make_plan: MakePlan, name: str, *overrides: str) -> tuple[Records, Records]:
    """Copies with their originals, row by row."""
    records = whole(make_plan(*MARKET, f"faults={name}", *(f"faults.{name}.{override}" for override in overrides)))
    copies, originals = records.take(records.copy > 0), records.take(records.copy == 0)
    parts = (copies, originals.take(originals.repeated))
    both = [part.take(np.lexsort([part.events.seq, part.events.symbol])) for part in parts]
    assert np.array_equal(both[0].events.seq, both[1].events.seq)
    assert np.array_equal(both[0].events.symbol, both[1].events.symbol)
    return both[0], both[1]


def test_a_duplicate_is_the_same_record_again(make_plan: MakePlan) -> None:
    copies, originals = pairs(make_plan, "duplicate", "rate=0.2")
    for name in ("time", "price", "volume"):
        assert np.array_equal(column(copies, name), column(originals, name))
    assert np.all(copies.sent >= originals.sent)
    assert set(copies.copy.tolist()) == {1}
    assert not originals.faults.any()
    assert struck(copies, "duplicate").all()


def test_a_correction_reports_a_trade_once_more(make_plan: MakePlan) -> None:
    copies, originals = pairs(make_plan, "correction", "rate=0.3", "cancel=0.25", "move=0.01")
    assert set(copies.copy.tolist()) == {2}
    assert np.array_equal(copies.events.time, originals.events.time)
    cancelled = copies.events.volume == 0
    assert_share(int(cancelled.sum()), len(copies), 0.25)
    assert np.array_equal(copies.events.price[cancelled], originals.events.price[cancelled])
    replaced = copies.take(~cancelled)
    before = originals.take(~cancelled).events.price
    assert np.array_equal(replaced.events.volume, originals.events.volume[~cancelled])
    shift = replaced.events.price - before
    assert np.all(shift != 0)
    assert np.abs(shift / before).max() <= 0.01 + 0.5 / before.min()
    assert kstest(shift / before + 0.01, "uniform", args=(0, 0.02)).pvalue > LEAST_P / 10  # whole ticks of some hundred


def test_statuses_are_not_corrected(make_plan: MakePlan) -> None:
    day = ("session=equity_day", "session.pre_open=0.5", "session.continuous=2", "session.closed=1")
    plan = make_plan(*MARKET, *day, "faults=correction", "faults.correction.rate=1")
    records = whole(plan)
    assert np.any(records.intended.volume == 0)
    assert np.all(records.intended.volume[records.copy == 2] > 0)
    assert int((records.copy == 2).sum()) == int((records.intended.volume[records.copy == 0] > 0).sum())


def test_repeats_of_corrections_have_a_number_of_their_own(make_plan: MakePlan) -> None:
    records = whole(make_plan(*MARKET, "faults=[correction,duplicate]", "faults.correction.rate=1", "faults.duplicate.rate=1"))
    assert np.bincount(records.copy).tolist() == [len(records) // 4] * 4
    assert records.repeated.all()


# What records say.


@pytest.mark.parametrize("factor", [2, 100])
def test_bad_ticks_are_off_by_the_factor(factor: int, make_plan: MakePlan) -> None:
    hit, _ = split(make_plan, "bad_tick", "rate=0.2", f"factor={factor}")
    up = hit.events.price == hit.intended.price * factor
    assert np.array_equal(hit.events.price[~up], hit.intended.price[~up] // factor)
    assert_share(int(up.sum()), len(hit), 0.5)


def test_crossed_quotes_change_sides(make_plan: MakePlan) -> None:
    bad = ["faults.bad_tick.rate=0.2", "faults.bad_tick.crossed=0.3"]
    records = whole(make_plan(*MARKET, "quotes=bid_ask", "faults=bad_tick", *bad))
    hit = records.take(struck(records, "bad_tick"))
    quotes, meant = hit.events.quotes, hit.intended.quotes
    assert quotes is not None
    assert meant is not None
    crossed = quotes.bid > quotes.ask
    assert_share(int(crossed.sum()), len(hit), 0.3)
    assert np.array_equal(quotes.bid, np.where(crossed, meant.ask, meant.bid))
    assert np.array_equal(quotes.ask, np.where(crossed, meant.bid, meant.ask))
    assert np.array_equal(crossed, hit.events.price == hit.intended.price)


def test_the_smallest_prices_go_bad_and_are_corrected_too(make_plan: MakePlan) -> None:
    """A price of one unit cannot be divided."""
    cheap = ("symbols.price=0.01", "symbols.count=2", "rate=2000", "duration=2", "clock=accelerated", "dynamics.volatility=0.01")
    faults = ("faults.bad_tick.rate=1", "faults.correction.rate=1", "faults.correction.cancel=0", "faults.correction.move=0.9")
    plan = make_plan(*cheap, "faults=[bad_tick,correction]", *faults)
    for fault, name in ((BadTick, "bad_tick"), (Correction, "correction")):
        alone = plan.faults.model_copy(update={"bad_tick": None, "correction": None, name: getattr(plan.faults, name)})
        records = whole(plan.model_copy(update={"faults": alone}))
        hit = records.take(struck(records, name))
        assert len(hit) > 1000, fault
        assert set(hit.intended.price.tolist()) == {1}
        assert np.all(hit.events.price != hit.intended.price)


def test_each_symbol_has_a_clock_of_its_own(make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, "symbols.count=300", "faults=clock_skew", "faults.clock_skew.offset.uniform=[-0.2,0.6]")
    records = whole(plan)
    skew = records.events.time - records.intended.time
    offsets = []
    for symbol in range(300):
        (offset,) = set(skew[records.events.symbol == symbol].tolist())
        offsets.append(offset / SECOND)
    assert kstest((np.array(offsets) + 0.2) / 0.8, "uniform").pvalue > LEAST_P
    assert np.array_equal(records.sent, records.intended.time)


def test_a_clock_may_be_off_by_the_same_for_all(make_plan: MakePlan) -> None:
    hit, others = split(make_plan, "clock_skew", "offset=-1.5", "rate=0.5")
    assert set((hit.events.time - hit.intended.time).tolist()) == {-1_500_000_000}
    assert len(others)


def test_drift_begins_at_its_time(make_plan: MakePlan) -> None:
    for change, damage in (("rename", Damage.RENAMED_FIELD), ("add", Damage.ADDED_FIELD)):
        records = whole(make_plan(*MARKET, "faults=drift", "faults.drift.start=4", f"faults.drift.change={change}"))
        assert np.array_equal(records.damage == damage, records.intended.time >= 4 * SECOND)
        assert LEGIBLE[damage] == (change == "add")


def test_corruption_takes_its_kinds_evenly(make_plan: MakePlan) -> None:
    hit, _ = split(make_plan, "corrupt", "rate=0.5")
    counts = np.bincount(hit.damage)
    kinds = [Damage.TRUNCATED, Damage.WRONG_TYPE, Damage.MISSING_FIELD, Damage.EXTRA_FIELD, Damage.NOT_A_NUMBER]
    kinds += [Damage.INVALID_UTF8, Damage.EMPTY, Damage.NULL, Damage.HUGE]
    assert np.flatnonzero(counts).tolist() == sorted(kinds)
    assert_flat(counts[sorted(kinds)].astype(np.float64))
    hit, _ = split(make_plan, "corrupt", "rate=0.5", "kinds=[empty,'null']")
    assert np.unique(hit.damage).tolist() == [Damage.EMPTY, Damage.NULL]


def test_what_has_drifted_is_not_corrupted_too(make_plan: MakePlan) -> None:
    rates = ["faults.drift.rate=0.5", "faults.drift.start=0", "faults.corrupt.rate=0.5"]
    records = whole(make_plan(*MARKET, "faults=[drift,corrupt]", *rates))
    drifted, corrupted = struck(records, "drift"), struck(records, "corrupt")
    assert not np.any(drifted & corrupted)
    assert_share(int(corrupted.sum()), int((~drifted).sum()), 0.5)


# Aim.

EDGES = ("faults.aim=window_edges", "window.size=2", "window.slide=1", "window.watermark=1.5")


@pytest.mark.parametrize("slide", ["1", "0.7", "2"])
@pytest.mark.parametrize("start", [START, 0, 1_735_828_200_000_000])
def test_aimed_times_are_at_the_edges_of_windows(start: int, slide: str, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, *EDGES, f"window.slide={slide}", "faults.aim_rate=0.4")
    records = joined(list(records_of(plan, start)))
    hit = struck(records, "window_edges")
    assert_share(int(hit.sum()), len(records), 0.4)
    aimed, width = records.take(hit), round(float(slide) * 1_000_000)
    assert np.all(aimed.events.time % MICROSECOND == 0)
    written = start + aimed.events.time // MICROSECOND
    beside = (written + 1) % width - 1
    assert np.flatnonzero(np.bincount(beside + 1)).tolist() == [0, 1, 2]
    assert_flat(np.bincount(beside + 1).astype(np.float64))
    # The nearest edge, and no other record is moved.
    assert np.abs(aimed.events.time - aimed.intended.time).max() <= width * MICROSECOND // 2 + MICROSECOND
    others = records.take(~hit)
    assert np.array_equal(others.events.time, others.intended.time)
    assert np.array_equal(records.sent, records.intended.time)


@pytest.mark.parametrize("name", ["late", "duplicate"])
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_what_is_late_is_on_the_verge(name: str, rate: float, make_plan: MakePlan) -> None:
    """Also where the event's own time was aimed: it is that of the payload that the reader's watermark is compared with."""
    overrides = [f"faults.aim_rate={rate}", f"faults={name}", f"faults.{name}.rate=0.5"]
    records = whole(make_plan(*MARKET, *EDGES, *overrides))
    hit = records.take(struck(records, name))
    assert len(hit) > 1000
    time = hit.events.time + START % 1_000_000 * MICROSECOND
    second = time // SECOND * SECOND
    targets = {"itself": time, "first end": second + SECOND, "last end": second + 2 * SECOND}
    after = hit.sent + START % 1_000_000 * MICROSECOND - 1_500 * MILLISECOND
    counts = {
        (target, side): int((after - verge == side * MILLISECOND).sum())
        for target, verge in targets.items()
        for side in (-1, 0, 1)
    }
    assert sum(counts.values()) >= len(hit)
    assert min(counts.values()) > len(hit) / 9 * 0.8, counts


def test_aim_that_is_past_already_is_an_ordinary_delay(make_plan: MakePlan) -> None:
    """With a fast enough reader everything counts at once; a clock that is slow by more than the watermark leaves no verge."""
    skew = ["faults.clock_skew.offset=-100"]
    late = ["delay@faults.late.delay=constant", "faults.late.delay.value=0.123", "faults.late.rate=0.5"]
    records = whole(make_plan(*MARKET, *EDGES, "faults=[clock_skew,late]", *skew, *late))
    hit = records.take(struck(records, "late"))
    assert set((hit.sent - hit.intended.time).tolist()) == {123_000_000}


def test_copies_have_the_aimed_times_of_their_originals(make_plan: MakePlan) -> None:
    overrides = [
        "faults=[correction,duplicate]",
        "faults.correction.rate=0.5",
        "faults.duplicate.rate=0.5",
        "faults.aim_rate=0.5",
    ]
    records = whole(make_plan(*MARKET, *EDGES, *overrides))
    own = {(symbol, seq): time for symbol, seq, copy, time in _rows(records) if copy == 0}
    assert all(own[symbol, seq] == time for symbol, seq, _, time in _rows(records))


def _rows(records: Records) -> list[tuple[int, int, int, int]]:
    events = records.events
    return list(zip(events.symbol.tolist(), events.seq.tolist(), records.copy.tolist(), events.time.tolist(), strict=True))


# The page on faults.

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n\$ python -m simulator (.*)\n((?:.*\n)*?)```", PAGE, re.MULTILINE)
SAMPLES = {command: output for command, output in BLOCKS if "mode=sample" in command}


@pytest.mark.parametrize("name", FAULTS)
def test_the_page_shows_each_fault_as_it_is_configured(name: str) -> None:
    assert f"### `{name}`\n" in PAGE
    assert (ROOT / "conf" / "faults" / f"{name}.yaml").read_text(encoding="utf-8") in PAGE


def printed(plan: Plan, events: int) -> list[str]:
    """What mode=sample prints of a plan whose clock is not the wall's."""
    assert plan.clock.start is not None
    lines = [
        line for block in records_of(plan, plan.clock.start) for line in Payloads(plan, plan.clock.start).lines(block.present)
    ]
    return [line.decode(errors="replace") for line in lines[:events]]


@pytest.mark.parametrize("command", SAMPLES)
def test_the_page_shows_what_the_program_prints(command: str, make_plan: MakePlan) -> None:
    shown = SAMPLES[command].splitlines()
    assert printed(make_plan(*shlex.split(command)), len(shown)) == shown
    assert f"events={len(shown)}" in command


@pytest.mark.parametrize("kind", ["truncated", "wrong_type", "missing_field", "extra_field", "not_a_number", "invalid_utf8"])
def test_the_page_shows_what_corruption_makes_of_the_event(kind: str, make_plan: MakePlan) -> None:
    (command,) = (command for command in SAMPLES if "faults=corrupt" in command)
    overrides = [override for override in shlex.split(command) if "kinds" not in override]
    line = printed(make_plan(*overrides, f"faults.corrupt.kinds=[{kind}]"), 3)[1]
    assert f"| `{kind}` | `{line}` |" in PAGE


def test_the_query_of_the_page_gives_what_it_shows(tmp_path: Path) -> None:
    (command,) = (command for command, _ in BLOCKS if "mode=produce" in command)
    ((query, answer),) = re.findall(r"^```python\n(.*?)```\n\n```\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    subprocess.run([sys.executable, "-m", "simulator", *shlex.split(command)], cwd=tmp_path, capture_output=True, check=True)
    done = subprocess.run([sys.executable, "-c", query], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == answer


def test_the_page_names_every_column_of_the_ledger_and_every_command_composes(make_plan: MakePlan) -> None:
    for command, _ in BLOCKS:
        make_plan(*(override for override in shlex.split(command) if not override.startswith("hydra.")))
    plan = make_plan("faults=drop", "quotes=bid_ask", "duration=1")
    placement = Placement(plan, {}, 4)
    ledger = Ledger(plan, START, placement.names)
    for block in records_of(plan, START):
        ledger.add(placement.of(block))
    of_quotes = {"bid", "ask", "bid_size", "ask_size"}
    assert all(f"`{column}`" in PAGE for column in ledger.frame().columns if column not in of_quotes)


def test_a_run_in_which_nothing_was_struck_has_a_ledger_with_all_columns(make_plan: MakePlan) -> None:
    frames = []
    for rate in (0, 1):
        plan = make_plan("faults=duplicate", f"faults.duplicate.rate={rate}", "duration=2")
        placement = Placement(plan, {}, 4)
        ledger = Ledger(plan, START, placement.names)
        for block in records_of(plan, START):
            ledger.add(placement.of(block))
        frames.append(ledger.frame())
    assert frames[0].schema == frames[1].schema
    assert frames[0].height == 0
    assert frames[1].height > 0
