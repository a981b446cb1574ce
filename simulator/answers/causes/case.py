"""The case of results that differ: what they are, what they should be, and the records that they come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from simulator.answers.bounds import OPTIONAL, LegalWindows, has_one_order
from simulator.answers.known import EVENT, WATERMARK, Known, known_records
from simulator.answers.verify import compare
from simulator.encode.payload import Payloads
from simulator.faults.damage import LEGIBLE, Damage
from simulator.plan import AnswersPlan, Plan

# Causes are sought among the windows of so many records at most.
_RECORDS = 1_000_000
_NO_WATERMARK = -(2**62)


@dataclass(frozen=True)
class Evidence:
    """The first records of a run.

    Attributes:
        records: as in `Known.frame`, in the order of sending.
        lenient: of the illegible ones what a careless reader makes of them: EVENT with nulls, WATERMARK, and `damage`.
        horizon: windows that end later have records that are not among these, microseconds since 1970; None: all are.
    """

    records: pl.DataFrame
    lenient: pl.DataFrame
    horizon: int | None


@dataclass(frozen=True)
class Case:
    """Results that differ, and the means to compute what they would be after a mistake.

    Attributes:
        plan: of the run.
        start: event time of the market's first instant, microseconds since 1970.
        limit: how many records were sent.
        metrics: those compared.
        right: the answers, with or without bounds.
        results: what is to be explained: KEYS and metrics.
        deduplicate: whether further reports should be dropped; None: as the plan says.
    """

    plan: Plan
    start: int
    limit: int
    metrics: list[str]
    right: pl.DataFrame
    results: pl.DataFrame
    deduplicate: bool | None = None

    @property
    def drops_repeats(self) -> bool:
        """Whether further reports of a (symbol, seq) should be dropped."""
        return self.plan.answers.deduplicate if self.deduplicate is None else self.deduplicate

    @cached_property
    def evidence(self) -> Evidence:
        """The records, generated again."""
        frames, lenient, total = [], [_no_rows()], 0
        for known in known_records(self.plan, self.start, self.limit):
            frames.append(known.frame)
            lenient.append(self._carelessly(known))
            total += known.frame.height
            if total >= _RECORDS:
                return Evidence(pl.concat(frames), pl.concat(lenient), known.oldest_to_come)
        records = pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(EVENT, pl.Int64))
        return Evidence(records, pl.concat(lenient), None)

    @cached_property
    def wrong(self) -> list[str]:
        """The metrics that differ anywhere."""
        return list(compare(self.right, self.results, self.metrics).metrics)

    @property
    def counted(self) -> pl.DataFrame:
        """The records that should count."""
        return self.evidence.records.filter("first" if self.drops_repeats else "trade")

    def windows(
        self,
        records: pl.DataFrame,
        answers: AnswersPlan | None = None,
        *,
        metrics: list[str] | None = None,
        drops_by_event: bool | None = None,
        one_order: bool | None = None,
    ) -> pl.DataFrame:
        """What the answers would be if these were the records that count.

        Args:
            records: EVENT and WATERMARK.
            answers: with other windows; None: the plan's.
            metrics: None: those compared.
            drops_by_event: as in `LegalWindows`; None: as the case says.
            one_order: the same.
        """
        by_event = self.drops_repeats if drops_by_event is None else drops_by_event
        ordered = has_one_order(self.plan, deduplicate=self.drops_repeats) if one_order is None else one_order
        legal = LegalWindows(answers or self.plan.answers, metrics or self.metrics, drops_by_event=by_event, one_order=ordered)
        legal.add(records, 0)
        return self._completed(legal.finish())

    def seen(self, windows: pl.DataFrame) -> pl.DataFrame:
        """The windows whose records are all among the evidence."""
        horizon = self.evidence.horizon
        return windows if horizon is None else windows.filter(pl.col("window_end").cast(pl.Int64) <= horizon)

    def _completed(self, windows: pl.DataFrame) -> pl.DataFrame:
        """Beyond the horizon the answers stay as they are."""
        horizon = self.evidence.horizon
        if horizon is None:
            return windows
        ends_by = pl.col("window_end").cast(pl.Int64) <= horizon
        parts = [windows.filter(ends_by), self.right.filter(~ends_by)]
        whole = pl.concat(parts, how="diagonal")
        is_sure = [name for name in whole.columns if name.startswith("_sure_")]
        filled = {OPTIONAL: False} | dict.fromkeys(is_sure, True)
        return whole.with_columns(pl.col(name).fill_null(value=value) for name, value in filled.items())

    def _carelessly(self, known: Known) -> pl.DataFrame:
        """The illegible records that still are JSON objects with a symbol and a time; what is no number is null."""
        illegible = np.flatnonzero(~LEGIBLE[known.records.damage])
        if not illegible.size:
            return _no_rows()
        payloads = Payloads(self.plan, self.start).of(known.records.take(illegible))
        damage = [Damage(code).label for code in known.records.damage[illegible].tolist()]
        rows = known.frame[illegible].select(*EVENT, WATERMARK).rows(named=True)
        found = [
            {**row, **values, "damage": label}
            for row, payload, label in zip(rows, payloads, damage, strict=True)
            for values in _members(payload, self.plan.event.names)
        ]
        return pl.DataFrame(found, schema=_no_rows().schema) if found else _no_rows()


def without_watermark(records: pl.DataFrame) -> pl.DataFrame:
    """The records as an engine sees them that drops nothing."""
    return records.with_columns(pl.lit(_NO_WATERMARK, dtype=pl.Int64).alias(WATERMARK))


def _members(payload: bytes | None, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    try:
        content = json.loads((payload or b"").decode(errors="replace"))
    except ValueError:
        return
    if not isinstance(content, dict) or not isinstance(content.get(names["symbol"]), str) or names["event_time"] not in content:
        return
    price, volume = content.get(names["price"]), content.get(names["volume"])
    number = float(price) if isinstance(price, (int, float)) and abs(price) < float("inf") else None
    # Without a seq a record is neither the first nor the last; its own is seldom either.
    yield {"symbol": content[names["symbol"]], "price": number, "volume": volume if isinstance(volume, int) else None}


def _no_rows() -> pl.DataFrame:
    kinds = {"symbol": pl.String, "seq": pl.Int64, "event_time": pl.Int64, "price": pl.Float64, "volume": pl.Int64}
    return pl.DataFrame(schema={**kinds, WATERMARK: pl.Int64, "damage": pl.String})
