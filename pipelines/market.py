"""The market as sources of Spark's Python Data Source API: `market`, in batches and as a stream, and `market_digest`.

    spark.dataSource.register(MarketSource)
    spark.read.format("market").options(plan=text, workers="8").load()

Options are text. `plan`: the JSON text of a plan, or the path of its file on the driver's machine. `start`: event time of the
market's first instant, microseconds since 1970 (default: the plan's). `workers`: the number of tasks (1). `until`: nanoseconds of
market time at which a batch read ends (the plan's end). Of a stream, `span`: the longest micro-batch, nanoseconds (1 s); `state`:
URI of a folder that all executors reach; `stop`: a file of the driver's machine that ends the stream as soon as it is there.

The offset of a stream is an instant of the market. The last one says why it is over: no more records, or it was stopped.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceStreamReader, InputPartition

from pipelines.generator import DIGESTS, END, RECORDS, Job, digests, records
from pipelines.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from pyspark.sql.streaming.datasource import ReadLimit
    from pyspark.sql.types import StructType

Offset = dict[str, Any]

INSTANT, OVER = "instant", "over"
ENDED, STOPPED = "ended", "stopped"

_SECOND = 1_000_000_000


@final
class _Part(InputPartition):
    """A worker's share of a stretch of time."""

    def __init__(self, worker: int, begin: int, end: int) -> None:
        super().__init__(worker)
        self.worker, self.begin, self.end = worker, begin, end


@final
class MarketSource(DataSource):
    """Records: key, value and partition."""

    @classmethod
    def name(cls) -> str:  # noqa: D102  # inherited
        return "market"

    def schema(self) -> str:  # noqa: D102  # inherited
        return RECORDS

    def reader(self, schema: StructType) -> DataSourceReader:  # noqa: ARG002, D102  # inherited
        return _MarketReader(job_of(self.options), end_of(self.options))

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:  # noqa: ARG002, D102, N802  # inherited
        return MarketStreamReader(job_of(self.options), _number(self.options, "span", _SECOND), self.options.get("stop"))


@final
class DigestSource(DataSource):
    """The hash chain of each symbol, from the beginning to the instant `until`, and how many records it is of.

    Where there are states, the records are held against what the tasks that sent them have counted.
    """

    @classmethod
    def name(cls) -> str:  # noqa: D102  # inherited
        return "market_digest"

    def schema(self) -> str:  # noqa: D102  # inherited
        return DIGESTS

    def reader(self, schema: StructType) -> DataSourceReader:  # noqa: ARG002, D102  # inherited
        return _DigestReader(job_of(self.options), end_of(self.options))


class _BatchReader(DataSourceReader):
    """One task a worker, each from the beginning to the end."""

    def __init__(self, job: Job, end: int) -> None:
        self._job, self._end = job, end

    def partitions(self) -> Sequence[InputPartition]:
        return [_Part(worker, 0, self._end) for worker in range(self._job.workers)]


@final
class _MarketReader(_BatchReader):
    """Each task makes its share."""

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        assert isinstance(partition, _Part)  # noqa: S101  # one of the above
        return records(self._job.without_states, partition.worker, partition.begin, partition.end)


@final
class _DigestReader(_BatchReader):
    """Each task sums up its share."""

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        assert isinstance(partition, _Part)  # noqa: S101  # one of the above
        yield digests(self._job, partition.worker, partition.end)


@final
class MarketStreamReader(DataSourceStreamReader):
    """Goes on by a span at a time, or by the wall clock where the plan's clock has a pace."""

    def __init__(self, job: Job, span: int, stop: str | None) -> None:
        clock = job.plan.clock
        self._job, self._stop = job, stop
        self._schedule = Schedule(span, clock.speed, catch_up=clock.catch_up)

    def initialOffset(self) -> Offset:  # noqa: D102, N802  # inherited
        return {INSTANT: 0}

    def latestOffset(self, start: Offset, limit: ReadLimit) -> Offset:  # noqa: ARG002, D102, N802  # inherited
        if start.get(OVER) == ENDED:
            return start
        begin = start[INSTANT]
        if self._stop is not None and os.path.exists(self._stop):  # noqa: PTH110  # asked many times a second
            return {INSTANT: begin, OVER: STOPPED}
        upcoming = self._upcoming(begin)
        if upcoming is None:
            return {INSTANT: begin, OVER: ENDED}
        end = self._schedule.end(begin, upcoming)
        return start if end == begin else {INSTANT: end}

    def _upcoming(self, begin: int) -> int | None:
        """When the next record is sent, if that is known; None: there are no more."""
        if begin == 0:
            return 0
        is_past = self._job.duration is not None and begin >= self._job.duration
        if self._job.states is None:
            # What faults hold up to after the market's end is known to the tasks alone.
            return None if is_past and not self._job.plan.faults.any else begin
        if self._job.plan.clock.speed is not None and not is_past:
            return begin
        told = [self._job.states.summary(worker, begin)["upcoming"] for worker in range(self._job.workers)]
        return min((instant for instant in told if instant is not None), default=None)

    def partitions(self, start: Offset, end: Offset) -> Sequence[InputPartition]:  # noqa: D102  # inherited
        if start[INSTANT] == end[INSTANT]:
            return []
        return [_Part(worker, start[INSTANT], end[INSTANT]) for worker in range(self._job.workers)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:  # noqa: D102  # inherited
        assert isinstance(partition, _Part)  # noqa: S101  # one of the above
        return records(self._job, partition.worker, partition.begin, partition.end)

    def commit(self, end: Offset) -> None:
        """Remove the states that no task will ask for any more: all before `end`, whose own the next micro-batch begins with."""
        if self._job.states is not None:
            self._job.states.remove_before(end[INSTANT])


def job_of(options: Mapping[str, str]) -> Job:
    """The job that a source's options describe.

    Raises:
        ValueError: an option is missing or is not what it should be.
        BadConfigError: the plan is not one.
    """
    text = options.get("plan")
    if text is None:
        raise ValueError("option plan: is missing; must be a plan's JSON text, or the path of its file")
    if not text.lstrip().startswith("{"):
        text = Path(text).read_text(encoding="utf-8")
    start = _number(options, "start", -1)
    job = Job(text, None if start == -1 else start, _number(options, "workers", 1), options.get("state"))
    job.check()
    return job


def end_of(options: Mapping[str, str]) -> int:
    """Where a batch read ends, nanoseconds of market time."""
    until = _number(options, "until", END)
    if until == END and job_of(options).duration is None:
        raise ValueError("option until: is missing, and the plan has no end")
    return until


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    least = 0 if name in {"start", "until"} else 1
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"option {name}={text}: must be a whole number >= {least}")
    return int(text)
