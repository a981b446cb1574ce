"""Laws of whole markets, over all combinations of processes: what every event holds to, and what leaves what alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, product
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.market.conditions import Condition
from simulator.market.events import Events
from simulator.market.hours import SessionPlan, TradingHours
from simulator.market.prices import Prices
from simulator.market.shocks import Shock
from simulator.market.stream import events_of
from simulator.plan import MarketPlan, Plan

MakePlan = Callable[..., Plan]
Options = dict[str, tuple[str, ...]]
Integers = NDArray[np.int64]

SECOND = 1_000_000_000
STEP = SECOND // 10
COLUMNS = ("symbol", "seq", "time", "price", "volume", "condition")
QUOTES = ("bid", "ask", "bid_size", "ask_size")
REGULAR = int(Condition.REGULAR)
AUCTIONS = {Condition.OPENING_AUCTION, Condition.CLOSING_AUCTION, Condition.REOPENING_AUCTION}
PHASES = {Condition.PRE_OPEN, Condition.OPEN, Condition.OPENING_AUCTION, Condition.CLOSING_AUCTION, Condition.CLOSED}

# Wild enough for prices to move by percents within seconds.
DYNAMICS: Options = {
    "gbm": ("dynamics=gbm", "dynamics.volatility=30"),
    "ou": ("dynamics=ou", "dynamics.volatility=60"),
    "jump": ("dynamics=jump", "dynamics.volatility=20", "dynamics.jump_intensity=3000000", "dynamics.jump_deviation=0.2"),
    "kou": (
        "dynamics=kou",
        "dynamics.volatility=20",
        "dynamics.jump_intensity=3000000",
        "dynamics.up_rate=10",
        "dynamics.down_rate=5",
    ),
    "heston": (
        "dynamics=heston",
        "dynamics.mean_variance=900",
        "dynamics.reversion=2000000",
        "dynamics.vol_of_variance=60000",
        "dynamics.jump_intensity=1000000",
        "dynamics.jump_deviation=0.1",
    ),
    "garch": ("dynamics=garch", "dynamics.volatility=40", "dynamics.period=0.2"),
    "regime": (
        "dynamics=regime",
        "dynamics.process.volatility=10",
        "dynamics.states=[{name:calm,mean_duration:1,overrides:{}},{name:storm,mean_duration:0.5,overrides:{volatility:80}}]",
    ),
    "regime by symbol": (
        "dynamics=regime",
        "dynamics.process.volatility={uniform:[5,20]}",
        "dynamics.scope=symbol",
        "dynamics.states=[{name:calm,mean_duration:1,overrides:{}},{name:storm,mean_duration:0.5,overrides:{volatility:80}}]",
    ),
}
FACTOR = ("correlation=factor", "correlation.market.dynamics.volatility=20", "correlation.sectors.dynamics.volatility=10")
MATRIX = "correlation.sectors.correlation=[[1,0.5,-0.2],[0.5,1,0],[-0.2,0,1]]"
CORRELATION: Options = {
    "none": ("correlation=none",),
    "factor": FACTOR,
    "market only": (*FACTOR, "correlation.sectors.names=[]"),
    "sectors": (*FACTOR, "correlation.sectors.names=[energy,health,finance]", MATRIX, "correlation.sectors.beta={uniform:[0,2]}"),
    "crashes": ("correlation=factor", "dynamics@correlation.market.dynamics=garch", "correlation.market.dynamics.volatility=20"),
}
ARRIVALS: Options = {
    "fixed": ("arrivals=fixed",),
    "poisson": ("arrivals=poisson",),
    "ramp": ("arrivals=ramp", "arrivals.span=5"),
    "diurnal": ("arrivals=diurnal", "arrivals.depth=1", "arrivals.period=1.5"),
    "levels": ("arrivals=diurnal", "arrivals.shape=levels", "arrivals.levels=[1,0,5]", "arrivals.period=1.5"),
    "hawkes": ("arrivals=hawkes",),
    "mmpp": ("arrivals=mmpp", "arrivals.burst_duration=0.3", "arrivals.calm_duration=0.7"),
}
WIDE = ("quotes=bid_ask", "quotes.spread=0.01")
QUOTING: Options = {"none": ("quotes=none",), "bid_ask": WIDE, "narrow": ("quotes=bid_ask", "quotes.spread=0")}
VOLUMES: Options = {
    "geometric": ("volumes=geometric",),
    "lognormal": ("volumes=lognormal", "volumes.deviation=2", "volumes.volatility_power=2"),
}
DAY = ("session=equity_day", "session.pre_open=0.5", "session.continuous=2", "session.closed=1")
SESSIONS: Options = {
    "24x7": ("session=24x7",),
    "equity_day": DAY,
    # Openings and closes lie between grid points.
    "off the grid": (*DAY, "session.pre_open=0.33", "session.continuous=0.75", "session.closed=0.471", "session.u_shape=0.9"),
    "without auctions": (*DAY, "session.opening_auction=0", "session.closing_auction=0", "session.u_shape=0"),
    "without a night": (*DAY, "session.pre_open=0", "session.closed=0"),
    "exchange opens": (
        "session=exchange",
        "session.pre_open=1",
        "session.u_shape=0",
        "clock=unpaced",
        "clock.start=2025-01-02T14:29:57.35Z",
    ),
    "exchange closes": ("session=exchange", "clock=unpaced", "clock.start=2025-01-02T20:59:57Z"),
}
HALTS: Options = {
    "none": ("halts=none",),
    "luld": (
        "halts=luld",
        "halts.reference_window=1.5",
        "halts.reference_update=0.5",
        "halts.limit_state=0.2",
        "halts.pause=0.7",
        "halts.market_wide=[[0.07,0.6],[0.3,null]]",
    ),
}
SYMBOLS: Options = {
    "one": ("symbols.count=1",),
    "four": ("symbols.count=4",),
    "coarse": ("symbols.count=3", "symbols.tick_size=0.25", "symbols.price=3"),
    "bands": (
        "symbols.count=3",
        "symbols.price=1.01",
        "symbols.tick_size=0.0001",
        # The last band neither begins at a multiple of its tick nor has a multiple of the tick before.
        "symbols.tick_bands=[{price:1.0,tick_size:0.02},{price:1.11,tick_size:0.05}]",
        "symbols.lot_size=100",
        "symbols.mean_volume=300",
        "symbols.weights.kind=zipf",
    ),
    "cheap": ("symbols.count=2", "symbols.price=0.02", "symbols.lot_size=7"),
    "named": ("symbols.count=0", "+symbols.tickers={AAA:{weight:0.7,price:50},BBB:{weight:0.3,price:0.3,tick_size:0.001}}"),
}
SHOCKS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "fall": [{"at": 0.95, "move": -0.3, "over": 0.5, "recover": 0.5, "recover_over": 1}],
    "several": [
        {"at": "00:00:02", "target": "FIRST", "move": 0.8},
        {"at": 1.5, "rate": 5, "rate_over": 1},
        {"at": 3, "rate": 0, "rate_over": 0.5},
        {"at": 4.4, "move": -0.99, "over": 0.3},
    ],
}
DURATIONS = (2.9, 6.85, 11.0)


@dataclass(frozen=True)
class Choice:
    """The name of an option of each group."""

    dynamics: str = "gbm"
    correlation: str = "none"
    arrivals: str = "poisson"
    quotes: str = "bid_ask"
    volumes: str = "geometric"
    session: str = "24x7"
    halts: str = "none"
    symbols: str = "four"
    shocks: str = "none"
    seed: int = 42
    duration: float = 6.85
    rate: float = 60


choices = st.builds(
    Choice,
    *(
        st.sampled_from(list(group))
        for group in (DYNAMICS, CORRELATION, ARRIVALS, QUOTING, VOLUMES, SESSIONS, HALTS, SYMBOLS, SHOCKS)
    ),
    seed=st.integers(0, 2**64),
    duration=st.sampled_from(DURATIONS),
    rate=st.sampled_from([15, 90]),
)


def many(number: int) -> settings:
    """Choices can be read as they are: they are not shrunk, which would take minutes."""
    return settings(max_examples=number, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])


Build = Callable[[Choice], Plan]


@pytest.fixture(scope="session")
def build(make_plan: MakePlan) -> Build:
    """Plans of choices, put together from parts that are composed once each: composing takes far longer than these runs."""

    @cache
    def part(*overrides: str) -> Plan:
        return make_plan(*overrides)

    def plan(choice: Choice) -> Plan:
        rate, duration = f"rate={choice.rate}", f"duration={choice.duration}"
        base = part(*SYMBOLS[choice.symbols], rate)
        first = base.market.symbols[0].name
        shocks = [{**shock, "target": shock.get("target", "market").replace("FIRST", first)} for shock in SHOCKS[choice.shocks]]
        changes = {
            "dynamics": part(*DYNAMICS[choice.dynamics]).market.dynamics,
            "correlation": part(*CORRELATION[choice.correlation]).market.correlation,
            "arrivals": part(*ARRIVALS[choice.arrivals], rate).market.arrivals,
            "quotes": part(*QUOTING[choice.quotes]).market.quotes,
            "volumes": part(*VOLUMES[choice.volumes]).market.volumes,
            "session": part(*SESSIONS[choice.session], duration).market.session,
            "halts": part(*HALTS[choice.halts]).market.halts,
            "shocks": [Shock.model_validate(shock) for shock in shocks],
        }
        return with_market(base, **changes).model_copy(
            update={"seed": choice.seed, "duration": round(choice.duration * 1_000_000)}
        )

    return plan


def with_market(plan: Plan, **changes: Any) -> Plan:  # noqa: ANN401  # any section of the market
    return plan.model_copy(update={"market": plan.market.model_copy(update=changes)})


def columns_of(events: Events) -> dict[str, Integers]:
    found = {name: getattr(events, name) for name in COLUMNS if getattr(events, name) is not None}
    return found | ({} if events.quotes is None else {name: getattr(events.quotes, name) for name in QUOTES})


def whole(plan: Plan, block: int | None = None) -> dict[str, Integers]:
    """All columns of all events."""
    pieces = [columns_of(events) for events in events_of(plan, block)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def agree(one: dict[str, Integers], other: dict[str, Integers], but: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    assert one.keys() - but == other.keys() - but
    for name in one.keys() - but:
        assert np.array_equal(one[name], other[name]), name


def test_each_option_is_here(make_plan: MakePlan) -> None:
    """So that a new process cannot be forgotten: of all kinds but those that need a file."""
    groups = {"dynamics": DYNAMICS, "correlation": CORRELATION, "arrivals": ARRIVALS, "quotes": QUOTING, "volumes": VOLUMES}
    for name, options in (groups | {"halts": HALTS}).items():
        kinds = {getattr(make_plan(*overrides).market, name).kind for overrides in options.values()}
        known = {str(kind) for kind in _kinds(MarketPlan.model_fields[name].annotation)}
        assert kinds == known - {"replay", "trace"}


def _kinds(annotation: Any) -> Iterator[str]:  # noqa: ANN401  # a union of models, or one
    for model in getattr(annotation, "__args__", [annotation]):
        yield model.model_fields["kind"].annotation.__args__[0]


# What every event holds to.


@many(120)
@given(choice=choices)
def test_every_market_holds_to_the_laws(choice: Choice, build: Build) -> None:
    plan = build(choice)
    events = whole(plan)
    holds_the_order(plan, events)
    holds_prices(plan, events)
    holds_quotes(plan, events)
    holds_volumes(plan, events)
    if plan.market.session is not None:
        holds_the_session(plan, events, plan.market.session)
    if "condition" in events:
        holds_halts(plan, events)
        holds_last_prices(plan, events)


def holds_the_order(plan: Plan, events: dict[str, Integers]) -> None:
    assert plan.duration is not None
    symbol, time = events["symbol"].astype(np.int64), events["time"]
    assert np.all((time >= 0) & (time < plan.duration * 1000))
    assert np.all((np.diff(time) > 0) | ((np.diff(time) == 0) & (np.diff(symbol) >= 0)))
    for index in range(len(plan.market.symbols)):
        seq = events["seq"][symbol == index]
        assert np.array_equal(seq, np.arange(seq.size))


def allowed(plan: Plan, symbol: Integers, price: Integers) -> bool:
    """Whether prices are multiples of the tick of the band that they lie in, and at least one tick."""
    own = np.array([each.tick for each in plan.market.symbols])[symbol]
    tick = own.copy()
    for low, coarse in plan.market.tick_bands:
        tick[price >= low] = coarse
    return bool(np.all(price >= own) and np.all(price % tick == 0))


def holds_prices(plan: Plan, events: dict[str, Integers]) -> None:
    assert allowed(plan, events["symbol"], events["price"])


def holds_quotes(plan: Plan, events: dict[str, Integers]) -> None:
    assert ("bid" in events) == (plan.market.quotes.kind == "bid_ask")
    if "bid" not in events:
        return
    bid, ask, price = events["bid"], events["ask"], events["price"]
    assert allowed(plan, events["symbol"], bid)
    assert allowed(plan, events["symbol"], ask)
    assert np.all(bid < ask)
    assert np.all((bid <= price) & (price <= ask))
    regular = events["condition"] == REGULAR if "condition" in events else np.ones(price.shape, dtype=bool)
    assert np.all((price == bid)[regular] | (price == ask)[regular])
    for name in ("bid_size", "ask_size"):
        assert np.all((events[name] > 0) & (events[name] % plan.market.lot == 0))


def holds_volumes(plan: Plan, events: dict[str, Integers]) -> None:
    volume = events["volume"]
    assert np.all(volume % plan.market.lot == 0)
    condition = events.get("condition", np.zeros(volume.shape, dtype=np.int64))
    is_trade = np.array([Condition(code).is_trade for code in condition.tolist()], dtype=bool)
    assert np.array_equal(volume > 0, is_trade)


def sessions_of(session: SessionPlan, duration: int) -> list[tuple[int, int]]:
    """Openings and closes in nanoseconds of market time, as far as the run's end, those before the start included."""
    found = []
    for cycle in count() if session.period is not None else [0]:
        shift = cycle * (session.period or 0)
        found += [
            (1000 * (shift + begin), 1000 * (shift + end)) for begin, end in zip(session.opens, session.closes, strict=True)
        ]
        if found[-1][0] - session.pre_open * 1000 > duration:
            break
    return found


