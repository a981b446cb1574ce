"""Tells when a query has processed all that was there, watermark and all."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql.streaming.query import StreamingQuery

    from pipelines.progress import Report

EndOffsets = dict[str, dict[str, int]]
"""Topic to partition to the offset after the last record."""

_log = logging.getLogger(__name__)


@final
class Drain:
    """A wait for a query to have read up to some end, and to have closed what that end lets it close.

    Without end offsets: until the query finds nothing to do. With them, more data may keep arriving: until the query
    finds nothing to do *after* a batch that reached the end, or until another batch has followed that one. The batch
    that follows, with data or without, runs with the watermark that the end has moved; no third one is needed.
    """

    def __init__(self, query: StreamingQuery, end_offsets: EndOffsets | None, last: Report | None) -> None:
        self._query = query
        self._end = end_offsets
        self._idle = threading.Event()
        self._waiting = self._followed = False
        if end_offsets is None:
            # Spark may come out of the first wait by a look at the source that it took before we asked; a second wait
            # can only end with a look that was taken after the first ended.
            self._await_idle(times=2)
        elif last is not None:
            self.note(last)

    def note(self, report: Report) -> None:
        """Take account of a batch that has ended."""
        if self._end is None:
            return
        self._followed = self._followed or _covers(report, "start_offset", self._end)
        if not self._waiting and _covers(report, "end_offset", self._end):
            # Once is enough: a look that was taken since this batch ended knows whether it needs another batch.
            self._await_idle(times=1)

    def is_done(self) -> bool:
        """Whether all was processed."""
        return self._followed or self._idle.is_set()

    def _await_idle(self, times: int) -> None:
        self._waiting = True
        threading.Thread(target=self._run_until_idle, args=(times,), daemon=True).start()

    def _run_until_idle(self, times: int) -> None:
        try:
            for _ in range(times):
                self._query.processAllAvailable()
        except Exception as error:  # noqa: BLE001  # the query's failure is told by the query itself
            _log.info("the query ended while it was drained: %s", error)
        else:
            self._idle.set()


def _covers(report: Report, key: str, end: EndOffsets) -> bool:
    reached: dict[str, Mapping[str, Any]] = {}
    for source in report["sources"]:
        reached.update(source[key] or {})
    return all(
        reached.get(topic, {}).get(partition, 0) >= offset
        for topic, partitions in end.items()
        for partition, offset in partitions.items()
    )
