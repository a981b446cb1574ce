"""The dead letters held against the records that must be among them: every rejected record once, with its own bytes."""

from __future__ import annotations

from pathlib import Path
from typing import final

import polars as pl

from simulator.answers.foreign import Foreign
from simulator.answers.reader import Fate, Reading
from simulator.encode.payload import Payloads
from simulator.plan import Plan


@final
class DeadLetters:
    """Collects the rejected records of a run.

    Args:
        plan: of the run.
        start: event time of the market's first instant, microseconds since 1970.
        names: the places by number.
    """

    def __init__(self, plan: Plan, start: int, names: list[str]) -> None:
        self._payloads = Payloads(plan, start)
        self._is_topic = plan.sink.kind == "kafka"
        self._names = pl.Series("file", names, dtype=pl.String)
        self._parts: list[pl.DataFrame] = []

    def add(self, reading: Reading) -> None:
        """Take account of the next records."""
        rejected = reading.placed.take(reading.fate == Fate.REJECTED)
        if not len(rejected.records):
            return
        if self._is_topic:
            values = pl.Series("value", self._payloads.of(rejected.records), dtype=pl.Binary)
            place = {"partition": rejected.place, "offset": rejected.offset}
            self._parts.append(pl.DataFrame({"value": values, **place}))
        else:  # a line's number is not known to the reader
            lines = pl.Series("value", self._payloads.lines(rejected.records), dtype=pl.Binary)
            self._parts.append(pl.DataFrame({"value": lines, "file": self._names.gather(pl.Series(rejected.place))}))

    def faults(self, folder: Path, foreign: Foreign) -> list[str]:
        """What is wrong with the dead letters in a folder, one line each; those of foreign records are no concern of the run."""
        keys = ["partition", "offset", "value"] if self._is_topic else ["file", "value"]
        expected = pl.concat(self._parts) if self._parts else None
        files = sorted(folder.glob("**/*.parquet"))
        found = pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files]) if files else None
        if found is not None and len(foreign):
            places = ["partition", "offset"]
            found = found.with_columns(pl.col(places).cast(pl.Int64)).join(foreign.frame(), on=places, how="anti")
        wanted, had = _counted(expected, keys), _counted(found, keys)
        if wanted is None or had is None:
            return _told("are missing", wanted, keys) + _told("are of no rejected record", had, keys)
        missing = wanted.join(had, on=[*keys, "times"], how="anti", nulls_equal=True)
        further = had.join(wanted, on=[*keys, "times"], how="anti", nulls_equal=True)
        return _told("are missing", missing, keys) + _told("are of no rejected record", further, keys)


def _counted(rows: pl.DataFrame | None, keys: list[str]) -> pl.DataFrame | None:
    """Distinct rows with how often each is there."""
    if rows is None:
        return None
    cast = {"partition": pl.Int64, "offset": pl.Int64, "file": pl.String, "value": pl.Binary}
    return rows.select(pl.col(key).cast(cast[key]) for key in keys).group_by(keys).agg(pl.len().alias("times"))


def _told(what: str, rows: pl.DataFrame | None, keys: list[str]) -> list[str]:
    if rows is None or not rows.height:
        return []
    first = rows.sort(keys[:-1]).row(0, named=True)
    where = ", ".join(f"{key} {first[key]}" for key in keys[:-1])
    return [f"dead letters: {rows.height} {what}, the first at {where}"]
