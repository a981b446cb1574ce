"""JSON lines from columns of events, all rows at once."""

from __future__ import annotations

import io

import polars as pl

from simulator.encode.frame import payload_frame
from simulator.market.events import Events
from simulator.plan import Plan


def encode(events: Events, plan: Plan, start: int) -> list[bytes]:
    """One JSON object per event, without line ends; fields in the plan's order.

    A price is written as the shortest decimal that reads back as the same double; `start` as in `payload_frame`.
    """
    frame = payload_frame(events, plan, start)
    if plan.event.time_format == "rfc3339":
        name = plan.event.names["event_time"]
        frame = frame.with_columns(pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ"))
    buffer = io.BytesIO()
    frame.write_ndjson(buffer)
    return buffer.getvalue().split(b"\n")[:-1]
