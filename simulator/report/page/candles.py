"""A stream as a page shows it: candles of each symbol, and how many records were due when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.encode.frame import standard_frame
from simulator.faults.records import Records
from simulator.faults.stream import records_of
from simulator.plan import Plan

CANDLES = 300
"""In the whole run: about as many as a page can show side by side."""
_BINS = 600


@dataclass(frozen=True)
class Stream:
    """What a page shows of the records.

    Attributes:
        candles: `symbol time open high low close volume`, the time being the stretch's middle; of the market's trades
            of which a record was sent, as they were meant.
        width: of a candle, milliseconds.
        asked: `market_time count`: records due in each bin, seconds from the start.
    """

    candles: pl.DataFrame
    width: float
    asked: pl.DataFrame


def stream_of(plan: Plan, start: int, count: int, symbols: list[str]) -> Stream:
    """Regenerate the first `count` records and sum them up; nothing is sampled: a candle has the extremes of all its trades.

    Args:
        plan: of the run.
        start: event time of the market's first instant, microseconds since 1970.
        count: how many records were sent.
        symbols: those that get candles.
    """
    span = max(1, -(-_span(plan) // CANDLES))
    bin_width = max(1, _span(plan) * 1000 // _BINS)
    parts: list[pl.DataFrame] = []
    bins: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    for records in _sent(plan, start, count):
        parts.append(_block(records, plan, start, span, symbols))
        counted = np.bincount(records.sent // bin_width)
        size = max(bins.size, counted.size)
        bins = np.pad(bins, (0, size - bins.size)) + np.pad(counted, (0, size - counted.size))
    empty = {
        "symbol": pl.String,
        "stretch": pl.Int64,
        "open": pl.Float64,
        "high": pl.Float64,
        "low": pl.Float64,
        "close": pl.Float64,
    }
    whole = pl.concat(parts) if parts else pl.DataFrame(schema={**empty, "volume": pl.Int64})
    candles = _summed(whole).with_columns((pl.col("stretch") * span + span // 2).cast(pl.Datetime("us", "UTC")).alias("time"))
    asked = pl.DataFrame({"market_time": (np.arange(bins.size) + 0.5) * bin_width / 1e9, "rate": bins / (bin_width / 1e9)})
    return Stream(candles.drop("stretch").sort("symbol", "time"), span / 1000, asked)


def _span(plan: Plan) -> int:
    """Microseconds of the run; of one without end a minute, so that a candle is a fifth of a second."""
    return plan.duration or 60_000_000


def _sent(plan: Plan, start: int, count: int) -> Iterator[Records]:
    for block in records_of(plan, start):
        records = block.present.take(slice(0, count))
        count -= len(records)
        if len(records):
            yield records
        if count == 0:
            return


def _block(records: Records, plan: Plan, start: int, span: int, symbols: list[str]) -> pl.DataFrame:
    wanted = np.array([symbol.name in symbols for symbol in plan.market.symbols])
    # What the market did, and not what faults have made of it: one bad tick would flatten all the others.
    trades = records.take(wanted[records.events.symbol] & (records.copy == 0) & (records.intended.volume > 0))
    events = trades.intended
    frame = standard_frame(events, plan, start).with_columns(pl.col("event_time") // span)
    price = pl.col("price")
    return frame.group_by("symbol", pl.col("event_time").alias("stretch"), maintain_order=True).agg(
        price.first().alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.last().alias("close"),
        pl.col("volume").sum(),
    )


def _summed(parts: pl.DataFrame) -> pl.DataFrame:
    """Stretches that two blocks share become one."""
    return parts.group_by("symbol", "stretch", maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )
