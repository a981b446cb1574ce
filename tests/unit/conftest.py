"""A streaming job in plain Python that knows nothing of this program but the bytes that it reads; and its usual mistakes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import polars as pl
import pytest

from simulator.encode.payload import Payloads
from simulator.faults.stream import records_of
from simulator.plan import Plan

Row = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Message(NamedTuple):
    """A record as it comes: bytes, and when it was sent, microseconds since 1970."""

    payload: bytes | None
    sent: int


def messages(plan: Plan, start: int) -> list[Message]:
    """All records of a run that are sent, in that order."""
    payloads = Payloads(plan, start)
    found = []
    for block in records_of(plan, start):
        present = block.present
        found += [
            Message(payload, start + sent // 1000)
            for payload, sent in zip(payloads.of(present), present.sent.tolist(), strict=True)
        ]
    return found


def strictly(message: Message) -> Row | None:
    """The event of a record, None if it is not one."""
    try:
        row = json.loads((message.payload or b"").decode())
    except ValueError:
        return None
    kinds = {"symbol": str, "seq": int, "event_time": str, "price": (int, float), "volume": int}
    if not isinstance(row, dict) or not all(isinstance(row.get(name), kind) for name, kind in kinds.items()):
        return None
    quotes = [name in row for name in ("bid", "ask", "bid_size", "ask_size")]
    if any(quotes) and not all(quotes):  # one of the fields is not there
        return None
    if not math.isfinite(row["price"]) or ("condition" in row and row["volume"] == 0):
        return None
    return {**row, "time": micros(row["event_time"]), "sent": message.sent}


def micros(text: str) -> int:
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // timedelta(microseconds=1)


def metrics_of(rows: list[Row]) -> Row:
    """All metrics of this project, by hand."""
    prices, volume = [row["price"] for row in rows], sum(row["volume"] for row in rows)
    by_seq = sorted(rows, key=lambda row: row["seq"])
    return {
        "avg_price": math.fsum(prices) / len(prices),
        "volume": volume,
        "msg_ct": len(rows),
        "vwap": math.fsum(row["price"] * row["volume"] for row in rows) / volume if volume else None,
        "open": by_seq[0]["price"],
        "high": max(prices),
        "low": min(prices),
        "close": by_seq[-1]["price"],
    }


@dataclass(frozen=True)
class Job:
    """What a job does; times in microseconds.

    Attributes:
        size, slide: of its windows; sessions: `gap` in their place.
        delay: of its watermark.
        drops: never | window (a record from a window that has ended) | event (a record behind the watermark, wholly).
        every: after how many records the watermark moves.
        deduplicate: None | first | last report of a (symbol, seq).
        parse: bytes to event.
        time: of an event, that decides on its windows.
        within: whether a time is in [start, end).
        measure: the metrics of a window's events.
    """

    size: int
    slide: int
    gap: int | None
    delay: int
    drops: str = "never"
    every: int = 1
    deduplicate: str | None = None
    parse: Callable[[Message], Row | None] = strictly
    time: Callable[[Row], int] = lambda row: row["time"]
    within: Callable[[int, int, int], bool] = lambda time, start, end: start <= time < end
    measure: Callable[[list[Row]], Row] = metrics_of

    @classmethod
    def of(cls, plan: Plan, **options: object) -> Job:
        """The job that a plan asks for, but for the options."""
        window = plan.answers.window
        gap = window.size if window.kind == "session" else None
        wanted: dict[str, Any] = {"deduplicate": "first" if plan.answers.deduplicate else None, **options}
        return cls(window.size, window.slide, gap, window.watermark, **wanted)

    def but(self, **options: object) -> Job:
        """The same with other options."""
        return replace(self, **options)  # type: ignore[arg-type]

    def run(self, stream: Iterable[Message]) -> pl.DataFrame:
        """Windows of a stream."""
        kept = [row for row in self._kept(stream) if row is not None]
        if self.deduplicate == "last":
            latest = {(row["symbol"], row["seq"]): row for row in kept}
            kept = list(latest.values())
        held = self._sessions(kept) if self.gap is not None else self._windows(kept)
        rows = [
            {"window_start": start, "window_end": end, "symbol": symbol, **self.measure(inside)}
            for (start, end, symbol), inside in held.items()
        ]
        instant = pl.Datetime("us", "UTC")
        table = pl.DataFrame(rows, infer_schema_length=None)
        return table.with_columns(pl.col("window_start", "window_end").cast(instant)).sort("window_start", "window_end", "symbol")

    def _kept(self, stream: Iterable[Message]) -> Iterator[Row]:
        newest = watermark = -(10**18)
        seen = set()
        for number, message in enumerate(stream):
            row = self.parse(message)
            if row is not None:
                row["late_before"] = watermark
                newest = max(newest, row["time"])
                name = row["symbol"], row["seq"]
                is_repeat = self.deduplicate == "first" and name in seen
                seen.add(name)
                if not is_repeat and not (self.drops == "event" and row["time"] <= row["late_before"]):
                    yield row
            if number % self.every == self.every - 1:
                watermark = newest - self.delay

    def _windows(self, rows: list[Row]) -> dict[tuple[int, int, str], list[Row]]:
        held: dict[tuple[int, int, str], list[Row]] = {}
        for row in rows:
            time = self.time(row)
            first = (time - self.size) // self.slide * self.slide
            for start in range(first - self.slide, time + self.slide + 1, self.slide):
                end = start + self.size
                if self.within(time, start, end) and not (self.drops == "window" and end <= row["late_before"]):
                    held.setdefault((start, end, row["symbol"]), []).append(row)
        return held

    def _sessions(self, rows: list[Row]) -> dict[tuple[int, int, str], list[Row]]:
        assert self.gap is not None
        held: dict[str, list[tuple[int, int, list[Row]]]] = {}
        closed: list[tuple[str, tuple[int, int, list[Row]]]] = []
        for row in rows:
            symbol, time = row["symbol"], self.time(row)
            if self.drops != "never":
                if self.drops == "window" and time + self.gap <= row["late_before"]:
                    continue
                for name, sessions in held.items():
                    closed += [(name, session) for session in sessions if session[1] <= row["late_before"]]
                    held[name] = [session for session in sessions if session[1] > row["late_before"]]
            touching = [s for s in held.get(symbol, []) if s[0] <= time + self.gap and time <= s[1]]
            merged = (
                min([time, *(s[0] for s in touching)]),
                max([time + self.gap, *(s[1] for s in touching)]),
                [other for s in touching for other in s[2]] + [row],
            )
            held[symbol] = [s for s in held.get(symbol, []) if s not in touching] + [merged]
        everything = closed + [(name, session) for name, sessions in held.items() for session in sessions]
        return {(start, end, symbol): inside for symbol, (start, end, inside) in everything}


@pytest.fixture(scope="session")
def job_of() -> Callable[..., Job]:
    """The plain job of a plan, with the mistakes that are asked for."""
    return Job.of


@pytest.fixture(scope="session")
def messages_of() -> Callable[[Plan, int], list[Message]]:
    """The records of a plan as they are sent."""
    return messages
