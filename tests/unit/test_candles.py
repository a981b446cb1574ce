"""Candles hold the extremes of all trades, however the stream is cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from simulator.encode.frame import standard_frame
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.report.page.candles import CANDLES, stream_of

START = 1_735_828_200_000_000


def test_candles_are_those_of_all_trades(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("rate=3000", "duration=20", "symbols.count=5", "quotes=bid_ask")
    stream = stream_of(plan, START, 10**9, ["SYM001", "SYM004"])
    trades = pl.concat([standard_frame(events, plan, START) for events in events_of(plan)])
    width = plan.duration // CANDLES + bool(plan.duration % CANDLES) if plan.duration else 0
    expected = (
        trades.filter(pl.col("symbol").is_in(["SYM001", "SYM004"]))
        .group_by("symbol", pl.col("event_time") // width, maintain_order=True)
        .agg(
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("volume").sum(),
        )
        .sort("symbol", "event_time")
    )
    columns = ["symbol", "open", "high", "low", "close", "volume"]
    assert stream.candles.select(columns).equals(expected.select(columns))
    assert stream.width == width / 1000
    assert int((stream.asked["rate"] * np.diff(stream.asked["market_time"])[0]).sum().__round__()) == trades.height


def test_only_what_was_sent_counts(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("rate=3000", "duration=20", "symbols.count=5")
    assert stream_of(plan, START, 0, ["SYM001"]).candles.height == 0
    half = stream_of(plan, START, 30_000, ["SYM001"]).candles
    whole = stream_of(plan, START, 10**9, ["SYM001"]).candles
    assert half.height < whole.height
    assert half[:-1].equals(whole[: half.height - 1])
