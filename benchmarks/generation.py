"""Generation of trades as columns, without encoding: one process, one core, few symbols and many.

Asked at 100 symbols: 5 M events/s for geometric Brownian motion with Poisson arrivals, 2 M for Heston with Hawkes arrivals and
quotes; at 10,000 symbols 60 % of that. Each run makes its market anew; the rate
counts from its first block on, and the seconds up to it are told apart.
"""

from __future__ import annotations

import time
from functools import partial

from benchmarks.measure import measure, pair_ratios, plan_of, publish
from simulator.market.stream import events_of
from simulator.plan import Plan

SIMPLE = ("dynamics=gbm", "arrivals=poisson")
RICH = ("dynamics=heston", "arrivals=hawkes", "quotes=bid_ask")
MANY = ("symbols.count=10000", "symbols.pattern=SYM%05d")
RATE = 1_000_000
SECONDS = 40


def generate(plan: Plan, starts: list[float]) -> float:
    """Events per second after the first block; adds the seconds up to it to `starts`."""
    created = time.perf_counter()
    stream = events_of(plan)
    next(stream)
    begun = time.perf_counter()
    starts.append(begun - created)
    count = sum(len(events) for events in stream)
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Measure, print, keep."""
    size = (f"rate={RATE}", f"duration={SECONDS}")
    plans = {
        "gbm + poisson, 100 symbols": plan_of(*SIMPLE, *size),
        "gbm + poisson, 10,000 symbols": plan_of(*SIMPLE, *MANY, *size),
        "heston + hawkes + quotes, 100 symbols": plan_of(*RICH, *size),
        "heston + hawkes + quotes, 10,000 symbols": plan_of(*RICH, *MANY, *size),
    }
    starts: dict[str, list[float]] = {name: [] for name in plans}
    rates = measure({name: partial(generate, plan, starts[name]) for name, plan in plans.items()})
    names = list(plans)
    ratios = {f"{many} / {few}": pair_ratios(rates, many, few) for few, many in (names[:2], names[2:])}
    publish("generation", rates, ratios, {"rate": RATE, "simulated_seconds": SECONDS, "threads": 1, "start_seconds": starts})