def phases_of(session: SessionPlan, duration: int) -> list[tuple[int, Condition]]:
    """Every phase and auction in [0, duration), written down plainly."""
    phases, closed = [], 0
    for opening, close in sessions_of(session, duration):
        if session.pre_open and opening > closed:
            phases.append((max(opening - session.pre_open * 1000, closed), Condition.PRE_OPEN))
        phases.append((opening, Condition.OPEN))
        phases += [(opening, Condition.OPENING_AUCTION)] if session.opening_auction else []
        phases += [(close, Condition.CLOSING_AUCTION)] if session.closing_auction else []
        phases.append((close, Condition.CLOSED))
        closed = close
    return [(time, condition) for time, condition in phases if 0 <= time < duration]


def holds_the_session(plan: Plan, events: dict[str, Integers], session: SessionPlan) -> None:
    assert plan.duration is not None
    duration = plan.duration * 1000
    hours = np.array(sessions_of(session, duration))
    regular = events["time"][events["condition"] == REGULAR]
    at = np.searchsorted(hours[:, 0], regular, side="right") - 1
    assert np.all(at >= 0)
    assert np.all(regular < hours[at, 1])
    for index in range(len(plan.market.symbols)):
        mine = events["symbol"] == index
        rows = zip(events["time"][mine].tolist(), map(Condition, events["condition"][mine].tolist()), strict=True)
        told = [row for row in rows if row[1] in PHASES]
        expected = phases_of(session, duration)
        if plan.market.halts.kind != "none":
            # A symbol that is halted at the close has no closing auction.
            told, expected = ([row for row in rows if row[1] != Condition.CLOSING_AUCTION] for rows in (told, expected))
        assert told == expected


