"""Window results as tables: of a run's own record, or of anybody's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from simulator.answers.windows import KEYS
from simulator.errors import BadConfigError

_TIME = pl.Datetime("us", "UTC")
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": pl.read_csv,
    ".ndjson": pl.read_ndjson,
    ".jsonl": pl.read_ndjson,
}


def merge_batches(folder: Path, output_mode: str, metrics: list[str]) -> pl.DataFrame:
    """The result of a run from the rows of its micro-batches: in update mode the last row of each window counts."""
    files = sorted(folder.glob("batch-*.parquet"))
    columns = [*KEYS, *metrics]
    if not files:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))
    rows = pl.concat([pl.read_parquet(file) for file in files])
    if output_mode == "update":
        rows = rows.unique(KEYS, keep="last", maintain_order=True)
    return rows.select(columns).sort(KEYS)


def read_results(path: Path, metrics: list[str]) -> pl.DataFrame:
    """A table of windows from a Parquet, CSV or NDJSON file with the plan's column names; times without zone are UTC.

    Raises:
        BadConfigError: the file cannot be read as such a table.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise BadConfigError(f"results={path}: must end in {', '.join(_READERS)}")
    try:
        table = reader(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadConfigError(f"results={path}: cannot be read ({str(error).splitlines()[0]})") from None
    missing = [name for name in [*KEYS, *metrics] if name not in table.columns]
    if missing:
        raise BadConfigError(f"results={path}: lacks the columns {', '.join(missing)}; it has {', '.join(table.columns)}")
    try:
        return table.select(_as_time(table, "window_start"), _as_time(table, "window_end"), "symbol", *metrics)
    except pl.exceptions.PolarsError as error:
        raise BadConfigError(f"results={path}: {str(error).splitlines()[0]}") from None


def _as_time(table: pl.DataFrame, name: str) -> pl.Expr:
    kind = table.schema[name]
    column = pl.col(name)
    if kind == pl.String:
        return column.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
    if isinstance(kind, pl.Datetime) and kind.time_zone is None:
        return column.dt.replace_time_zone("UTC").cast(_TIME)
    return column.cast(_TIME)
