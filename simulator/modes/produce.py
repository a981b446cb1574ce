"""`mode=produce`: the producer alone, until the duration is over or Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from simulator.answers.ledger import ledger_of
from simulator.broker.topics import await_broker, end_offsets, ensure_topic
from simulator.compiler import bootstrap_servers
from simulator.errors import EXIT_INTERRUPTED, EXIT_OK, BadConfigError, SimulatorError
from simulator.manifest import manifest
from simulator.modes.context import Context, first_instant
from simulator.plan import Plan
from simulator.produce.files import NdjsonSink, ParquetSink
from simulator.produce.kafka import KafkaSink
from simulator.produce.local import LocalProduction
from simulator.produce.producer import Outcome, Progress
from simulator.produce.production import Production
from simulator.produce.signals import StopRequest, stop_on_signals
from simulator.produce.sink import Sink
from simulator.produce.stdout import StdoutSink
from simulator.produce.workers import WorkerProduction
from simulator.report.samples import PaceSamples
from simulator.report.terminal import producing, say, standing_line
from simulator.rundir import read_json, write_json


def run(context: Context) -> int:
    """Send events to where the sink says; nothing is aggregated."""
    plan = context.compile()
    servers = None
    if plan.sink.kind == "kafka":
        servers = bootstrap_servers(context.specification)
        await_broker(servers, context.specification.broker.timeout)
        prepare_topic(plan, servers)
    with stop_on_signals() as stop, producing(plan) as report:
        outcome = produce(context, plan, servers, stop, report)
    if plan.faults.any and plan.sink.kind != "stdout":
        ledger_of(plan, read_json(context.directory.manifest)).write_parquet(context.directory.ledger)
    line = standing_line(outcome.progress, plan.market.rate * plan.clock.speed if plan.clock.speed else None)
    sys.stderr.write(f"{'interrupted: ' if outcome.interrupted else ''}sent and acknowledged: {line}\n")
    return EXIT_INTERRUPTED if outcome.interrupted else EXIT_OK


def prepare_topic(plan: Plan, servers: str) -> None:
    """Create the topic of the events, or check the one that is there."""
    ensure_topic(servers, plan.sink.topic or "", plan.sink.partitions or 1, plan.sink.replication_factor or 1)


def produce(context: Context, plan: Plan, servers: str | None, stop: StopRequest, report: Callable[[Progress], None]) -> Outcome:
    """Run the producer and keep the manifest true, whatever happens.

    Raises:
        DeliveryError: an event did not arrive; the manifest says how many did.
    """
    partitions = _partitions(context, plan, servers)
    with _production(context, plan, servers, partitions) as production:
        start = first_instant(plan)

        def note(status: str, progress: Progress, outcome: Outcome | None = None) -> None:
            kafka = getattr(context.specification.broker, "version", None) if servers else None
            content = manifest(plan, start=start, status=status, progress=progress, outcome=outcome, kafka=kafka)
            write_json({**content, "partitions": partitions, "deliveries": production.deliveries}, context.directory.manifest)

        samples = PaceSamples()

        def look(progress: Progress) -> None:
            samples.add(progress)
            report(progress)

        note("running", Progress())
        try:
            outcome = production.run(start, stop, look)
        except (SimulatorError, KeyboardInterrupt):
            progress = production.progress
            note("failed", progress)
            say(f"of {progress.generated:,} events handed over, {progress.acked:,} were acknowledged")
            raise
        samples.write(context.directory.pace)
        note("incomplete" if outcome.interrupted else "complete", outcome.progress, outcome)
    return outcome


def _production(context: Context, plan: Plan, servers: str | None, partitions: int | None) -> Production:
    workers = getattr(context.specification.sink, "workers", 1)
    if workers > 1:
        return WorkerProduction(plan, servers or "", partitions or 1, workers)
    return LocalProduction(plan, lambda start: open_sink(plan, start, servers, partitions, context.directory.path))


def _partitions(context: Context, plan: Plan, servers: str | None) -> int | None:
    """How many partitions the topic has: at least as many as the plan says.

    Raises:
        BadConfigError: it has others than a fault or the workers count on.
    """
    if plan.sink.kind != "kafka":
        return None
    found = len(end_offsets(servers or "", plan.sink.topic or ""))
    stall, workers = plan.faults.stall, getattr(context.specification.sink, "workers", 1)
    if workers > 1 and found != plan.sink.partitions:
        raise BadConfigError(
            f"sink.workers={workers}: the topic {plan.sink.topic} has {found} partitions, not"
            f" sink.partitions={plan.sink.partitions}; workers share the symbols by partition"
        )
    if stall is not None and stall.partition is not None and found != plan.sink.partitions:
        raise BadConfigError(
            f"faults.stall.partition={stall.partition}: the topic {plan.sink.topic} has {found} partitions, not"
            f" sink.partitions={plan.sink.partitions}; which symbols go there is another question then"
        )
    return found


def open_sink(plan: Plan, start: int, servers: str | None, partitions: int | None, directory: Path) -> Sink:
    """The sink that the plan names; `partitions`: how many the topic has."""
    if plan.sink.kind == "kafka":
        return KafkaSink(plan, start, servers or "", partitions or 1)
    if plan.sink.kind == "file":
        kind = NdjsonSink if plan.sink.format == "ndjson" else ParquetSink
        return kind(plan, start, directory)
    return StdoutSink(plan, start)
