"""Writes the rows of a micro-batch where the plan says.

After a kill it is given the batch that was under way again, or the last one: the same number, the same rows. What a reader then
finds is said at each output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipelines.batches import Batch
    from pipelines.plan import Output

_RULE = "-" * 43


class BatchOutput(ABC):
    """A place for the rows of a micro-batch.

    Attributes:
        distributed: Spark's executors write the rows themselves; otherwise they are collected here.
    """

    distributed: ClassVar[bool]

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Write a batch that has rows; the same batch again replaces or repeats what it wrote before."""


@final
class Console(BatchOutput):
    """Prints batches as Spark's own console sink does, but sorted and with whole values; one done again is printed again."""

    distributed = False

    def __init__(self, plan: Output, show: Callable[[str], None]) -> None:
        self._plan = plan
        self._show = show

    def write(self, batch: Batch) -> None:
        """Show the first rows of the batch."""
        rows = self._plan.rows or batch.table.num_rows
        # One more than is shown, so that Spark adds its remark about it. Sorted here, where it takes no Spark job.
        head = batch.table.sort_by([(column, "ascending") for column in self._plan.order]).slice(0, rows + 1)
        shown = batch.session.createDataFrame(head).selectExpr(*self._plan.columns)
        # What `show` prints, as text; PySpark's own method prints to this process's stdout.
        text = shown._jdf.showString(rows, 0, False)  # noqa: FBT003, SLF001  # a Java method, so no keywords; see above
        self._show(f"{_RULE}\nBatch: {batch.number}\n{_RULE}\n{text}\n")


@final
class ParquetFolder(BatchOutput):
    """Writes `<folder>/batch_id=N` for every micro-batch: exactly once, as one that is done again replaces its folder.

    A reader that looks while a batch is written may meet a folder without `_SUCCESS`: that batch is not whole yet.
    """

    distributed = True

    def __init__(self, folder: Path, columns: tuple[str, ...], options: Mapping[str, str]) -> None:
        self._folder = folder
        self._columns = columns
        self._options = options

    def write(self, batch: Batch) -> None:
        """Write the batch's folder anew."""
        target = self._folder / f"batch_id={batch.number}"
        batch.frame.selectExpr(*self._columns).write.options(**self._options).mode("overwrite").parquet(str(target))


@final
class KafkaTopic(BatchOutput):
    """Writes rows as records: at least once, as Spark's own Kafka sink does; a batch done again may appear twice, once in part.

    In output mode `update` the last record of a window still is its result: the repeats are equal to what they repeat.
    """

    distributed = True

    def __init__(self, plan: Output) -> None:
        self._plan = plan

    def write(self, batch: Batch) -> None:
        """Send the batch's records."""
        batch.frame.selectExpr(*self._plan.columns).write.format("kafka").options(**self._plan.options).save()


def open_output(plan: Output, directory: Path, show: Callable[[str], None]) -> BatchOutput:
    """The output of a plan.

    Args:
        plan: what to write and where.
        directory: of the run; relative paths start there.
        show: takes the text of a batch that is printed.
    """
    if plan.kind == "console":
        return Console(plan, show)
    if plan.kind == "kafka":
        return KafkaTopic(plan)
    return ParquetFolder(directory / (plan.path or "."), plan.columns, plan.options)
