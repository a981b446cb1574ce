"""Checks across the groups of a configuration: what is wrong only because of two keys together. Each returns its faults."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from simulator.diagnosis import show, strangers, suggestion
from simulator.errors import BadConfigError
from simulator.market.activity import market_intensity
from simulator.market.arrivals.trace import TraceArrivals
from simulator.market.dynamics import Dynamics, faults_of, latent_path
from simulator.market.exact import decimal_places, zipf_shares
from simulator.market.hours import TradingHours
from simulator.market.intensity import MOST_OPERATIONAL
from simulator.market.shocks import MARKET
from simulator.rundir import RUN_NAMES
from simulator.schema import Specification, session_hours
from simulator.security import faults_of as faults_of_security
from simulator.seeding import Draws
from simulator.symbols import Symbols, symbol_names

# Below it a symbol's gaps could leave int64 nanoseconds.
SMALLEST_RATE = 1e-6
# A power of ten with more is no double.
MOST_DECIMAL_PLACES = 22
# In the smallest unit of price. From 2^53 on not every whole number is a double; this leaves room for a price to grow.
HIGHEST_PRICE = 1e15
# Half of it is the longest micro-batch of the Spark engine, in seconds: shorter ones would be all overhead.
LEAST_WATERMARK = 0.2


def check_symbols(specification: Specification) -> list[str]:
    """A market has each symbol once, under a printable name."""
    symbols = specification.symbols
    names = symbol_names(symbols)
    patterned = set(names[: symbols.count])
    twice = [name for name in symbols.tickers if name in patterned]
    faults = [f"symbols.tickers.{show(name)}: is also a name of symbols.pattern={symbols.pattern}" for name in twice]
    if len(patterned) < symbols.count:
        faults.append(f"symbols.pattern={symbols.pattern}: gives the same name twice for symbols.count={symbols.count}")
    unprintable = [name for name in names if not name.isprintable()]
    return faults + [f"symbols.tickers.{show(name)}: must have printable characters only" for name in unprintable]


def check_broker(specification: Specification) -> list[str]:
    """TLS and SASL have all that they need, and the files are there."""
    return faults_of_security(specification.broker.security) if specification.broker.kind == "external" else []


def check_rate(specification: Specification) -> list[str]:
    """Either `rate` is given or each symbol's own; no symbol's gaps leave the range of time."""
    rate = specification.arrivals.rate
    tickers = specification.symbols.tickers.values()
    has_rates = any(ticker.rate is not None for ticker in tickers)
    if rate is None:
        return [] if has_rates else ["rate=null: must be a number > 0, or each symbol needs its own symbols.tickers.*.rate"]
    if has_rates:
        return [f"rate={rate:g}: must be null when the symbols have their own rates"]
    smallest = rate * min([ticker.weight for ticker in tickers if ticker.weight] or _common_shares(specification.symbols))
    if smallest < SMALLEST_RATE:
        return [f"rate={rate:g}: leaves a symbol with {smallest:.3g} events/s; at least {SMALLEST_RATE:g} are needed"]
    return []


def _common_shares(symbols: Symbols) -> list[float]:
    """Shares of the market's events of symbols without a weight of their own."""
    count = len(symbol_names(symbols))
    return zipf_shares(count, symbols.weights.exponent) if symbols.weights.kind == "zipf" else [1.0 / count]


def check_prices(specification: Specification) -> list[str]:
    """An opening price is at least one tick, and prices in ticks stay whole in floating point."""
    symbols = specification.symbols
    cases = {"symbols": (symbols.price, symbols.tick_size)}
    for name, ticker in symbols.tickers.items():
        cases[f"symbols.tickers.{show(name)}"] = (ticker.price or symbols.price, ticker.tick_size or symbols.tick_size)
    faults = []
    for key, (price, tick) in cases.items():
        if price < tick:
            faults.append(f"{key}.price={price:g}: must be at least one tick, tick_size={tick:g}")
        elif price / tick > 1e9:  # noqa: PLR2004  # 2^53 leaves room for a price that grows a million times
            faults.append(f"{key}.tick_size={tick:g}: must be at least 1e-9 of the price, {price:g}")
    traded = {key: case for key, case in cases.items() if symbols.count or key != "symbols"}
    return faults or _finest_tick_faults(traded, [price for band in symbols.tick_bands for price in (band.price, band.tick_size)])


