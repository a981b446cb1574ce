"""The windows of a run so far, from the rows that Spark has recorded of each micro-batch."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import final

import polars as pl

from simulator.plan import Plan

_SYMBOLS = 30
_WINDOWS = 500
_BATCHES = 300


@final
class WindowResults:
    """The latest windows of the busiest symbols. Each batch's file is read once, and only when somebody looks.

    Args:
        folder: where the rows are, a file a micro-batch.
        plan: of the run.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        busiest = sorted(plan.market.symbols, key=lambda symbol: -symbol.rate)
        self.symbols = [symbol.name for symbol in busiest[:_SYMBOLS]]
        self.metrics = list(plan.answers.metrics)
        self._folder = folder
        self._upcoming = 0
        self._values: dict[str, dict[int, list[float | None]]] = {name: {} for name in self.symbols}
        self._lock = threading.Lock()

    def of(self, symbol: str, metric: str, last: int) -> tuple[list[int], list[float | None]]:
        """Ends of a symbol's windows, milliseconds since 1970, and a metric's values, after the micro-batch `last`.

        Of a symbol or metric that is not among those shown there are none.
        """
        if symbol not in self._values or metric not in self.metrics:
            return [], []
        with self._lock:
            self._catch_up(last)
            ends = sorted(self._values[symbol])
            place = self.metrics.index(metric)
            return ends, [self._values[symbol][end][place] for end in ends]

    def _catch_up(self, last: int) -> None:
        for number in range(max(self._upcoming, last + 1 - _BATCHES), last + 1):
            path = self._folder / f"batch-{number:012d}.parquet"
            if path.is_file():  # a batch without windows leaves none
                self._take(path)
        self._upcoming = max(self._upcoming, last + 1)

    def _take(self, path: Path) -> None:
        rows = pl.read_parquet(path, columns=["window_end", "symbol", *self.metrics])
        ends = pl.col("window_end").dt.epoch("ms")
        shown = rows.filter(pl.col("symbol").is_in(self.symbols)).select(ends, "symbol", pl.col(self.metrics).cast(pl.Float64))
        for end, symbol, *values in shown.iter_rows():
            self._values[symbol][end] = [None if value is None or not math.isfinite(value) else value for value in values]
        for windows in self._values.values():
            for end in sorted(windows)[:-_WINDOWS]:
                del windows[end]
