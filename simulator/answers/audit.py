"""The accounts of a run: every event is somewhere, and each stage's count agrees with the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

Audit = dict[str, "int | None"]

_PARTS = ("aggregated", "status", "late_dropped", "duplicates_removed", "rejected")


def is_recovered(report: Mapping[str, Any]) -> bool:
    """Whether a report was lost with the Spark that made it, and put together again from the checkpoint: without counts."""
    return bool(report.get("recovered"))


def tally(generated: int, acked: int, in_topic: int | None, reports: Iterable[Mapping[str, Any]]) -> Audit:
    """Counts by stage, Spark's from the reports of its micro-batches.

    Args:
        generated: events handed to the sink.
        acked: events whose arrival the sink confirmed.
        in_topic: records that the topic gained; None for sinks without a topic.
        reports: the `progress` events of the pipeline. Where one of them is only recovered, Spark's counts are None.
    """
    reports = list(reports)
    if any(map(is_recovered, reports)):
        return {"generated": generated, "acked": acked, "in_topic": in_topic, **dict.fromkeys(("read", *_PARTS))}
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
        "read": read,
        "aggregated": accepted - late,
        "late_dropped": late,
        "duplicates_removed": duplicates,
        "rejected": rejected,
        "status": status,
    }


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


def balance_faults(audit: Audit) -> list[str]:
    """The stages between which events were lost or came from nowhere, one line each."""
    stages = [stage for stage in ("generated", "acked", "in_topic", "read") if audit[stage] is not None]
    steps = [(before, after) for before, after in pairwise(stages) if audit[before] != audit[after]]
    faults = [f"{before}={audit[before]} but {after}={audit[after]}" for before, after in steps]
    total = sum(audit[part] or 0 for part in _PARTS)
    if audit["read"] is not None and audit["read"] != total:
        faults.append(f"read={audit['read']} but {' + '.join(_PARTS)}={total}")
    return faults