def _finest_tick_faults(cases: dict[str, tuple[float, float]], others: list[float]) -> list[str]:
    """All prices of a market are whole numbers of the last decimal place of its finest tick, and exact as doubles."""
    key, (_, finest) = max(cases.items(), key=lambda case: decimal_places(case[1][1]))
    highest, places = max([price for price, _ in cases.values()] + others), decimal_places(finest)
    if places > MOST_DECIMAL_PLACES:
        return [f"{key}.tick_size={finest:g}: must not have more than {MOST_DECIMAL_PLACES} decimal places"]
    if highest > (most := HIGHEST_PRICE / 10.0**places):
        return [
            f"{key}.tick_size={finest:g}: must have fewer decimal places beside a price of {highest:g}; at most {most:g} is exact"
        ]
    return []


def check_tick_bands(specification: Specification) -> list[str]:
    """Bands come in order, and each tick is a multiple of every symbol's own."""
    symbols = specification.symbols
    bands = symbols.tick_bands
    faults = []
    if any(earlier.price >= later.price for earlier, later in pairwise(bands)):
        faults.append("symbols.tick_bands: must be in the order of their prices")
    finest = {symbols.tick_size, *(ticker.tick_size for ticker in symbols.tickers.values() if ticker.tick_size)}
    for band in bands:
        faults += [
            f"symbols.tick_bands: tick_size={band.tick_size:g} must be a multiple of the symbols' tick_size={tick:g}"
            for tick in sorted(finest)
            if Decimal(repr(band.tick_size)) % Decimal(repr(tick))
        ]
        if band.price < band.tick_size:
            faults.append(f"symbols.tick_bands: price={band.price:g} must be at least its tick_size={band.tick_size:g}")
    return faults


def check_dynamics(specification: Specification) -> list[str]:
    """The parameters of every price process make sense together, for every symbol; factors share the symbols' grid."""
    names = symbol_names(specification.symbols)
    own = specification.dynamics
    cases = [("dynamics", own, Draws(specification.seed, names))]
    model = specification.correlation
    if model.kind == "factor":
        cases += [
            ("correlation.market.dynamics", model.market.dynamics, Draws(specification.seed, ["market"], "factor ")),
            ("correlation.sectors.dynamics", model.sectors.dynamics, Draws(specification.seed, model.sectors.names, "sector ")),
        ]
    faults = []
    for key, parameters, draws in cases:
        found = strangers(parameters.symbols, draws.names)
        faults += [f"{key}.symbols.{show(name)}: no such symbol{suggestion(name, draws.names)}" for name in found]
        faults += [fault.replace("dynamics.", f"{key}.", 1) for fault in _faults_of_process(parameters, draws)]
        if parameters.step != own.step:
            faults.append(f"{key}.step={parameters.step:g}: must be dynamics.step={own.step:g}")
    return faults


def _faults_of_process(parameters: Dynamics, draws: Draws) -> list[str]:
    if parameters.kind == "replay":
        try:
            latent_path(parameters, draws)
        except BadConfigError as error:
            return list(error.faults)
    return faults_of(parameters, draws)


def check_session(specification: Specification) -> list[str]:
    """There is trading in the run."""
    try:
        session_hours(specification)
    except BadConfigError as error:
        return list(error.faults)
    return []


def check_activity(specification: Specification) -> list[str]:
    """The arrival process's own shape goes with the market's, and all the activity of the run can be counted."""
    arrivals, session, duration = specification.arrivals, specification.session, specification.duration
    if check_session(specification):
        return []
    hours, end = session_hours(specification), None if duration is None else round(duration * 1e9)
    market = market_intensity(specification.shocks, hours)
    try:
        shape = arrivals.intensity(end)
        whole = shape * market if shape is not None and market is not None else shape or market
    except BadConfigError as error:
        return list(error.faults)
    except ValueError as error:
        return [f"arrivals.kind={arrivals.kind}: does not go with session.kind={session.kind}: {error}"]
    if whole is None or end is None:
        return []
    if whole.cumulative(end if hours is None else TradingHours(hours).trading_time_before(end)) <= MOST_OPERATIONAL:
        return []
    key = "shocks" if whole.bursts else f"arrivals.kind={arrivals.kind}"
    return [f"{key}: the run comes to more than {MOST_OPERATIONAL / 1e9:.3g} s worth of usual activity, which cannot be counted"]


def check_trace(specification: Specification) -> list[str]:
    """A file of arrivals can be read."""
    arrivals, names = specification.arrivals, symbol_names(specification.symbols)
    if arrivals.kind == "trace":
        try:
            TraceArrivals(arrivals, names, np.full(len(names), (arrivals.rate or 1.0) / len(names)), specification.seed)
        except BadConfigError as error:
            return list(error.faults)
    return []


