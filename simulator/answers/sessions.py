"""Session windows as Spark makes them, batch by batch: what was closed and written does not grow any more.

An event that is not late itself may touch a session that the watermark has closed already; it then begins another one. So
sessions depend on the batches, unlike windows with fixed edges.
"""

from __future__ import annotations

from typing import final

import polars as pl

from simulator.answers.windows import KEYS
from simulator.metrics import METRICS
from simulator.plan import AnswersPlan


@final
class BatchedSessions:
    """Replays the state of the sessions over the micro-batches.

    Args:
        answers: the windows and metrics.
        watermarks: of each batch, microseconds since 1970: what ends by it is closed when the batch ends.
    """

    def __init__(self, answers: AnswersPlan, watermarks: list[int]) -> None:
        self._gap = answers.window.size
        self._metrics = [METRICS[name].reference.alias(name) for name in answers.metrics]
        self._watermarks = watermarks
        self._events: list[pl.DataFrame] = []

    def add(self, events: pl.DataFrame) -> None:
        """Take events that are not late, with their `batch`."""
        self._events.append(events)

    def finish(self) -> pl.DataFrame | None:
        """All sessions that were closed, times in microseconds since 1970; None when there was no event."""
        if not self._events:
            return None
        by_batch = {key[0]: rows for key, rows in pl.concat(self._events).partition_by("batch", as_dict=True).items()}
        open_events = self._events[0].clear()
        closed = []
        for batch, watermark in enumerate(self._watermarks):
            arrived = by_batch.get(batch)
            if arrived is not None:
                open_events = pl.concat([open_events, arrived])
            if open_events.height:
                sessions, open_events = self._closed_by(open_events, watermark)
                closed.append(sessions)
        return pl.concat(closed) if closed else None

    def _closed_by(self, events: pl.DataFrame, watermark: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The sessions that end by the watermark, and the events of the others."""
        events = events.sort("event_time", maintain_order=True)
        pause = pl.col("event_time").diff().over("symbol") > self._gap
        events = events.with_columns(_session=pause.fill_null(value=False).cum_sum().over("symbol"))
        events = events.with_columns(window_end=pl.col("event_time").max().over("symbol", "_session") + self._gap)
        is_closed = pl.col("window_end") <= watermark
        sessions = (
            events.filter(is_closed)
            .group_by("symbol", "_session", "window_end")
            .agg(pl.col("event_time").min().alias("window_start"), *self._metrics)
        )
        names = [metric.meta.output_name() for metric in self._metrics]
        return sessions.select(*KEYS, *names), events.filter(~is_closed).drop("_session", "window_end")
