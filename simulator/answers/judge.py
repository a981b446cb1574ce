"""Judges a run: the right answers, the run's results beside them, and its accounts. Reads the run's directory, writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from simulator.answers.accounts import Accounts
from simulator.answers.audit import Audit, audit_faults, balance_faults, tally, transport_faults, without_foreign
from simulator.answers.expected import Answers, ReplayedAnswers, expected_answers, replayed_answers, unwatched
from simulator.answers.foreign import Foreign
from simulator.answers.microbatches import MicroBatches, file_log, topic_log
from simulator.answers.placement import Placement
from simulator.answers.reader import Fate
from simulator.finished import read_reports
from simulator.plan import Plan
from simulator.rundir import RunDirectory


@dataclass(frozen=True)
class Judgement:
    """The right answers of a run and its accounts.

    Attributes:
        windows: what the run's job should have written.
        tables: further tables by name of the run directory's file: `timeline`, or `ledger`, `every` and `deduplicated`.
        audit: the counts of each stage.
        faults: where they do not agree, one line each.
        injected: how many records each fault has struck.
        foreign_ticks: foreign records that the job took for events.
    """

    windows: pl.DataFrame
    tables: dict[str, pl.DataFrame]
    audit: Audit
    faults: list[str]
    injected: dict[str, int] = field(default_factory=dict)
    foreign_ticks: int = 0


def judge(
    plan: Plan,
    directory: RunDirectory,
    manifest: Mapping[str, Any],
    in_topic: int | None,
    watch: Callable[[int], None] = unwatched,
) -> Judgement:
    """Compute what a finished run should have led to.

    Args:
        plan: of the run.
        directory: of the run.
        manifest: of the run.
        in_topic: records that the topic gained; None for sinks without a topic.
        watch: told how many events were followed since it was last told.
    """
    reports = read_reports(directory.microbatches)
    counts = manifest["counts"]
    foreign = Foreign(manifest.get("foreign") or {})
    told = tally(counts["generated"], counts["acked"], in_topic, reports, len(foreign))
    if not plan.faults.any:
        return _clean(expected_answers(plan, manifest["start"], counts["generated"], watch), told)
    placement = Placement(plan, manifest["deliveries"], manifest["partitions"])
    log = micro_batches(plan, directory, placement, reports)
    answers = replayed_answers(plan, manifest["start"], counts["generated"], placement, log, watch)
    return _with_faults(plan, directory, answers, told, foreign)


def micro_batches(plan: Plan, directory: RunDirectory, placement: Placement, reports: list[dict[str, Any]]) -> MicroBatches:
    """The log of a run's micro-batches."""
    if plan.sink.kind == "kafka":
        return topic_log(reports, plan.sink.topic or "", len(placement.names))
    return file_log(reports, directory.checkpoint, placement.names)


def _clean(answers: Answers, told: Audit) -> Judgement:
    tables = {} if answers.timeline is None else {"timeline": answers.timeline}
    audit, ticks = without_foreign(told)
    # What a stranger's event has led to cannot be told from the run's own: then the windows decide.
    faults = transport_faults(audit) if ticks else audit_faults(audit, answers.statuses)
    return Judgement(answers.windows, tables, audit, faults, foreign_ticks=ticks)


def _with_faults(plan: Plan, directory: RunDirectory, answers: ReplayedAnswers, told: Audit, foreign: Foreign) -> Judgement:
    audit = _known(told, answers.accounts)
    kinds = answers.ledger["kind"].value_counts().sort("kind")
    tables = {"ledger": answers.ledger, "every": answers.every, "deduplicated": answers.deduplicated}
    rejected = told["rejected"]
    ticks = 0 if rejected is None else max(0, len(foreign) - max(0, rejected - (audit["rejected"] or 0)))
    faults = balance_faults(audit) + answers.accounts.faults(foreign)
    letters = plan.aggregation.dead_letters.output if plan.aggregation else None
    if letters is not None and letters.path is not None:
        faults += answers.dead_letters.faults(directory.path / letters.path, foreign)
    return Judgement(answers.windows, tables, audit, faults, dict(kinds.iter_rows()), ticks)


def _known(told: Audit, accounts: Accounts) -> Audit:
    """Producer's, broker's and Spark's counts up to `read`; from there on what is known of each record."""
    parts = {
        "aggregated": Fate.AGGREGATED,
        "late_dropped": Fate.LATE,
        "duplicates_removed": Fate.DUPLICATE,
        "rejected": Fate.REJECTED,
        "status": Fate.STATUS,
    }
    # Where Spark's own count is lost, this one is still held against the topic's.
    read = accounts.read + (told["foreign"] or 0) if told["read"] is None else told["read"]
    return {**told, "read": read, **{name: accounts.total(fate) for name, fate in parts.items()}}
