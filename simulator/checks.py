"""Checks across the groups of a configuration: what is wrong only because of two keys together. Each returns its faults."""

from __future__ import annotations

from pathlib import Path

from simulator.diagnosis import show
from simulator.schema import Specification, Symbols

# Below it a symbol's gaps could leave int64 nanoseconds.
SMALLEST_RATE = 1e-6


def symbol_names(symbols: Symbols) -> list[str]:
    """All names of the market, in order: the patterned ones, then the tickers."""
    return [symbols.pattern % number for number in range(symbols.count)] + list(symbols.tickers)


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


def check_rate(specification: Specification) -> list[str]:
    """Either `rate` is given or each symbol's own; no symbol's gaps leave the range of time."""
    rate = specification.arrivals.rate
    tickers = specification.symbols.tickers.values()
    has_rates = any(ticker.rate is not None for ticker in tickers)
    if rate is None:
        return [] if has_rates else ["rate=null: must be a number > 0, or each symbol needs its own symbols.tickers.*.rate"]
    if has_rates:
        return [f"rate={rate:g}: must be null when the symbols have their own rates"]
    shares = [ticker.weight for ticker in tickers if ticker.weight] or [1.0 / len(symbol_names(specification.symbols))]
    smallest = rate * min(shares)
    if smallest < SMALLEST_RATE:
        return [f"rate={rate:g}: leaves a symbol with {smallest:.3g} events/s; at least {SMALLEST_RATE:g} are needed"]
    return []


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
    return faults


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
    return faults


CHECKS = (check_symbols, check_rate, check_prices, check_mode, check_output)
