"""Defines the views of a plan, each over those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.plan import Plan, View

RECORDS = "records"
"""The view of the source, which the plan's queries start from."""


def define_views(spark: SparkSession, records: DataFrame, plan: Plan) -> DataFrame:
    """Define the view `records` and the plan's views in a session; return the last one."""
    records.createOrReplaceTempView(RECORDS)
    frame = records
    for view in plan.views:
        frame = _view_frame(spark, view)
        frame.createOrReplaceTempView(view.view)
    return frame


def _view_frame(spark: SparkSession, view: View) -> DataFrame:
    frame = spark.sql(view.sql)
    # Deduplication keeps its keys for as long as the watermark says; and what is counted is what passes both.
    if view.watermark is not None:
        frame = frame.withWatermark(view.watermark.column, view.watermark.delay)
    if view.deduplicate:
        frame = frame.dropDuplicatesWithinWatermark(list(view.deduplicate))
    if view.observe is not None:
        counts = [functions.expr(sql).alias(name) for name, sql in view.observe.metrics.items()]
        frame = frame.observe(view.observe.name, *counts)
    return frame
