"""`mode=aggregate`: Spark alone, over the topic, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from simulator.broker.cluster import Cluster
from simulator.broker.security import cluster_of
from simulator.broker.topics import await_broker, check_allowed, ensure_topic
from simulator.errors import EXIT_OK, BadConfigError
from simulator.modes.context import Context
from simulator.modes.produce import prepare_topic
from simulator.pipeline import Pipeline
from simulator.plan import Plan
from simulator.produce.signals import stop_on_signals
from simulator.report.terminal import say, show_table
from simulator.rundir import RunDirectory

_LOOK_SECONDS = 0.1


def run(context: Context) -> int:
    """Show the windows, batch by batch; in a folder with a checkpoint of the same plan it goes on from there."""
    with _kept_plan(context.directory):
        return _run(context)


def _run(context: Context) -> int:
    plan = context.compile()
    cluster = cluster_of(context.specification)
    await_broker(cluster, context.specification.broker.timeout)
    prepare_topic(plan, cluster, "READ")
    prepare_output(plan, cluster)
    directory = context.directory
    with stop_on_signals() as stop:
        say("starting Spark …")
        settings = context.specification.spark
        with Pipeline(directory.spark_log, settings.timeout, show_table, settings.restarts) as pipeline:
            pipeline.start(directory.plan, directory.path, directory.batches, spark_options(plan, cluster))
            say("Spark listens; Ctrl-C ends it")
            while not stop.requested:
                pipeline.look(_LOOK_SECONDS)
            pipeline.stop()
    return EXIT_OK


@contextmanager
def _kept_plan(directory: RunDirectory) -> Iterator[None]:
    """Put the plan of a checkpoint that is there back in its place when this one is refused: it can be run on with."""
    earlier = directory.plan.read_bytes() if directory.checkpoint.exists() and directory.plan.exists() else None
    try:
        yield
    except BadConfigError:
        if earlier is not None:
            directory.plan.write_bytes(earlier)
        raise


def prepare_output(plan: Plan, cluster: Cluster) -> None:
    """Create the topics of the windows and of the dead letters, where there are such."""
    if plan.aggregation is None:
        return
    for output in (plan.aggregation.output, plan.aggregation.dead_letters.output):
        if output.kind == "kafka":
            ensure_topic(cluster, output.options["topic"], 1, plan.sink.replication_factor or 1)
            check_allowed(cluster, output.options["topic"], "WRITE")


def spark_options(plan: Plan, cluster: Cluster, source: Mapping[str, str] | None = None) -> dict[str, dict[str, str]]:
    """What only the run knows of the source and the outputs, and no file may hold: how to connect.

    Args:
        plan: of the run.
        cluster: where the topics are.
        source: further options of the source.
    """
    assert plan.aggregation is not None  # noqa: S101  # checks.py has refused sinks that nothing reads
    address, aggregation = cluster.spark_options, plan.aggregation
    options: dict[str, dict[str, str]] = {"source_options": {}, "output_options": {}}
    if aggregation.source.format == "kafka":
        options["source_options"] = {**address, **(source or {})}
    if aggregation.output.kind == "kafka":
        options["output_options"] = address
    if aggregation.dead_letters.output.kind == "kafka":
        options["dead_letter_options"] = address
    return options
