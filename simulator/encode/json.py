"""JSON lines from columns of events, all rows at once."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.encode.frame import payload_frame
from simulator.market.events import Events
from simulator.plan import Plan

# The thousand texts that three digits can be.
_MILLISECONDS = pl.Series("milliseconds", [f".{number:03d}" for number in range(1000)])
_MICROSECONDS = pl.Series("microseconds", [f"{number:03d}Z" for number in range(1000)])


def encode(events: Events, plan: Plan, start: int) -> list[bytes]:
    """One JSON object per event, without line ends; fields in the plan's order.

    A price is written as the shortest decimal that reads back as the same double; `start` as in `payload_frame`.
    """
    frame = payload_frame(events, plan, start)
    if plan.event.time_format == "rfc3339":
        name = plan.event.names["event_time"]
        frame = frame.with_columns(rfc3339(frame[name].to_physical().to_numpy()).alias(name))
    buffer = io.BytesIO()
    frame.write_ndjson(buffer)
    lines = buffer.getvalue().split(b"\n")
    lines.pop()  # what follows the last line end
    return lines


def rfc3339(times: NDArray[np.int64]) -> pl.Series:
    """Microseconds since 1970 as `2025-01-02T14:30:00.000000Z`.

    Events in order share their second: its text is made once for each stretch of the same second, which is several times faster
    than to format every time by itself.
    """
    seconds, fractions = np.divmod(times, 1_000_000)
    begins = np.diff(seconds, prepend=seconds[:1] - 1) != 0
    texts = pl.Series(seconds[begins] * 1_000_000).cast(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%S")
    milliseconds, microseconds = np.divmod(fractions, 1000)
    parts = (
        texts.gather(pl.Series(np.cumsum(begins) - 1)),
        _MILLISECONDS.gather(pl.Series(milliseconds)),
        _MICROSECONDS.gather(pl.Series(microseconds)),
    )
    return pl.select(pl.concat_str(*parts)).to_series()
