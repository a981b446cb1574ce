"""The `aggregation` part of a plan, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Mapping


@final
@dataclass(frozen=True)
class Observation:
    """Counts taken while a view's rows pass: name of a metric to Spark SQL aggregate."""

    name: str
    metrics: Mapping[str, str]


@final
@dataclass(frozen=True)
class Watermark:
    """The event-time column and how late it may be."""

    column: str
    delay: str


@final
@dataclass(frozen=True)
class View:
    """One step of the pipeline: a query over the views before it."""

    view: str
    sql: str
    watermark: Watermark | None
    deduplicate: tuple[str, ...]
    observe: Observation | None


@final
@dataclass(frozen=True)
class Source:
    """Where the pipeline reads. `path` is relative to the run directory, `ddl` a schema for a format that has none."""

    format: str
    options: Mapping[str, str]
    ddl: str | None
    path: str | None


@final
@dataclass(frozen=True)
class Output:
    """Where the rows of the last view go, and as which columns."""

    kind: str
    mode: str
    columns: tuple[str, ...]
    order: tuple[str, ...]
    rows: int | None
    path: str | None
    options: Mapping[str, str]


@final
@dataclass(frozen=True)
class Plan:
    """All that a run of Spark needs to know.

    Attributes:
        spark: Spark properties.
        source: where to read: the view `records`.
        views: the steps in order; the last one holds the result.
        dead_letters: the query of the rejected records; its `observe` names the count that tells that there are any.
        trigger: time between micro-batches, as Spark reads it.
        output: where to write.
    """

    spark: Mapping[str, str]
    source: Source
    views: tuple[View, ...]
    dead_letters: View
    trigger: str
    output: Output

    def with_options(self, source: Mapping[str, str], output: Mapping[str, str]) -> Plan:
        """This plan with options of the source and of the output added or replaced."""
        return replace(
            self,
            source=replace(self.source, options={**self.source.options, **source}),
            output=replace(self.output, options={**self.output.options, **output}),
        )

    def with_properties(self, spark: Mapping[str, str]) -> Plan:
        """This plan with Spark properties added or replaced."""
        return replace(self, spark={**self.spark, **spark})