def holds_halts(plan: Plan, events: dict[str, Integers]) -> None:
    """A plain account of each symbol's status."""
    for index in range(len(plan.market.symbols)):
        mine = events["symbol"] == index
        halted, limited, reopening = False, False, False
        for condition in map(Condition, events["condition"][mine].tolist()):
            if reopening:
                assert condition == Condition.RESUMED
            elif halted:
                assert condition == Condition.REOPENING_AUCTION or (not condition.is_trade and condition != Condition.RESUMED)
            else:
                assert condition not in {Condition.REOPENING_AUCTION, Condition.RESUMED}
            if condition == Condition.LIMIT_STATE_ENDED:
                assert limited
            if condition == Condition.HALTED:
                assert limited
                assert not halted
            halted = (halted and condition not in {Condition.RESUMED, Condition.OPEN}) or condition in {
                Condition.HALTED,
                Condition.MARKET_HALTED,
            }
            limited = condition == Condition.LIMIT_STATE or (limited and condition == Condition.REGULAR)
            reopening = condition == Condition.REOPENING_AUCTION
        assert not reopening


def holds_last_prices(plan: Plan, events: dict[str, Integers]) -> None:
    """While the market is closed, a feed shows the last price that it has told."""
    for index in range(len(plan.market.symbols)):
        mine = events["symbol"] == index
        conditions, prices = events["condition"][mine], events["price"][mine]
        closed = np.flatnonzero((conditions == Condition.CLOSED) | (conditions == Condition.PRE_OPEN))
        assert np.array_equal(prices[closed[closed > 0]], prices[closed[closed > 0] - 1])


