"""Events as a data frame with the payload's names and types: what JSON, Parquet and the answers are made from."""

from __future__ import annotations

import polars as pl

from simulator.market.conditions import LABELS
from simulator.market.events import Events, event_times
from simulator.plan import Plan

# By code; codes that no condition has are never looked up.
_LABELS = pl.Series("condition", [LABELS.get(code, "") for code in range(max(LABELS) + 1)], dtype=pl.String)
_TIMES = {
    "rfc3339": lambda column: column.cast(pl.Datetime("us", "UTC")),
    "epoch_micros": lambda column: column,
    "epoch_millis": lambda column: column // 1000,
}


def standard_frame(events: Events, plan: Plan, start: int) -> pl.DataFrame:
    """Columns `symbol seq event_time price volume`, and those of quotes and conditions where the events have them.

    The time is integer microseconds since 1970.

    Args:
        events: a block of events.
        plan: the plan that they come from.
        start: event time of the market's first instant, microseconds since 1970.
    """
    names = pl.Series("symbol", [symbol.name for symbol in plan.market.symbols], dtype=pl.String)
    # Division of two exact doubles rounds correctly: the double nearest to the decimal price, which its JSON text names.
    unit = 10.0**plan.market.price_decimals
    columns = {
        "symbol": names.gather(pl.Series(events.symbol)),
        "seq": events.seq,
        "event_time": event_times(events, start),
        "price": events.price / unit,
        "volume": events.volume,
    }
    if events.quotes is not None:
        quotes = events.quotes
        sizes = {"bid_size": quotes.bid_size, "ask_size": quotes.ask_size}
        columns |= {"bid": quotes.bid / unit, "ask": quotes.ask / unit, **sizes}
    if events.condition is not None:
        columns["condition"] = _LABELS.gather(pl.Series(events.condition))
    return pl.DataFrame(columns)


def payload_frame(events: Events, plan: Plan, start: int) -> pl.DataFrame:
    """The same with the payload's column names, order and time type."""
    frame = standard_frame(events, plan, start)
    frame = frame.with_columns(_TIMES[plan.event.time_format](pl.col("event_time")))
    return frame.select(pl.col(field).alias(plan.event.names[field]) for field in plan.event.order)
