"""`mode=produce`: the producer alone, until the duration is over or Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from simulator.answers.ledger import ledger_of
from simulator.broker.cluster import Cluster
from simulator.broker.security import cluster_of
from simulator.broker.topics import await_broker, check_allowed, end_offsets, ensure_topic, held_records
from simulator.errors import EXIT_INTERRUPTED, EXIT_OK, BadConfigError, SimulatorError
from simulator.manifest import manifest
from simulator.modes.context import Context, first_instant
from simulator.modes.manifest import manifest_kept
from simulator.modes.resume import EarlierPart, earlier_part
from simulator.peak import reset_peak
from simulator.plan import Plan
from simulator.produce.files import NdjsonSink, ParquetSink, holds_events
from simulator.produce.local import LocalProduction
from simulator.produce.producer import Outcome, Progress
from simulator.produce.production import Production
from simulator.produce.signals import StopRequest, stop_on_signals
from simulator.produce.sink import Sink
from simulator.produce.spark import SparkProduction
from simulator.produce.spark_job import spark_job
from simulator.produce.stdout import StdoutSink
from simulator.produce.topic import open_topic
from simulator.produce.workers import WorkerProduction
from simulator.report.live.watch import watching
from simulator.report.samples import PaceSamples
from simulator.report.terminal import fault_counts, say, standing_line
from simulator.rundir import read_json, write_json


def run(context: Context) -> int:
    """Send events to where the sink says; nothing is aggregated."""
    check_folder_is_free(context)
    plan = context.compile()
    with stop_on_signals() as stop, manifest_kept(context, plan):
        cluster = _prepare(context, plan)
        with watching(context, plan) as figures:
            outcome = produce(context, plan, cluster, stop, figures.produced)
            figures.end("incomplete" if outcome.interrupted else "complete")
    _conclude(context, plan, outcome)
    return EXIT_INTERRUPTED if outcome.interrupted else EXIT_OK


def _prepare(context: Context, plan: Plan) -> Cluster | None:
    """See to the topic; gives where the brokers are, None for other sinks."""
    if plan.sink.kind != "kafka":
        return None
    cluster = cluster_of(context.specification)
    await_broker(cluster, context.specification.broker.timeout)
    prepare_topic(plan, cluster, "WRITE")
    if not context.is_resumed:
        _announce_earlier_records(plan.sink.topic or "", cluster)
    return cluster


def check_folder_is_free(context: Context) -> None:
    """Refuse a run folder whose events are another run's: a reader could not tell the two feeds apart.

    Asked before anything of that run is written over.

    Raises:
        BadConfigError: the sink's folder holds files.
    """
    sink = context.specification.sink
    if sink.kind != "file":
        return
    folder = context.directory.path / sink.path
    if holds_events(folder):
        run, events = (_from_here(path) for path in (context.directory.path, folder))
        raise BadConfigError(f"hydra.run.dir={run}: {events} holds events of another run; take another folder or remove it")


def check_run_is_new(context: Context) -> None:
    """Refuse a run folder with the manifest or checkpoint of an earlier run: Spark would go on from where that one ended.

    Asked before anything of that run is written over; a run that is resumed is that one.

    Raises:
        BadConfigError: the folder holds an earlier run.
    """
    directory = context.directory
    found = [path.name for path in (directory.manifest, directory.checkpoint) if path.exists()]
    if found and not context.is_resumed:
        raise BadConfigError(
            f"hydra.run.dir={_from_here(directory.path)}: holds an earlier run ({', '.join(found)});"
            " take another folder or remove it"
        )


def _from_here(path: Path) -> Path:
    """A path as a user would write it: relative to the working directory where it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _announce_earlier_records(topic: str, cluster: Cluster) -> None:
    held = held_records(cluster, topic)
    if held:
        records = "1 record" if held == 1 else f"{held:,} records"
        sys.stderr.write(f"topic {topic} already holds {records}; this run's begin after them: offsets in manifest.json\n")


def _conclude(context: Context, plan: Plan, outcome: Outcome) -> None:
    """The ledger, and what was sent where, for people."""
    asked = plan.market.rate * plan.clock.speed if plan.clock.speed else None
    line = standing_line(outcome.progress, asked, holds_up=plan.faults.hold_up and not outcome.interrupted)
    resumed = outcome.progress.resumed
    lines = [f"resumed: {resumed:,} events were in the topic already"] if resumed else []
    lines += [f"{'interrupted: ' if outcome.interrupted else ''}sent and acknowledged: {line}"]
    if plan.faults.any and plan.sink.kind != "stdout":
        ledger = ledger_of(plan, read_json(context.directory.manifest))
        ledger.write_parquet(context.directory.ledger)
        counts = dict(ledger["kind"].value_counts().sort("kind").iter_rows())
        lines += [f"faults   {fault_counts(counts)}"] if counts else []
    lines += [f"digest   {outcome.digest}", f"run      {context.directory.path}"]
    sys.stderr.write("\n".join(lines) + "\n")


