"""The ledger: one row for each fault and record that it struck, with what was meant and where the record went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import polars as pl

from simulator.answers.placement import NOWHERE, Placed, Placement, placed_records
from simulator.encode.frame import standard_frame
from simulator.faults.damage import Damage
from simulator.faults.model import NAMES
from simulator.plan import Plan

_TIME = pl.Datetime("us", "UTC")
# Faults of the bytes; that another fault struck the same record tells nothing about them.
_OF_BYTES = ("drift", "corrupt")
_LABELS = pl.Series("damage", [code.label for code in Damage], dtype=pl.String)


@final
class Ledger:
    """Collects the faults of a run.

    Columns: `kind`; `detail` (how the bytes are damaged); `symbol`, `seq`, `copy` (which record of the event: 0 the event's own);
    `intended_time`, `actual_time` (what the payload says; null for a record that was never sent), `sent_time` (when it was sent,
    on the market's clock); `partition` and `offset`, or `file` and its line as `offset`; then the event as it was meant:
    `price`, `volume`, and quotes and condition where the market has them.

    Args:
        plan: of the run.
        start: event time of the market's first instant, microseconds since 1970.
        names: the places by number.
    """

    def __init__(self, plan: Plan, start: int, names: list[str]) -> None:
        self._plan, self._start = plan, start
        self._names = pl.Series("file", names, dtype=pl.String)
        self._is_topic = plan.sink.kind == "kafka"
        self._parts: list[pl.DataFrame] = []

    def add(self, placed: Placed) -> None:
        """Take account of the next records."""
        struck = placed.take(placed.records.faults != 0)
        if not self._parts:  # a run without any has the columns all the same
            self._parts.append(self._rows("", self._described(placed.take(slice(0, 0)))))
        if len(struck.records):
            frame = self._described(struck)
            faults = struck.records.faults
            for number, name in enumerate(NAMES):
                rows = np.flatnonzero(faults >> np.uint32(number) & np.uint32(1))
                if rows.size:
                    self._parts.append(self._rows(name, frame[rows]))

    def frame(self) -> pl.DataFrame:
        """All rows, in the order of sending; first those of records that were never sent."""
        if not self._parts:
            return pl.DataFrame(schema={"kind": pl.String})
        return pl.concat(self._parts).sort("sent_time", "symbol", "seq", "copy", "kind", maintain_order=True)

    @staticmethod
    def _rows(kind: str, frame: pl.DataFrame) -> pl.DataFrame:
        detail = pl.col("detail") if kind in _OF_BYTES else pl.lit(None, dtype=pl.String).alias("detail")
        return frame.select(pl.lit(kind).alias("kind"), detail, pl.exclude("detail"))

    def _described(self, struck: Placed) -> pl.DataFrame:
        records = struck.records
        meant = standard_frame(records.intended, self._plan, self._start)
        is_there = pl.Series(~records.withheld)
        offset = pl.Series(struck.offset)
        place = pl.Series(struck.place)
        known = pl.Series(struck.place != NOWHERE)
        of_topic = {"partition": place, "file": pl.Series([None] * len(records), dtype=pl.String)}
        of_files = {
            "partition": pl.Series([None] * len(records), dtype=pl.Int64),
            "file": self._names.gather(pl.Series(np.maximum(struck.place, 0))) if len(self._names) else None,
        }
        where = pl.DataFrame(
            {
                "detail": _LABELS.gather(pl.Series(records.damage)),
                "copy": records.copy,
                "actual_time": self._start + records.events.time // 1000,
                "sent_time": self._start + records.sent // 1000,
                **(of_topic if self._is_topic else of_files),
                "offset": offset,
                "_there": is_there,
                "_known": known,
                "_damaged": pl.Series(records.damage != 0),
            }
        )
        joined = meant.rename({"event_time": "intended_time"}).hstack(where)
        columns: list[str | pl.Expr] = [
            pl.when("_damaged").then("detail").alias("detail"),
            "symbol",
            "seq",
            "copy",
            pl.col("intended_time").cast(_TIME),
            pl.when("_there").then("actual_time").cast(_TIME).alias("actual_time"),
            pl.when("_there").then("sent_time").cast(_TIME).alias("sent_time"),
            *(pl.when("_known").then(name).alias(name) for name in ("partition", "file", "offset")),
        ]
        rest = [name for name in meant.columns if name not in {"symbol", "seq", "event_time"}]
        return joined.select(*columns, *rest)


def ledger_of(plan: Plan, manifest: Mapping[str, Any]) -> pl.DataFrame:
    """The ledger of a finished run, from its plan and manifest."""
    placement = Placement(plan, manifest["deliveries"], manifest["partitions"])
    ledger = Ledger(plan, manifest["start"], placement.names)
    for placed in placed_records(plan, manifest["start"], placement, manifest["counts"]["generated"]):
        ledger.add(placed)
    return ledger.frame()
