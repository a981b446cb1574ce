"""The metrics that a window can have, each declared once: for Spark as SQL, for the answers as an independent polars expression.

The columns are the event's: `price` (currency units), `volume` (shares), `seq` (rank of the event within its symbol).
A metric is `exact` when both engines must give the same bits: counts, integer sums, and values that are picked, not computed.
The others are sums of floating-point numbers, whose last bits depend on the order of summation.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Metric:
    """One column of the windows.

    Attributes:
        name: the column.
        sql: Spark SQL aggregate over the events of a window and symbol.
        reference: the same as a polars aggregate.
        exact: whether both must agree to the bit; otherwise to a relative error of 1e-9.
    """

    name: str
    sql: str
    reference: pl.Expr
    exact: bool


_PRICE, _VOLUME, _SEQ = pl.col("price"), pl.col("volume"), pl.col("seq")

# Cancelled trades have no volume: a window of none but those has no such price.
_VWAP = pl.when(_VOLUME.sum() != 0).then((_PRICE * _VOLUME).sum() / _VOLUME.sum())

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("avg_price", "avg(price)", _PRICE.mean(), exact=False),
        Metric("volume", "sum(volume)", _VOLUME.sum(), exact=True),
        Metric("msg_ct", "count(*)", pl.len().cast(pl.Int64), exact=True),
        Metric("vwap", "try_divide(sum(price * volume), sum(volume))", _VWAP, exact=False),
        Metric("open", "min_by(price, seq)", _PRICE.sort_by(_SEQ).first(), exact=True),
        Metric("high", "max(price)", _PRICE.max(), exact=True),
        Metric("low", "min(price)", _PRICE.min(), exact=True),
        Metric("close", "max_by(price, seq)", _PRICE.sort_by(_SEQ).last(), exact=True),
    )
}
