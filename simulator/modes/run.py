"""`mode=run`: broker, producer and Spark together, then the verdict."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from simulator.answers.judge import judge
from simulator.answers.results import merge_batches
from simulator.broker.cluster import Cluster
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.foreign import foreign_records, own_records
from simulator.broker.security import cluster_of
from simulator.broker.topics import await_broker, end_offsets
from simulator.errors import EXIT_INTERRUPTED, EXIT_MISMATCH, EXIT_OK
from simulator.modes.aggregate import prepare_output, spark_options
from simulator.modes.context import Context
from simulator.modes.manifest import manifest_kept
from simulator.modes.produce import check_folder_is_free, check_run_is_new, prepare_topic, produce
from simulator.modes.resume import earlier_part
from simulator.modes.verify import verdict_of
from simulator.plan import Plan
from simulator.produce.producer import Outcome, Progress
from simulator.produce.signals import StopRequest, stop_on_signals
from simulator.produce.transactional import is_transactional
from simulator.report.live.figures import Figures
from simulator.report.live.watch import watching
from simulator.report.progress import working
from simulator.report.terminal import say, show_table, show_verdict
from simulator.reproducer import smallest_failing
from simulator.rundir import RunDirectory, read_json, write_json, write_lines


@dataclass(frozen=True)
class _Source:
    """Where events go and Spark reads: the cluster and the topic's offsets at the run's start; none for files."""

    broker: EmbeddedBroker | None = None
    cluster: Cluster | None = None
    begin: dict[int, int] | None = None


def run(context: Context) -> int:
    """Run all, verify, report."""
    check_folder_is_free(context)
    check_run_is_new(context)
    plan = context.compile()
    with stop_on_signals() as stop, manifest_kept(context, plan), watching(context, plan) as figures:
        outcome, in_topic = _stream(context, plan, stop, figures)
        content = _conclude(context, plan, in_topic, figures, complete=not outcome.interrupted)
        figures.end(content["status"])
    status = content["status"]
    if status == "mismatch" and context.specification.reproducer.attempts:
        content["reproducer"] = _reproducer(context)
        write_json(content, context.directory.verdict)
    _write_page(context, plan)
    places = {"run": context.directory.path, "report": context.directory.report}
    show_verdict(content, read_json(context.directory.manifest), plan, places)
    if outcome.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_OK if status == "match" else EXIT_MISMATCH


def _stream(context: Context, plan: Plan, stop: StopRequest, figures: Figures) -> tuple[Outcome, int | None]:
    """Produce and aggregate side by side; both have done with the run when it returns.

    Returns:
        What the producer did, and how many records the topic gained.
    """
    directory = context.directory
    with ExitStack() as stack:
        figures.enter("starting Spark and the broker")
        pipeline = stack.enter_context(context.services.pipeline(directory, context.specification.spark, show_table))
        pipeline.warm(directory.plan)
        source = _open_source(context, plan, stack)
        options = _options(plan, source)
        pipeline.start(directory.plan, directory.path, directory.batches, options, figures.reported, directory.microbatches)

        def report(progress: Progress) -> None:
            figures.produced(progress)
            pipeline.look()
            if source.broker is not None:
                source.broker.check()

        outcome = produce(context, plan, source.cluster, stop, report, source.begin)
        figures.enter("waiting for Spark to process the rest")
        in_topic = None
        if source.cluster is None or source.begin is None:
            pipeline.drain(None)
        else:
            end = end_offsets(source.cluster, plan.sink.topic or "")
            pipeline.drain({plan.sink.topic or "": {str(p): o for p, o in end.items()}})
            end = _read_until(pipeline.reports, plan.sink.topic or "", end)
            in_topic = _note_foreign(directory, plan, source.cluster, source.begin, end)
        write_lines(pipeline.reports, directory.microbatches)
    return outcome, in_topic


def _read_until(reports: list[dict[str, Any]], topic: str, end: dict[int, int]) -> dict[int, int]:
    """Where Spark has read to: beyond the run's own records, if others went on sending while it came to its end."""
    last = dict(end)
    for report in reports:
        for source in report["sources"]:
            for partition, offset in ((source["end_offset"] or {}).get(topic) or {}).items():
                last[int(partition)] = max(int(offset), last.get(int(partition), 0))
    return last


