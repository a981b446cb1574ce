"""`mode=reproduce`: make a finished run's stream, windows and ledger again, and say what differs where they are not the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from simulator.answers.expected import unwatched
from simulator.answers.judge import judge
from simulator.answers.ledger import ledger_of
from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.faults.digest import RecordDigest
from simulator.faults.stream import records_of
from simulator.finished import read_manifest, read_table
from simulator.manifest import package_versions
from simulator.modes.context import Context
from simulator.plan import Plan, read_plan
from simulator.report.progress import working
from simulator.rundir import RunDirectory


def run(context: Context) -> int:
    """Regenerate from plan and manifest; the run's folder may have been moved or copied.

    Everything that can be made again is: the digest always, the ledger of a run with faults, the windows of a run with answers.
    """
    finished = RunDirectory(Path(context.specification.run or ""))
    plan, manifest = read_plan(finished.plan), read_manifest(finished.manifest)
    checks = [*_identity(plan, manifest), _stream(plan, manifest), *_tables(finished, plan, manifest)]
    for name, told, _ in checks:
        sys.stdout.write(f"{name:<8} {told}\n")
    if all(is_same for _, _, is_same in checks):
        sys.stdout.write("reproduced\n")
        return EXIT_OK
    for name, now in package_versions().items():
        then = manifest["versions"].get(name)
        if then != now:
            sys.stdout.write(f"version  {name}: {now}, the run had {then}\n")
    sys.stdout.write("not reproduced\n")
    return EXIT_MISMATCH


Check = tuple[str, str, bool]
"""What was looked at, what was found, whether it is the run's."""


def _identity(plan: Plan, manifest: dict[str, Any]) -> Iterator[Check]:
    """Whether plan and manifest are of one run."""
    if plan.seed != manifest["seed"]:
        yield "seed", f"{plan.seed} in plan.json, {manifest['seed']} in manifest.json: the files are of two runs", False
    if plan.hash != manifest["plan_hash"]:
        yield "config", f"plan.json has the hash {plan.hash}, manifest.json {manifest['plan_hash']}: another configuration", False


def _stream(plan: Plan, manifest: dict[str, Any]) -> Check:
    count = manifest["counts"]["generated"]
    with working("generating the stream", count) as watch:
        digest = digest_of(plan, manifest["start"], count, watch)
    then = manifest["stream_digest"]
    return "digest", digest if digest == then else f"{digest}, the run had {then}", digest == then


def _tables(finished: RunDirectory, plan: Plan, manifest: dict[str, Any]) -> Iterator[Check]:
    if finished.ledger.is_file():
        yield _table("ledger", ledger_of(plan, manifest), read_table(finished.ledger))
    if finished.answers.is_file():
        with working("computing the answers", manifest["counts"]["generated"]) as watch:
            again = judge(plan, finished, manifest, manifest["counts"]["acked"], watch)
        yield _table("windows", again.windows, read_table(finished.answers))


def _table(name: str, now: pl.DataFrame, then: pl.DataFrame) -> Check:
    if now.equals(then):
        return name, f"{now.height:,} rows, the same", True
    if now.columns != then.columns:
        return name, f"columns {', '.join(now.columns)}, the run had {', '.join(then.columns)}", False
    same = now.join(then, on=now.columns, how="semi", nulls_equal=True).height
    return name, f"{now.height:,} rows, the run had {then.height:,}, {same:,} are the same", False


def digest_of(plan: Plan, start: int, count: int, watch: Callable[[int], None] = unwatched) -> str:
    """The digest of the first `count` records of a plan; `watch` is told how many were made since it was last told."""
    digest = RecordDigest(plan)
    for block in records_of(plan, start):
        records = block.present.take(slice(0, count))
        digest.add(records)
        count -= len(records)
        watch(len(records))
        if count == 0:
            break
    return digest.hexdigest()
