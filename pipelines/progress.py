"""Reports of micro-batches: each exactly once, in a form that does not change with Spark's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql.streaming.query import StreamingQuery

Report = dict[str, Any]

_EXECUTED = "addBatch"
_DUPLICATES = "numDroppedDuplicateRows"


@final
class ProgressReader:
    """Reads what a query reports.

    Polls the list that Spark keeps with the query rather than listening to its events: those arrive whenever the
    listener bus comes to them, maybe after the query has stopped; the list is complete as soon as a batch has ended,
    and outlives the query. Batches without data, which only apply a new watermark, are in it too. So are, now and then,
    triggers that found nothing to do, under the number of the batch that is still to come: those are passed over.
    """

    def __init__(self, query: StreamingQuery) -> None:
        # PySpark's own property parses all of the list at each call; this asks Java for what is new.
        self._query = query._jsq  # noqa: SLF001  # see above
        self._last = -1
        self._seen: tuple[int, str] | None = None

    def read(self) -> list[Report]:
        """The reports of the batches that have ended since the last call, oldest first.

        Raises:
            RuntimeError: a batch's report is gone: more batches than Spark keeps have ended since the last call.
        """
        fresh = [report(content) for content in self._unseen() if content["batchId"] > self._last]
        if fresh and self._last >= 0 and fresh[0]["batch_id"] != self._last + 1:
            raise RuntimeError(f"the report of micro-batch {self._last + 1} is lost")
        if fresh:
            self._last = fresh[-1]["batch_id"]
        return fresh

    def _unseen(self) -> list[dict[str, Any]]:
        """What Spark tells of the batches that have ended since the last call, oldest first."""
        kept = self._query.recentProgress()
        newest: tuple[int, str] | None = None
        unseen = []
        for index in reversed(range(len(kept))):
            trigger = (kept[index].batchId(), kept[index].timestamp())
            newest = newest or trigger
            if trigger == self._seen:
                break
            content = json.loads(kept[index].json())
            if _EXECUTED in content["durationMs"]:
                unseen.append(content)
        self._seen = newest
        unseen.reverse()
        return unseen


def report(progress: Mapping[str, Any]) -> Report:
    """A report from Spark's own JSON.

    Durations are milliseconds, memory is bytes, times are RFC 3339, UTC; offsets are as the source writes them (Kafka:
    topic to partition to the next offset), null before the first batch. `newest` is the latest event time among the batch's
    rows, null where it has none; `watermark` is the one that the batch ran with.
    """
    return {
        "batch_id": progress["batchId"],
        "timestamp": progress["timestamp"],
        "rows": progress.get("numInputRows", 0),
        "duration_ms": progress.get("durationMs", {}),
        "watermark": progress.get("eventTime", {}).get("watermark"),
        "newest": progress.get("eventTime", {}).get("max"),
        "sources": [_source(source) for source in progress.get("sources", [])],
        "state": [_operator(operator) for operator in progress.get("stateOperators", [])],
        "observed": progress.get("observedMetrics", {}),
    }


def _source(source: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": source["description"],
        "rows": source["numInputRows"],
        "start_offset": source.get("startOffset"),
        "end_offset": source.get("endOffset"),
    }


def _operator(operator: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": operator["operatorName"],
        "rows_total": operator["numRowsTotal"],
        "memory_bytes": operator["memoryUsedBytes"],
        "rows_dropped_by_watermark": operator["numRowsDroppedByWatermark"],
        "duplicates_dropped": operator.get("customMetrics", {}).get(_DUPLICATES, 0),
    }
