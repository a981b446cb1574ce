"""One micro-batch, computed once however many places want its rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, final

import pyarrow as pa
import pyarrow.parquet

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

_MICROSECONDS_UTC = pa.timestamp("us", tz="UTC")


@final
class Batch:
    """The rows of a micro-batch.

    Attributes:
        number: Spark's number of the batch; after a restart, the same batch has the same number.
        frame: the rows, where Spark has them. Reading a frame that is not persisted computes the batch, state and all.
    """

    def __init__(self, frame: DataFrame, number: int) -> None:
        self.frame = frame
        self.number = number

    @property
    def session(self) -> SparkSession:
        """The session that the batch runs in."""
        return self.frame.sparkSession

    @cached_property
    def table(self) -> pa.Table:
        """The rows, collected here; times are in microseconds, UTC."""
        return self.frame.toArrow()


def record(batch: Batch, folder: Path) -> None:
    """Write a batch to `<folder>/batch-<number>.parquet`, whole or not at all, in place of an earlier attempt at it."""
    path = folder / f"batch-{batch.number:012d}.parquet"
    part = path.with_suffix(".part")
    pyarrow.parquet.write_table(batch.table.cast(_in_microseconds(batch.table.schema)), part)
    part.replace(path)


def _in_microseconds(schema: pa.Schema) -> pa.Schema:
    fields = [field.with_type(_MICROSECONDS_UTC) if pa.types.is_timestamp(field.type) else field for field in schema]
    return pa.schema(fields)