@many(60)
@given(
    choice=choices,
    session=st.sampled_from(["24x7", "equity_day", "without auctions", "without a night"]),
    quotes=st.sampled_from(["bid_ask", "narrow", "none"]),
)
def test_no_price_and_no_quote_is_outside_a_band(choice: Choice, session: str, quotes: str, build: Build) -> None:
    """Of all events while the market is open, auctions and statuses included; bands from the prices alone."""
    plan = build(replace(choice, session=session, quotes=quotes, halts="luld"))
    assert plan.duration is not None
    hours = None if plan.market.session is None else TradingHours(plan.market.session)
    prices = Prices(plan.market, plan.seed, STEP, int if hours is None else hours.trading_time_before)
    days = round(choice.duration) + 1
    blocks = []
    for _ in range(days):  # sessions of two seconds
        prices.reopen() if hours is not None else None
        blocks.append(prices.advance(2 * SECOND // STEP).halts)
    lower, upper = (np.concatenate([getattr(block, side) for block in blocks], axis=1) for side in ("lower", "upper"))
    events = whole(plan)
    closed = np.isin(events["condition"], [Condition.CLOSED, Condition.PRE_OPEN])
    events = {name: column[~closed] for name, column in events.items()}
    symbol, time = events["symbol"], events["time"]
    trading = time if hours is None else np.array([hours.trading_time_before(each) for each in time.tolist()], dtype=np.int64)
    # A close has the trading time of the next opening.
    step = (trading - (events["condition"] == Condition.CLOSING_AUCTION)) // STEP
    tick = np.array([each.tick for each in plan.market.symbols])[symbol]
    low, high = lower[symbol, step] * tick, upper[symbol, step] * tick
    for name in ("price", "bid", "ask") if quotes != "none" else ("price",):
        assert np.all((low <= events[name]) & (events[name] <= high)), name


def test_halts_limit_states_and_market_wide_halts_do_happen(build: Build) -> None:
    """Or the laws of halts would say nothing."""
    seen: set[int] = set()
    for dynamics, session, shocks in product(DYNAMICS, ("24x7", "off the grid"), ("none", "fall")):
        seen |= set(whole(build(Choice(dynamics, halts="luld", session=session, shocks=shocks)))["condition"].tolist())
    assert seen == {int(condition) for condition in Condition}


# What does not change events.


@many(60)
@given(choice=choices, block=st.integers(1, 700))
def test_blocks_and_repetition_leave_every_column_alone(choice: Choice, block: int, build: Build) -> None:
    plan = build(choice)
    agree(whole(plan, block), whole(plan, 100_000))


@many(60)
@given(choice=choices, further=st.sampled_from([1e-6, 0.05, 1.7, 5.0]))
def test_a_longer_run_begins_with_the_shorter(choice: Choice, further: float, build: Build) -> None:
    """The hours of an exchange are those of the run: only the same hours are comparable."""
    short = build(choice)
    assert short.duration is not None
    events, longer = whole(short), whole(short.model_copy(update={"duration": short.duration + round(further * 1_000_000)}))
    agree(events, {name: column[: len(events["time"])] for name, column in longer.items()})
    assert np.all(longer["time"][len(events["time"]) :] >= short.duration * 1000)


@many(30)
@given(choice=choices)
def test_publishing_quotes_moves_no_trade(choice: Choice, build: Build) -> None:
    plan = build(choice)
    quotes = build(Choice()).market.quotes
    shown, hidden = (whole(with_market(plan, quotes=quotes.model_copy(update={"publish": publish}))) for publish in (True, False))
    agree(shown, hidden, but=set(QUOTES))
    assert not set(QUOTES) & hidden.keys()


@many(30)
@given(choice=choices)
@example(
    choice=Choice("heston", "factor", "hawkes", "none", "lognormal", "without auctions", shocks="fall", seed=206236641, rate=90)
)
def test_quotes_leave_times_sizes_and_efficient_prices_alone(choice: Choice, build: Build) -> None:
    quoted, plain = (whole(build(replaced(choice, quotes=quotes))) for quotes in ("bid_ask", "none"))
    agree(quoted, plain, but={*QUOTES, "price"})
    # The efficient price, which is traded at where there are no quotes, lies between them. A status repeats the last price told.
    between = (quoted["bid"] <= plain["price"]) & (plain["price"] <= quoted["ask"])
    assert np.all(between[plain["volume"] > 0])


@many(30)
@given(choice=choices)
def test_sizes_leave_all_else_alone(choice: Choice, build: Build) -> None:
    one, other = (whole(build(replaced(choice, volumes=volumes))) for volumes in VOLUMES)
    agree(one, other, but={"volume"})


@many(30)
@given(choice=choices)
def test_bands_that_no_price_reaches_leave_trades_alone(choice: Choice, build: Build) -> None:
    plan = build(replaced(choice, dynamics="gbm", correlation="none", shocks="none", symbols="four"))
    wide = build(Choice(halts="luld")).market.halts.model_copy(update={"band": 0.9, "market_wide": [[0.95, None]]})
    one, other = whole(with_market(plan, halts=wide)), whole(with_market(plan, halts=build(Choice()).market.halts))
    agree(one, other, but={"condition"})


def replaced(choice: Choice, **changes: str) -> Choice:
    return Choice(**{**choice.__dict__, **changes})


# A further symbol.

MORE = ["AAA", "BBB", "CCC"]


def of_rates(plan: Plan, names: list[str]) -> Plan:
    """The plan with these symbols, each with a rate and a price of its own."""
    symbol = plan.market.symbols[0]
    symbols = [
        symbol.model_copy(
            update={"name": name, "rate": 5.0 + 3 * len(name) + ord(name[0]) / 10, "opening_ticks": 100.0 * ord(name[0])}
        )
        for name in names
    ]
    rate = sum(each.rate for each in symbols)
    arrivals = plan.market.arrivals.model_copy(update={"rate": None})
    return with_market(plan, symbols=symbols, rate=rate, rotating=False, arrivals=arrivals)


@many(40)
@given(choice=choices, place=st.integers(0, 3))
def test_a_further_symbol_leaves_the_events_of_the_others_alone(choice: Choice, place: int, build: Build) -> None:
    plan = build(replaced(choice, shocks="none" if choice.shocks == "several" else choice.shocks))
    if plan.market.halts.kind == "luld":
        # A market-wide halt is the one thing that every symbol has a part in.
        plan = with_market(plan, halts=plan.market.halts.model_copy(update={"market_wide": []}))
    before, after = whole(of_rates(plan, MORE)), whole(of_rates(plan, [*MORE[:place], "NEW", *MORE[place:]]))
    for index in range(len(MORE)):
        mine, same = before["symbol"] == index, after["symbol"] == index + (index >= place)
        agree(
            {name: column[mine] for name, column in before.items()},
            {name: column[same] for name, column in after.items()},
            but={"symbol"},
        )


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("correlation", CORRELATION)
def test_a_further_symbol_leaves_the_others_price_paths_alone(dynamics: str, correlation: str, build: Build) -> None:
    plan = build(Choice(dynamics, correlation))
    blocks = [Prices(of_rates(plan, names).market, 7, SECOND // 10, int).advance(300) for names in (MORE, ["NEW", *MORE])]
    assert np.array_equal(blocks[0].ticks, blocks[1].ticks[1:])
    assert not np.array_equal(blocks[1].ticks[0] / blocks[1].ticks[0, 0], blocks[1].ticks[1] / blocks[1].ticks[1, 0])
    assert (blocks[0].volatility is None) == (blocks[1].volatility is None)
    if blocks[0].volatility is not None and blocks[1].volatility is not None:
        assert np.array_equal(blocks[0].volatility, blocks[1].volatility[1:])
