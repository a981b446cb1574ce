"""Window results as tables: of a run's own record, or of anybody's file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import final

import polars as pl

from simulator.answers.times import NotATimeError, as_instants
from simulator.answers.windows import KEYS
from simulator.diagnosis import show, suggestion
from simulator.errors import BadConfigError
from simulator.finished import guarded
from simulator.plan import WindowPlan

# Types are those of all rows, not of the first ones.
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": partial(pl.read_csv, infer_schema_length=None),
    ".ndjson": partial(pl.read_ndjson, infer_schema_length=None),
    ".jsonl": partial(pl.read_ndjson, infer_schema_length=None),
}


@dataclass(frozen=True)
class ColumnMapping:
    """Which of a file's columns is what.

    Attributes:
        window_start: column of the start; None: it follows from the end.
        window_end: column of the end; None: it follows from the start.
        symbol: column of the symbol.
        metrics: metric to column.
        time_unit: auto | s | ms | us | ns, of numbers as times.
    """

    window_start: str | None = "window_start"
    window_end: str | None = "window_end"
    symbol: str = "symbol"
    metrics: dict[str, str] = field(default_factory=dict)
    time_unit: str = "auto"

    @property
    def columns(self) -> dict[str, str]:
        """Key of the configuration to column."""
        keys = {name: getattr(self, name) for name in KEYS}
        named = {f"verify.columns.{key}": column for key, column in keys.items() if column is not None}
        return named | {f"verify.metrics.{metric}": column for metric, column in self.metrics.items()}


def merge_batches(folder: Path, output_mode: str, metrics: list[str]) -> pl.DataFrame:
    """The result of a run from the rows of its micro-batches: in update mode the last row of each window counts."""
    files = sorted(folder.glob("batch-*.parquet"))
    columns = [*KEYS, *metrics]
    if not files:
        instant = pl.Datetime("us", "UTC")
        return pl.DataFrame(
            schema={**dict.fromkeys(columns, pl.Float64), "window_start": instant, "window_end": instant, "symbol": pl.String}
        )
    rows = pl.concat([pl.read_parquet(file) for file in files])
    if output_mode == "update":
        rows = rows.unique(KEYS, keep="last", maintain_order=True)
    return rows.select(columns).sort(KEYS)


def read_results(path: Path, mapping: ColumnMapping, window: WindowPlan) -> pl.DataFrame:
    """A table of windows, KEYS and the mapped metrics, from a Parquet, CSV or NDJSON file. Times without zone are UTC.

    Raises:
        BadConfigError: the file cannot be read as such a table; one line for each column that is not there or of no use.
    """
    if window.kind == "session" and None in {mapping.window_start, mapping.window_end}:
        raise BadConfigError("verify.columns: window_start and window_end must both be given for session windows")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise BadConfigError(f"results={path}: must end in {', '.join(_READERS)}")
    table = guarded(f"results={path}", lambda: reader(path))
    return _Table(path, table, mapping).windows(window)


@final
class _Table:
    """A file's table, and what is wrong with it."""

    def __init__(self, path: Path, table: pl.DataFrame, mapping: ColumnMapping) -> None:
        self._path, self._table, self._mapping = path, table, mapping
        known = table.columns
        self._faults = [
            f"{key}={show(column)}: {path} has no such column{suggestion(column, known)}; it has {', '.join(map(show, known))}"
            for key, column in mapping.columns.items()
            if column not in known
        ]

    def windows(self, window: WindowPlan) -> pl.DataFrame:
        """KEYS and metrics; KEYS as UTC timestamps and text."""
        self._check()
        mapping = self._mapping
        start, end = self._times("window_start"), self._times("window_end")
        metrics = [self._numbers(metric, column) for metric, column in mapping.metrics.items()]
        symbol = self._table[mapping.symbol].cast(pl.String, strict=False).alias("symbol")
        self._check()
        if start is None and end is not None:
            start = _moved(end, -window.size)
        if end is None and start is not None:
            end = _moved(start, window.size)
        assert start is not None  # noqa: S101  # schema.py wants one of the two
        assert end is not None  # noqa: S101
        return pl.DataFrame([start.alias("window_start"), end.alias("window_end"), symbol, *metrics])

    def _times(self, key: str) -> pl.Series | None:
        column = getattr(self._mapping, key)
        if column is None:
            return None
        try:
            return as_instants(self._table[column], self._mapping.time_unit)
        except NotATimeError as error:
            self._faults.append(f"verify.columns.{key}={show(column)}: {error}")
            return None

    def _numbers(self, metric: str, column: str) -> pl.Series:
        found = self._table[column]
        if found.dtype.is_numeric() or found.dtype == pl.Null:
            return found.alias(metric)
        numbers = found.cast(pl.Float64, strict=False) if found.dtype == pl.String else None
        if numbers is None or numbers.null_count() > found.null_count():
            self._faults.append(f"verify.metrics.{metric}={show(column)}: must be numbers, and is {found.dtype}")
        return (found if numbers is None else numbers).alias(metric)

    def _check(self) -> None:
        if self._faults:
            raise BadConfigError(self._faults)


def _moved(times: pl.Series, microseconds: int) -> pl.Series:
    return (times.cast(pl.Int64) + microseconds).cast(times.dtype)