def _note_foreign(directory: RunDirectory, plan: Plan, cluster: Cluster, begin: dict[int, int], end: dict[int, int]) -> int:
    """Find the records of others and note them in the manifest; gives how many records the topic has gained."""
    content = read_json(directory.manifest)
    if not plan.sink.client.get("enable.idempotence"):  # then where the run's own records are is not known for certain
        return sum(end.values()) - sum(begin.values())
    own = content["deliveries"]
    isolation = "read_committed" if is_transactional(plan) else "read_uncommitted"  # as Spark reads
    foreign = foreign_records({**cluster.properties, "isolation.level": isolation}, plan.sink.topic or "", begin, end, own)
    write_json({**content, "foreign": foreign}, directory.manifest)
    return own_records(begin, end, own) + sum(count for runs in foreign.values() for _, count in runs)


def _open_source(context: Context, plan: Plan, stack: ExitStack) -> _Source:
    assert plan.aggregation is not None  # noqa: S101  # checks.py has refused sinks that nothing reads
    if plan.sink.kind == "file":  # Spark's file source wants its folder to be there
        (context.directory.path / (plan.sink.path or "")).mkdir(parents=True, exist_ok=True)
    if "kafka" not in {plan.sink.kind, plan.aggregation.output.kind, plan.aggregation.dead_letters.output.kind}:
        return _Source()
    settings = context.specification.broker
    broker = None
    if settings.kind == "embedded":
        broker = stack.enter_context(context.services.broker(context.directory, settings))
        cluster = broker.cluster
    else:
        cluster = cluster_of(context.specification)
        await_broker(cluster, settings.timeout)
    prepare_output(plan, cluster)
    if plan.sink.kind != "kafka":
        return _Source(broker, cluster)
    prepare_topic(plan, cluster, "READ", "WRITE")
    if context.is_resumed:
        return _Source(broker, cluster, earlier_part(plan, context.directory, cluster).begin_offsets)
    return _Source(broker, cluster, end_offsets(cluster, plan.sink.topic or ""))


def _options(plan: Plan, source: _Source) -> dict[str, dict[str, str]]:
    """What only the run knows: how to connect to the broker and where the run's own records begin."""
    if source.cluster is None:
        return {}
    begin = {str(partition): offset for partition, offset in (source.begin or {}).items()}
    return spark_options(plan, source.cluster, {"startingOffsets": json.dumps({plan.sink.topic: begin})} if begin else None)


def _conclude(context: Context, plan: Plan, in_topic: int | None, figures: Figures, *, complete: bool) -> dict[str, Any]:
    """Answers, results and verdict into the run directory; gives the verdict."""
    directory, metrics = context.directory, plan.answers.metrics
    manifest = read_json(directory.manifest)
    judgement = judge(plan, directory, manifest, in_topic, _follow(figures, manifest["counts"]["generated"]))
    judgement.windows.write_parquet(directory.answers)
    for name, table in judgement.tables.items():
        table.write_parquet(getattr(directory, name))
    results = merge_batches(directory.batches, plan.answers.output_mode, metrics)
    results.write_parquet(directory.results)
    content = verdict_of(judgement, results, plan, manifest, complete=complete)
    write_json(content, directory.verdict)
    return content


def _follow(figures: Figures, events: int) -> Callable[[int], None]:
    """Tells those who watch how far the answers are."""
    done = 0

    def watch(amount: int) -> None:
        nonlocal done
        done += amount
        # Records that a fault withheld are followed, too, and more of them than were sent may there be.
        figures.enter(f"computing the answers: {min(done, events) / max(events, 1):.0%}")

    figures.enter("computing the answers")
    return watch


def _write_page(context: Context, plan: Plan) -> None:
    from simulator.report.page.content import read_content  # noqa: PLC0415  # Bokeh is slow to import, and needed only at the end
    from simulator.report.page.write import write_page  # noqa: PLC0415  # as above

    settings = context.specification.realism
    facts = None
    if (plan.duration or 0) / 1e6 >= settings.duration:  # of less, stylised facts are not clear
        from simulator.modes.realism import facts_of  # noqa: PLC0415  # scipy is for such runs only

        facts = facts_of(plan, settings)
    with working("drawing the report"):
        write_page(read_content(context.directory, context.overrides), context.directory.report, facts)


def _reproducer(context: Context) -> str | None:
    """The command of the smallest run that was seen to fail like this one; None where there is none, or the user has enough."""
    try:
        smaller = smallest_failing(context.specification, context.overrides, say)
    except KeyboardInterrupt:
        return None
    return None if smaller is None else shlex.join(["python", "-m", "simulator", *smaller])
