"""The files of a finished run as they are read again: they are as they were written, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from simulator.errors import BadConfigError
from simulator.rundir import read_json, read_lines

Content = TypeVar("Content")
Count = Annotated[int, Field(ge=0, le=2**62)]
_REAL_NUMBER = Annotated[float, Field(allow_inf_nan=False)]
_RFC3339 = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"


class _Known(BaseModel):
    """What is read of a file; the rest is only shown."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Counts(_Known):
    generated: Count
    acked: Count


class _Rate(_Known):
    asked: _REAL_NUMBER | None
    achieved: _REAL_NUMBER | None


class _Lag(_Known):
    p50: _REAL_NUMBER | None
    p99: _REAL_NUMBER | None
    largest: _REAL_NUMBER
    last: _REAL_NUMBER | None


_Run = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=2, max_length=2)]


class _Manifest(_Known):
    status: str
    seed: int
    plan_hash: str
    stream_digest: str | None
    start: Annotated[int, Field(ge=0, lt=2**60)]
    counts: _Counts
    rate: _Rate
    lag_seconds: _Lag
    versions: dict[str, str | None]
    partitions: Annotated[int, Field(ge=1, le=10_000)] | None = None
    deliveries: dict[str, list[Annotated[list[Count], Field(min_length=2, max_length=2)]]] = {}
    foreign: dict[Annotated[str, Field(pattern=r"^\d{1,5}$")], list[_Run]] = {}


class _Source(_Known):
    end_offset: dict[str, dict[str, Count] | Count | str | None] | None


class _Operator(_Known):
    rows_dropped_by_watermark: Count
    duplicates_dropped: Count


class _Report(_Known):
    batch_id: Count
    watermark: Annotated[str, Field(pattern=_RFC3339)] | None
    sources: list[_Source]
    state: list[_Operator]
    observed: dict[str, dict[str, int | None] | None]


class _Audit(_Known):
    in_topic: Count | None = None


class _Verdict(_Known):
    status: str
    audit: _Audit = _Audit()


_MANIFEST, _REPORTS, _VERDICT = TypeAdapter(_Manifest), TypeAdapter(list[_Report]), TypeAdapter(_Verdict)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read `manifest.json` of a run that has ended.

    Raises:
        BadConfigError: it is not there, or not as a run writes it; or the run has not ended, or failed.
    """
    content = read_json(path)
    if content.get("status") not in ("complete", "incomplete"):  # a list has no hash
        raise BadConfigError(f"{path}: the run's status is {content.get('status')}; only a finished run can be used")
    return _checked(_MANIFEST, content, path)


def read_verdict(path: Path) -> dict[str, Any]:
    """Read `verdict.json`.

    Raises:
        BadConfigError: as `read_manifest`.
    """
    return _checked(_VERDICT, read_json(path), path)


def read_reports(path: Path) -> list[dict[str, Any]]:
    """Read `microbatches.ndjson`.

    Raises:
        BadConfigError: as `read_manifest`.
    """
    return _checked(_REPORTS, read_lines(path), path)


def read_table(path: Path, columns: Sequence[str] = ()) -> pl.DataFrame:
    """Read a Parquet file of a run.

    Raises:
        BadConfigError: it cannot be read, or lacks one of the columns.
    """
    table = guarded(str(path), lambda: pl.read_parquet(path))
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise BadConfigError(f"{path}: has no column {', '.join(missing)}; it is not as a run writes it")
    return table


def guarded(name: str, read: Callable[[], Content]) -> Content:
    """What polars reads of a file; of one that is damaged it may panic, which is no `Exception`.

    Raises:
        BadConfigError: it cannot be read; `name` begins the line.
    """
    try:
        return read()
    except (OSError, ValueError, OverflowError, MemoryError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadConfigError(f"{name}: cannot be read ({reason})") from None


def _checked(form: TypeAdapter[Any], content: Content, path: Path) -> Content:
    try:
        form.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise BadConfigError(f"{path}: is not as a run writes it ({where}: {reason})") from None
    return content
