"""`mode=reproduce`: generate a finished run's stream again and compare the digests."""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.faults.digest import RecordDigest
from simulator.faults.stream import records_of
from simulator.manifest import package_versions
from simulator.modes.context import Context
from simulator.modes.verify import finished_manifest
from simulator.plan import Plan, read_plan
from simulator.rundir import RunDirectory


def run(context: Context) -> int:
    """Say whether the stream is the same, and if not, which versions differ."""
    finished = RunDirectory(Path(context.specification.run or ""))
    plan, manifest = read_plan(finished.plan), finished_manifest(finished)
    digest = digest_of(plan, manifest["start"], manifest["counts"]["generated"])
    if digest == manifest["stream_digest"]:
        sys.stdout.write(f"digest   {digest}\nreproduced\n")
        return EXIT_OK
    sys.stdout.write(f"digest   {digest}, the run had {manifest['stream_digest']}\n")
    for name, now in package_versions().items():
        then = manifest["versions"].get(name)
        if then != now:
            sys.stdout.write(f"version  {name}: {now}, the run had {then}\n")
    sys.stdout.write("not reproduced\n")
    return EXIT_MISMATCH


def digest_of(plan: Plan, start: int, count: int) -> str:
    """The digest of the first `count` records of a plan."""
    digest = RecordDigest(plan)
    for block in records_of(plan, start):
        records = block.present.take(slice(0, count))
        digest.add(records)
        count -= len(records)
        if count == 0:
            break
    return digest.hexdigest()