def prepare_topic(plan: Plan, cluster: Cluster, *operations: str) -> None:
    """Create the topic of the events, or check the one that is there, and that the user may do with it what the run will do."""
    ensure_topic(cluster, plan.sink.topic or "", plan.sink.partitions or 1, plan.sink.replication_factor or 1)
    check_allowed(cluster, plan.sink.topic or "", *operations)


def produce(
    context: Context,
    plan: Plan,
    cluster: Cluster | None,
    stop: StopRequest,
    report: Callable[[Progress], None],
    begin: dict[int, int] | None = None,
) -> Outcome:
    """Run the producer and keep the manifest true, whatever happens.

    Raises:
        DeliveryError: an event did not arrive; the manifest says how many did.
    """
    earlier = earlier_part(plan, context.directory, cluster) if context.is_resumed and cluster is not None else None
    if earlier is not None:
        say(f"reading back what the topic {plan.sink.topic} holds of the run …")
    found = _begin_offsets(context, plan, cluster) if earlier is None else earlier.begin_offsets
    begin = found if begin is None or earlier is not None else begin  # where Spark begins, if it reads already
    partitions = None if begin is None else len(begin)
    with _production(context, plan, cluster, partitions, earlier) as production:
        start = first_instant(plan) if earlier is None else earlier.start

        def note(status: str, progress: Progress, outcome: Outcome | None = None) -> None:
            kafka = getattr(context.specification.broker, "version", None) if cluster else None
            content = manifest(plan, start=start, status=status, progress=progress, outcome=outcome, kafka=kafka)
            places = {"partitions": partitions, "begin_offsets": begin, "deliveries": production.deliveries}
            write_json({**content, **places}, context.directory.manifest)

        samples = PaceSamples()

        def look(progress: Progress) -> None:
            samples.add(progress)
            report(progress)

        reset_peak()
        note("running", Progress() if earlier is None else Progress(earlier.acked, earlier.acked))
        try:
            outcome = production.run(start, stop, look)
        except (SimulatorError, KeyboardInterrupt) as error:
            progress = production.progress
            note("incomplete" if isinstance(error, KeyboardInterrupt) else "failed", progress)
            say(f"of {progress.generated:,} events handed over, {progress.acked:,} were acknowledged")
            raise
        samples.write(context.directory.pace)
        note("incomplete" if outcome.interrupted else "complete", outcome.progress, outcome)
    return outcome


def _production(
    context: Context, plan: Plan, cluster: Cluster | None, partitions: int | None, earlier: EarlierPart | None
) -> Production:
    workers, engine = getattr(context.specification.sink, "workers", 1), context.specification.engine
    if cluster is None or plan.sink.kind != "kafka":
        return LocalProduction(plan, lambda start: _open_sink(plan, start, context.directory.path))
    if engine.kind == "spark":
        say("starting Spark to generate …")
        job = spark_job(context.specification, engine, plan)
        return SparkProduction(plan, cluster, job, context.directory.generation_log)
    begin = None if earlier is None else earlier.begin_offsets
    if workers > 1:
        return WorkerProduction(plan, cluster, partitions or 1, workers, begin)
    return LocalProduction(plan, lambda start: open_topic(plan, start, cluster, partitions or 1, begin))


def _begin_offsets(context: Context, plan: Plan, cluster: Cluster | None) -> dict[int, int] | None:
    """By partition of the topic, the offset that the run's first record there will get; None for other sinks.

    Raises:
        BadConfigError: the topic has other partitions than a fault or the workers count on.
    """
    if cluster is None or plan.sink.kind != "kafka":
        return None
    begin = end_offsets(cluster, plan.sink.topic or "")
    found = len(begin)
    stall, workers = plan.faults.stall, getattr(context.specification.sink, "workers", 1)
    sharing = "engine.kind=spark" if context.specification.engine.kind == "spark" else f"sink.workers={workers}"
    if sharing != "sink.workers=1" and found != plan.sink.partitions:
        raise BadConfigError(
            f"{sharing}: the topic {plan.sink.topic} has {found} partitions, not"
            f" sink.partitions={plan.sink.partitions}; workers share the symbols by partition"
        )
    if stall is not None and stall.partition is not None and found != plan.sink.partitions:
        raise BadConfigError(
            f"faults.stall.partition={stall.partition}: the topic {plan.sink.topic} has {found} partitions, not"
            f" sink.partitions={plan.sink.partitions}; which symbols go there is another question then"
        )
    return begin


def _open_sink(plan: Plan, start: int, directory: Path) -> Sink:
    """The sink that the plan names, of those that are no topic."""
    if plan.sink.kind == "file":
        kind = NdjsonSink if plan.sink.format == "ndjson" else ParquetSink
        return kind(plan, start, directory)
    return StdoutSink(plan, start)
