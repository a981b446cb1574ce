"""The `aggregation` part of a plan, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
    """Where rows go, and as which columns."""

    kind: str
    mode: str
    columns: tuple[str, ...]
    order: tuple[str, ...]
    rows: int | None
    path: str | None
    options: Mapping[str, str]

    def with_options(self, options: Mapping[str, str]) -> Output:
        """This output with options added or replaced."""
        return replace(self, options={**self.options, **options})


@final
@dataclass(frozen=True)
class Options:
    """Options that only the one who starts a plan knows, such as a broker's address; they go before the plan's own."""

    source: Mapping[str, str] = field(default_factory=dict)
    output: Mapping[str, str] = field(default_factory=dict)
    dead_letters: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class DeadLetters:
    """The query of the rejected records.

    Attributes:
        sql: the query, over the plan's views.
        observe: counts of the main query; one that is not 0 tells that there are rejected records.
        output: where they go.
    """

    sql: str
    observe: Observation
    output: Output


@final
@dataclass(frozen=True)
class Plan:
    """All that a run of Spark needs to know.

    Attributes:
        spark: Spark properties.
        source: where to read: the view `records`.
        views: the steps in order; the last one holds the result.
        dead_letters: the rejected records.
        trigger: time between micro-batches, as Spark reads it.
        output: where the rows of the last view go.
    """

    spark: Mapping[str, str]
    source: Source
    views: tuple[View, ...]
    dead_letters: DeadLetters
    trigger: str
    output: Output

    def with_options(self, changes: Options) -> Plan:
        """This plan with options added or replaced."""
        letters = self.dead_letters
        return replace(
            self,
            source=replace(self.source, options={**self.source.options, **changes.source}),
            output=self.output.with_options(changes.output),
            dead_letters=replace(letters, output=letters.output.with_options(changes.dead_letters)),
        )

    def with_properties(self, spark: Mapping[str, str]) -> Plan:
        """This plan with Spark properties added or replaced."""
        return replace(self, spark={**self.spark, **spark})