def check_targets(specification: Specification) -> list[str]:
    """Shocks and sectors name symbols of the market."""
    model = specification.correlation
    known = {*symbol_names(specification.symbols), MARKET, *(model.sectors.names if model.kind == "factor" else [])}
    faults = [
        f"shocks[{number}].target={show(shock.target)}: no symbol, no sector, and not {MARKET}{suggestion(shock.target, known)}"
        for number, shock in enumerate(specification.shocks)
        if shock.target not in known
    ]
    if model.kind == "factor":
        found = strangers(model.sectors.members, known)
        faults += [f"correlation.sectors.members.{show(name)}: no such symbol{suggestion(name, known)}" for name in found]
    return faults


def check_volumes(specification: Specification) -> list[str]:
    """A mean trade is at least one lot."""
    symbols, lot = specification.symbols, specification.symbols.lot_size
    means = {"symbols": symbols.mean_volume}
    means |= {f"symbols.tickers.{show(name)}": ticker.mean_volume or lot for name, ticker in symbols.tickers.items()}
    return [
        f"{key}.mean_volume={mean:g}: must be at least one lot, symbols.lot_size={lot}"
        for key, mean in means.items()
        if mean < lot
    ]


def check_mode(specification: Specification) -> list[str]:
    """What a mode needs."""
    mode, faults = specification.mode, []
    if mode == "run" and specification.duration is None:
        faults.append("duration=null: must be a number > 0 for mode=run; null is for mode=produce")
    if mode == "run" and specification.sink.kind == "stdout":
        faults.append("sink.kind=stdout: nothing can be aggregated from standard output; use mode=produce or mode=sample")
    if mode == "aggregate" and specification.sink.kind != "kafka":
        faults.append(f"sink.kind={specification.sink.kind}: must be kafka for mode=aggregate")
    if mode == "broker" and specification.broker.kind != "embedded":
        faults.append(f"broker.kind={specification.broker.kind}: must be embedded for mode=broker")
    if mode in {"verify", "reproduce"} and specification.run is None:
        faults.append(f"run=null: mode={mode} needs run=DIR, the directory of a finished run")
    if mode == "diff":
        faults += [
            f"{key}=null: mode=diff needs a=DIR and b=DIR, two finished runs"
            for key in "ab"
            if getattr(specification, key) is None
        ]
    if specification.results is not None and not Path(specification.results).is_file():
        faults.append(f"results={show(specification.results)}: no such file")
    return faults


def check_output(specification: Specification) -> list[str]:
    """Spark's own limits."""
    faults = []
    if specification.window.kind == "session" and specification.output.mode == "update":
        faults.append("output.mode=update: must be append for window.kind=session (Spark has no update mode for session windows)")
    sink, output = specification.sink, specification.output
    if sink.kind == "kafka" and output.kind == "kafka" and sink.topic == output.topic:
        faults.append(f"output.topic={output.topic}: must differ from sink.topic, or the job would read its own output")
    letters = specification.dead_letters
    if letters.kind == "kafka":
        others = {
            "sink": sink.topic if sink.kind == "kafka" else None,
            "output": output.topic if output.kind == "kafka" else None,
        }
        taken = [key for key, topic in others.items() if topic == letters.topic]
        faults += [f"dead_letters.topic={letters.topic}: must differ from {key}.topic" for key in taken]
    return faults


def check_folders(specification: Specification) -> list[str]:
    """Each kind of file has a folder of its own in the run directory, or Spark would read what it has written itself."""
    parts = {"sink": specification.sink, "output": specification.output, "dead_letters": specification.dead_letters}
    folders = {f"{name}.path": path for name, part in parts.items() if (path := getattr(part, "path", None)) is not None}
    faults = [
        f"{key}={show(path)}: {path.split('/')[0]} is a name that every run uses itself"
        for key, path in folders.items()
        if path.split("/")[0] in RUN_NAMES
    ]
    for (first, one), (second, other) in combinations(folders.items(), 2):
        shared = f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
        faults += [f"{second}={show(other)}: must be apart from {first}={show(one)}"] if shared else []
    return faults


def check_faults(specification: Specification) -> list[str]:
    """Faults name symbols, partitions and fields of this run, and go where it can be known what became of each record."""
    faults, sink = specification.faults, specification.sink
    known = symbol_names(specification.symbols)
    found = [
        f"faults.{name}.symbols: {show(symbol)} is no symbol{suggestion(symbol, known)}"
        for name, parameters in faults.active.items()
        for symbol in strangers(parameters.symbols, known)
    ]
    if faults.aim != "none" and specification.window.kind == "session":
        found.append(f"faults.aim={faults.aim}: needs windows with fixed edges, window.kind=sliding or tumbling")
    if faults.any and sink.kind == "kafka" and not sink.idempotence:
        found.append("sink.idempotence=false: must be true with faults, or a retry could add some of its own")
    return found + _payload_faults(specification) + _stall_faults(specification) + _correction_faults(specification)


