"""Events as a data frame with the payload's names and types: what JSON, Parquet and the answers are made from."""

from __future__ import annotations

import polars as pl

from simulator.market.events import Events, event_times
from simulator.plan import Plan

_TIMES = {
    "rfc3339": lambda column: column.cast(pl.Datetime("us", "UTC")),
    "epoch_micros": lambda column: column,
    "epoch_millis": lambda column: column // 1000,
}


def standard_frame(events: Events, plan: Plan, start: int) -> pl.DataFrame:
    """Columns `symbol seq event_time price volume`, the time as integer microseconds since 1970.

    Args:
        events: a block of events.
        plan: the plan that they come from.
        start: event time of the market's first instant, microseconds since 1970.
    """
    names = pl.Series("symbol", [symbol.name for symbol in plan.market.symbols], dtype=pl.String)
    # Division of two exact doubles rounds correctly: the double nearest to the decimal price, which its JSON text names.
    price = events.price / 10.0**plan.market.price_decimals
    return pl.DataFrame(
        {
            "symbol": names.gather(pl.Series(events.symbol)),
            "seq": events.seq,
            "event_time": event_times(events, start),
            "price": price,
            "volume": events.volume,
        }
    )


def payload_frame(events: Events, plan: Plan, start: int) -> pl.DataFrame:
    """The same with the payload's column names, order and time type."""
    frame = standard_frame(events, plan, start)
    frame = frame.with_columns(_TIMES[plan.event.time_format](pl.col("event_time")))
    return frame.select(pl.col(field).alias(plan.event.names[field]) for field in plan.event.order)
