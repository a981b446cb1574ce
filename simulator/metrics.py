"""The metrics that a window can have, each declared once: for Spark as SQL, for the answers as an independent polars expression.

The columns are the event's: `price` (currency units), `volume` (shares), `seq` (rank of the event within its symbol).
A metric is `exact` when both engines must give the same bits: counts, integer sums, and values that are picked, not computed.
The others are sums of floating-point numbers, whose last bits depend on the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Metric:
    """One column of the windows.

    Attributes:
        name: the column.
        sql: Spark SQL aggregate over the events of a window and symbol.
        build: the same as a polars aggregate, given polars.
        exact: whether both must agree to the bit; otherwise to a relative error of 1e-9.
    """

    name: str
    sql: str
    build: Callable[[ModuleType], pl.Expr]
    exact: bool

    @cached_property
    def reference(self) -> pl.Expr:
        """The polars aggregate. Made when it is asked for: compiling a plan does not wait for polars to be loaded."""
        return self.build(import_module("polars"))


def _vwap(polars: ModuleType) -> pl.Expr:
    """Cancelled trades have no volume: a window of none but those has no such price."""
    price, volume = polars.col("price"), polars.col("volume")
    price_of_all: pl.Expr = polars.when(volume.sum() != 0).then((price * volume).sum() / volume.sum())
    return price_of_all


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("avg_price", "avg(price)", lambda pl: pl.col("price").mean(), exact=False),
        Metric("volume", "sum(volume)", lambda pl: pl.col("volume").sum(), exact=True),
        Metric("msg_ct", "count(*)", lambda pl: pl.len().cast(pl.Int64), exact=True),
        Metric("vwap", "try_divide(sum(price * volume), sum(volume))", _vwap, exact=False),
        Metric("open", "min_by(price, seq)", lambda pl: pl.col("price").sort_by("seq").first(), exact=True),
        Metric("high", "max(price)", lambda pl: pl.col("price").max(), exact=True),
        Metric("low", "min(price)", lambda pl: pl.col("price").min(), exact=True),
        Metric("close", "max_by(price, seq)", lambda pl: pl.col("price").sort_by("seq").last(), exact=True),
    )
}
