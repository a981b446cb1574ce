"""Columns of times in whatever form an engine writes them, as UTC timestamps in microseconds."""

from __future__ import annotations

import polars as pl

TIME = pl.Datetime("us", "UTC")
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# The largest number, without sign, that is taken for each unit: seconds up to the year 5138, and milliseconds from 1973 on.
_LARGEST = {"s": 10**11, "ms": 10**14, "us": 10**17}
_FORM = r"(?i)^\s*(\d{4}-\d\d-\d\d)(?:[t ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?\s*(?:(z|utc)|([+-])(\d\d):?(\d\d)?)?)?\s*$"


class NotATimeError(ValueError):
    """A column that cannot be read as times; the message says what it should hold."""


def as_instants(column: pl.Series, unit: str) -> pl.Series:
    """The times of a column.

    Args:
        column: timestamps with or without zone (without: UTC), dates, RFC 3339 text, or numbers since 1970.
        unit: of numbers: s | ms | us | ns, or auto for what their size tells.

    Raises:
        NotATimeError: it is none of these.
    """
    kind = column.dtype
    if kind == pl.Null:
        return column.cast(TIME)
    if kind.is_numeric():
        return _of_numbers(column, unit)
    if kind == pl.String:
        return _of_text(column, unit)
    if isinstance(kind, pl.Datetime):
        return (column.dt.replace_time_zone("UTC") if kind.time_zone is None else column).cast(TIME)
    if kind == pl.Date:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    raise NotATimeError(f"must be times, RFC 3339 text or whole numbers, and is {kind}")


def _of_numbers(column: pl.Series, unit: str) -> pl.Series:
    if unit == "auto":
        middle = column.cast(pl.Float64, strict=False).abs().median()
        size = middle if isinstance(middle, float) else 0.0
        unit = next((name for name, largest in _LARGEST.items() if size < largest), "ns")
    per_second = _PER_SECOND[unit]
    if column.dtype.is_integer():
        whole = column.cast(pl.Int64, strict=False)
        micros = whole // 1000 if unit == "ns" else whole * (1_000_000 // per_second)
    else:
        micros = (column.cast(pl.Float64, strict=False) * (1_000_000 / per_second)).round().cast(pl.Int64, strict=False)
    return micros.cast(TIME)


def _of_text(column: pl.Series, unit: str) -> pl.Series:
    """RFC 3339 and its relatives: a blank for the T, no zone, `+0100`; or whole numbers as text."""
    if (numbers := column.cast(pl.Int64, strict=False)).null_count() == column.null_count():
        return _of_numbers(numbers, unit)
    date, clock, seconds, sign, hours, minutes = (column.str.extract(_FORM, group) for group in (1, 2, 3, 5, 6, 7))
    local = (date + "T" + clock.fill_null("00:00") + seconds.fill_null(":00")).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False
    )
    ahead = hours.fill_null("0").cast(pl.Int64) * 60 + minutes.fill_null("0").cast(pl.Int64)
    signed = ahead * (1 - 2 * (sign == "-").fill_null(value=False).cast(pl.Int64))
    instants = (local.cast(pl.Int64) - signed * 60_000_000).cast(TIME)
    if instants.null_count() > column.null_count():
        bad = column.filter(instants.is_null() & column.is_not_null())[0]
        raise NotATimeError(f"must be times, RFC 3339 text or whole numbers, and holds {bad!r}")
    return instants
