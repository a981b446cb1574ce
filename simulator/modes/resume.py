"""`resume=DIR`: go on with a run that was broken off, in its own folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.broker.cluster import Cluster
from simulator.broker.topics import begin_offsets, end_offsets
from simulator.errors import BadConfigError
from simulator.plan import Plan, read_plan
from simulator.rundir import RunDirectory, read_json
from simulator.schema import Specification

_RESUMABLE = ("run", "produce")


@dataclass(frozen=True)
class EarlierPart:
    """What the manifest of a run that is resumed says of its beginning.

    Attributes:
        start: event time of the market's first instant, microseconds since 1970.
        begin_offsets: of the run's records, by partition.
        acked: how many events were known to have arrived; of a run that was killed, none.
    """

    start: int
    begin_offsets: dict[int, int]
    acked: int


def check_resume(specification: Specification, directory: RunDirectory, plan_hash: str) -> None:
    """See that a configuration goes on with what the run in the directory was.

    Raises:
        BadConfigError: it is another run, or one that cannot be resumed.
    """
    key = f"resume={specification.resume}"
    if specification.mode not in _RESUMABLE:
        raise BadConfigError(
            f"{key}: mode={specification.mode} cannot be resumed; allowed: {', '.join(f'mode={mode}' for mode in _RESUMABLE)}"
        )
    sink = specification.sink
    if sink.kind != "kafka" or specification.engine.kind != "local":
        raise BadConfigError(f"{key}: only runs with sink.kind=kafka and engine.kind=local can be resumed; start a new one")
    if not sink.idempotence:
        raise BadConfigError(f"{key}: sink.idempotence=false leaves it open which events have arrived; start a new run")
    if Path(str(specification.resume)).resolve() != directory.path.resolve():
        raise BadConfigError(f"{key}: hydra.run.dir={directory.path} is another folder; leave it out")
    if not directory.manifest.is_file():
        raise BadConfigError(f"{key}: there is no {directory.manifest.name}: the run had not begun to send; start it anew")
    manifest = read_json(directory.manifest)
    if manifest.get("begin_offsets") is None:
        raise BadConfigError(f"{key}: the run had not begun to send; start it anew")
    is_judged = specification.mode != "run" or directory.verdict.is_file()
    if manifest.get("status") == "complete" and is_judged:
        raise BadConfigError(f"{key}: the run is complete; there is nothing to go on with")
    if {read_plan(directory.plan).hash, manifest.get("plan_hash")} != {plan_hash}:
        raise BadConfigError(f"{key}: the configuration is not the run's, whose plan has another hash; undo what was changed")


def earlier_part(plan: Plan, directory: RunDirectory, cluster: Cluster) -> EarlierPart:
    """What is to be gone on with.

    Raises:
        BadConfigError: the topic does not hold it any more.
        UnreachableError: the broker does not answer.
    """
    manifest: dict[str, Any] = read_json(directory.manifest)
    begin = {int(partition): int(offset) for partition, offset in (manifest.get("begin_offsets") or {}).items()}
    topic = plan.sink.topic or ""
    first, end = begin_offsets(cluster, topic), end_offsets(cluster, topic)
    key = f"resume={directory.path}"
    if set(begin) != set(end):
        raise BadConfigError(f"{key}: the topic {topic} has {len(end)} partitions, and had {len(begin)} when the run began")
    for partition, offset in begin.items():
        if not first[partition] <= offset <= end[partition]:
            raise BadConfigError(
                f"{key}: partition {partition} of the topic {topic} holds the offsets {first[partition]} to {end[partition]},"
                f" and the run began at {offset}; its records are gone"
            )
    acked = manifest["counts"]["acked"]
    if sum(end.values()) - sum(begin.values()) < acked:
        raise BadConfigError(
            f"{key}: the topic {topic} has lost what the run sent, {acked:,} events (broker.keep=true keeps them)"
        )
    return EarlierPart(int(manifest["start"]), begin, acked)