def _payload_faults(specification: Specification) -> list[str]:
    faults, sink, found = specification.faults, specification.sink, []
    if sink.kind == "file" and sink.format == "parquet":
        of_bytes = [name for name in ("corrupt", "drift") if name in faults.active]
        found += [f"faults.{name}: needs JSON, and sink.format=parquet has typed columns" for name in of_bytes]
    has_quotes = specification.quotes.kind != "none" and specification.quotes.publish
    if faults.bad_tick is not None and faults.bad_tick.crossed > 0 and not has_quotes:
        found.append(f"faults.bad_tick.crossed={faults.bad_tick.crossed:g}: must be 0 without quotes; take quotes=bid_ask")
    fields = {name.lower() for name in specification.event.names.model_dump().values()}
    if faults.drift is not None and faults.drift.name.lower() in fields:
        found.append(f"faults.drift.name={faults.drift.name}: is a field of the event already")
    return found


def _correction_faults(specification: Specification) -> list[str]:
    """Two reports of one (symbol, seq) that differ: where nothing says which comes first, no answer can be known."""
    if specification.faults.correction is None:
        return []
    deduplicates, metrics = specification.window.deduplicate, specification.metrics.names
    ordered = [name for name in ("open", "close") if name in metrics]
    if ordered and not deduplicates:
        what = " and ".join(ordered)
        return [f"metrics.names: {what} cannot be known with faults.correction and window.deduplicate=false: reports share a seq"]
    if deduplicates and specification.sink.kind == "file" and specification.mode != "produce":
        return ["window.deduplicate=true: must be false with faults.correction and sink.kind=file, whose files have no order"]
    return []


def _stall_faults(specification: Specification) -> list[str]:
    stall, sink = specification.faults.stall, specification.sink
    if stall is None or stall.partition is None:
        return []
    if sink.kind != "kafka":
        return [f"faults.stall.partition={stall.partition}: needs sink.kind=kafka; null is for all"]
    if stall.partition >= sink.partitions:
        return [f"faults.stall.partition={stall.partition}: must be less than sink.partitions={sink.partitions}"]
    return []


def check_halts(specification: Specification) -> list[str]:
    """Spans of halts are whole steps of the grid, or they would be others than was asked for."""
    halts, step = specification.halts, specification.dynamics.step
    if halts.kind == "none":
        return []
    spans = {"reference_update": halts.reference_update, "limit_state": halts.limit_state, "pause": halts.pause}
    return [
        f"halts.{key}={span:g}: must be a multiple of dynamics.step={step:g}"
        for key, span in spans.items()
        if Decimal(repr(span)) % Decimal(repr(step))
    ]


def check_engine(specification: Specification) -> list[str]:
    """Spark sends to Kafka, a partition has one writer, and a micro-batch is not longer than the sink's skew."""
    engine, sink = specification.engine, specification.sink
    if engine.kind == "local":
        return []
    if sink.kind != "kafka":
        return [f"sink.kind={sink.kind}: must be kafka for engine.kind=spark"]
    faults = []
    if sink.transactional:
        faults.append("sink.transactional=true: must be false for engine.kind=spark, whose sink has no transactions")
    if sink.workers > 1:
        faults.append(f"sink.workers={sink.workers}: must be 1 for engine.kind=spark; take engine.workers")
    if engine.workers is not None and engine.workers > sink.partitions:
        faults.append(
            f"engine.workers={engine.workers}: must not exceed sink.partitions={sink.partitions}; a partition has one writer"
        )
    watermark = specification.window.watermark
    if watermark < LEAST_WATERMARK:
        faults.append(f"window.watermark={watermark:g}: must be at least {LEAST_WATERMARK:g} for engine.kind=spark")
    elif engine.span is not None and engine.span > watermark / 2:
        faults.append(f"engine.span={engine.span:g}: must not be more than half of window.watermark={watermark:g}")
    return faults


CHECKS = (
    check_symbols,
    check_broker,
    check_rate,
    check_prices,
    check_tick_bands,
    check_volumes,
    check_dynamics,
    check_session,
    check_activity,
    check_trace,
    check_halts,
    check_faults,
    check_targets,
    check_mode,
    check_output,
    check_folders,
    check_engine,
)
