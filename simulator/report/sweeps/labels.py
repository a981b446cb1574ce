"""What the figures of a multirun share: the names of outcomes, and the order of a key's values."""

from __future__ import annotations

import polars as pl

LABELS = {
    "rate_achieved": "events/s achieved",
    "lag_p50": "lag, median, s",
    "lag_p99": "lag, 99 %, s",
    "windows_matched": "windows that match",
    "late_dropped": "records dropped as late",
    "batch_seconds": "micro-batch, median, s",
    "state_rows": "state, most rows",
    "state_megabytes": "state, most MB",
    "gates_passed": "gates of realism passed",
    "peak_megabytes": "producer's memory, MB",
}


def number(value: float) -> str:
    """A number for people: four digits that count, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"  # noqa: PLR2004  # four digits


def ordered(values: pl.Series) -> list[str]:
    """The values as text, each once: numbers by size, words as they come."""
    texts = list(dict.fromkeys(str(value) for value in values))
    return sorted(texts, key=float) if is_number(values) else texts


def is_number(values: pl.Series) -> bool:
    """Whether all that is there is a number, or text that reads as one."""
    return values.cast(pl.Float64, strict=False).null_count() == values.null_count()
