"""Whether what a window lacks can be late records: bounds alone would take any missing record for one."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from simulator.answers.bounds import sure
from simulator.answers.causes.case import Case
from simulator.answers.known import WATERMARK
from simulator.answers.verify import compare
from simulator.answers.windows import KEYS
from simulator.plan import WindowPlan

# Above so many steps a sum is only held against the smallest and the largest; of so many records almost every one is some sum.
_STEPS = 4_000
_NEARLY_ALL = 0.9
_LACKED = ("msg_ct", "volume")


def explains_nearly_all(case: Case, windows: pl.DataFrame) -> bool:
    """Whether hardly a window differs any more, of those whose records were looked at."""
    before, after = (
        compare(case.seen(right), case.seen(case.results), case.metrics).differing for right in (case.right, windows)
    )
    return before - after >= _NEARLY_ALL * before


def held_to_late_records(
    windows: pl.DataFrame, results: pl.DataFrame, records: pl.DataFrame, window: WindowPlan, metrics: list[str]
) -> pl.DataFrame:
    """The bounds, but where what the results lack is no sum of late records: there everything has to count.

    Args:
        windows: of `LegalWindows`, of sizes that do not depend on the records.
        results: KEYS and metrics.
        records: EVENT and WATERMARK; a record that is not after its watermark may be dropped.
        window: sizes in microseconds.
        metrics: those compared.
    """
    lacked = [name for name in _LACKED if name in metrics]
    if not lacked or window.kind == "session":
        return windows
    late = _late_volumes(records, window)
    found = results.unique(KEYS, keep="first").select(*(pl.col(key).cast(windows.schema[key]) for key in KEYS), *lacked)
    both = windows.join(found, on=KEYS, suffix="_found", nulls_equal=True).join(late, on=KEYS, how="left")
    lacks = [(pl.col(name) - pl.col(f"{name}_found").cast(pl.Float64, strict=False)).alias(f"_{name}") for name in lacked]
    rows = both.with_columns(lacks).filter(pl.any_horizontal(pl.col(f"_{name}") != 0 for name in lacked))
    unlike = [not _is_sum(row["_late"] or (), row.get("_msg_ct"), row.get("_volume")) for row in rows.iter_rows(named=True)]
    other = rows.filter(pl.Series(unlike, dtype=pl.Boolean)).select(*KEYS, _other=pl.lit(value=True))
    marked = windows.join(other, on=KEYS, how="left", maintain_order="left")
    is_sure = [(pl.col(sure(name)) | pl.col("_other").fill_null(value=False)).alias(sure(name)) for name in metrics]
    return marked.with_columns(is_sure).drop("_other")


def _late_volumes(records: pl.DataFrame, window: WindowPlan) -> pl.DataFrame:
    """By window and symbol the volumes of the records that may be dropped."""
    late = records.filter(pl.col("event_time") <= pl.col(WATERMARK))
    last = pl.col("event_time") // window.slide * window.slide
    shifted = [
        late.with_columns(window_start=last - number * window.slide).filter(
            pl.col("event_time") < pl.col("window_start") + window.size
        )
        for number in range(-(-window.size // window.slide))
    ]
    times = [pl.col(name).cast(pl.Datetime("us", "UTC")) for name in KEYS[:2]]
    every = pl.concat(shifted).with_columns(window_end=pl.col("window_start") + window.size).with_columns(times)
    return every.group_by(KEYS).agg(pl.col("volume").alias("_late"))


def _is_sum(volumes: Sequence[int], count: float | None, total: float | None) -> bool:
    """Whether `count` of the volumes have this sum; None: any number of them, and any sum."""
    if count is not None and not (count.is_integer() and 0 <= count <= len(volumes)):
        return False
    if total is None:
        return True
    if not (total.is_integer() and 0 <= total <= sum(volumes)):
        return False
    ordered = sorted(volumes)
    number = None if count is None else int(count)
    if number is not None and not sum(ordered[:number]) <= total <= sum(ordered[len(ordered) - number :]):
        return False
    return len(ordered) * (number or 1) > _STEPS or _is_reached(ordered, number, int(total))


def _is_reached(volumes: Sequence[int], count: int | None, total: int) -> bool:
    """The same without a doubt. Bit s of `reached[n]`: n volumes have the sum s."""
    below = (1 << (total + 1)) - 1
    if count is None:
        sums = 1
        for volume in volumes:
            sums |= sums << volume & below
        return bool(sums >> total & 1)
    reached = [1] + [0] * count
    for volume in volumes:
        for number in range(count, 0, -1):
            reached[number] |= reached[number - 1] << volume & below
    return bool(reached[count] >> total & 1)
