"""The accounts of a run: every event is somewhere, and each stage's count agrees with the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

Audit = dict[str, "int | None"]

_WITH_FOREIGN = ("in_topic", "read")
_PARTS = ("aggregated", "status", "late_dropped", "duplicates_removed", "rejected")


def is_recovered(report: Mapping[str, Any]) -> bool:
    """Whether a report was lost with the Spark that made it, and put together again from the checkpoint: without counts."""
    return bool(report.get("recovered"))


def tally(generated: int, acked: int, in_topic: int | None, reports: Iterable[Mapping[str, Any]], foreign: int = 0) -> Audit:
    """Counts by stage, Spark's from the reports of its micro-batches.

    Args:
        generated: events handed to the sink.
        acked: events whose arrival the sink confirmed.
        in_topic: records that the topic gained, foreign ones among them; None for sinks without a topic.
        reports: the `progress` events of the pipeline. Where one of them is only recovered, Spark's counts are None.
        foreign: records of the topic that the run has not sent.
    """
    reports = list(reports)
    if any(map(is_recovered, reports)):
        told = {"generated": generated, "acked": acked, "in_topic": in_topic, "foreign": None if in_topic is None else foreign}
        return {**told, **dict.fromkeys(("read", *_PARTS))}
    read = rejected = status = accepted = late = duplicates = 0
    for report in reports:
        parsed = report["observed"].get("parsed") or {}
        read += parsed.get("read") or 0
        rejected += parsed.get("rejected") or 0
        status += parsed.get("status") or 0
        accepted += (report["observed"].get("events") or {}).get("accepted") or 0
        late += sum(operator["rows_dropped_by_watermark"] for operator in report["state"])
        duplicates += sum(operator["duplicates_dropped"] for operator in report["state"])
    return {
        "generated": generated,
        "acked": acked,
        "in_topic": in_topic,
        "foreign": None if in_topic is None else foreign,
        "read": read,
        "aggregated": accepted - late,
        "late_dropped": late,
        "duplicates_removed": duplicates,
        "rejected": rejected,
        "status": status,
    }


def without_foreign(told: Audit) -> tuple[Audit, int]:
    """The counts of a run without injected faults, less what only foreign records can have led to.

    Of the run's own records none is rejected, late or a repeat.

    Returns:
        The counts, and how many foreign records the job took for events.
    """
    if told["read"] is None:
        return told, 0
    audit, left = dict(told), told["foreign"] or 0
    ticks = max(0, left - (told["rejected"] or 0))
    for part in ("rejected", "late_dropped", "duplicates_removed", "aggregated"):
        theirs = min(left, audit[part] or 0)
        audit[part] = (audit[part] or 0) - theirs
        left -= theirs
    return audit, ticks


def audit_faults(audit: Audit, statuses: int) -> list[str]:
    """The stages of a run without injected faults whose counts do not agree, one line each; it loses nothing anywhere.

    Args:
        audit: the counts.
        statuses: how many events the market gives that are no trades.
    """
    faults = balance_faults(audit)
    if audit["status"] is not None and audit["status"] != statuses:
        faults.append(f"status={audit['status']} but the market gives {statuses}")
    lost = [f"{part}={audit[part]}" for part in _PARTS[2:] if audit[part]]
    return faults + [f"{count}: nothing was injected, so it must be 0" for count in lost]


def transport_faults(audit: Audit) -> list[str]:
    """The stages up to Spark between which records were lost or came from nowhere, one line each."""
    foreign = audit["foreign"] or 0
    stages = [stage for stage in ("generated", "acked", "in_topic", "read") if audit[stage] is not None]
    own = {stage: (audit[stage] or 0) - (foreign if stage in _WITH_FOREIGN else 0) for stage in stages}
    steps = [(before, after) for before, after in pairwise(stages) if own[before] != own[after]]
    faults = [f"{before}={audit[before]} but {after}={audit[after]}" for before, after in steps]
    return [f"{fault} (foreign={foreign})" for fault in faults] if foreign else faults


def balance_faults(audit: Audit) -> list[str]:
    """The stages between which events were lost or came from nowhere, one line each."""
    faults, foreign = transport_faults(audit), audit["foreign"]
    parts = (*_PARTS, "foreign") if foreign else _PARTS
    total = sum(audit[part] or 0 for part in parts)
    if audit["read"] is not None and audit["read"] != total:
        faults.append(f"read={audit['read']} but {' + '.join(parts)}={total}")
    return faults
