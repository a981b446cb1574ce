"""`mode=verify`: hold a finished run, or anybody's results, against the answers once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.answers.judge import judge
from simulator.answers.results import read_results
from simulator.answers.verify import compare, verdict
from simulator.errors import EXIT_MISMATCH, EXIT_OK, BadConfigError
from simulator.modes.context import Context
from simulator.plan import read_plan
from simulator.report.terminal import show_verdict
from simulator.rundir import RunDirectory, read_json, write_json


def run(context: Context) -> int:
    """Compute the answers from the run's plan and compare; the verdict goes to this run's own directory."""
    specification = context.specification
    finished = RunDirectory(Path(specification.run or ""))
    plan, manifest = read_plan(finished.plan), finished_manifest(finished)
    metrics = plan.answers.metrics
    results = Path(specification.results) if specification.results else finished.results
    if not results.is_file():
        raise BadConfigError(f"{results}: is not there; the run has no results, give results=FILE")
    earlier = read_json(finished.verdict) if finished.verdict.is_file() else {}
    judgement = judge(plan, finished, manifest, earlier.get("audit", {}).get("in_topic"))
    comparison = compare(judgement.windows, read_results(results, metrics), metrics)
    content = verdict(
        comparison, judgement.audit, judgement.faults, judgement.injected, complete=manifest["status"] == "complete"
    )
    write_json(content, context.directory.verdict)
    show_verdict(content, manifest, finished.path)
    return EXIT_OK if content["status"] == "match" else EXIT_MISMATCH


def finished_manifest(finished: RunDirectory) -> dict[str, Any]:
    """The manifest of a run that has ended.

    Raises:
        BadConfigError: it has not, or failed.
    """
    manifest = read_json(finished.manifest)
    if manifest.get("status") not in {"complete", "incomplete"}:
        raise BadConfigError(
            f"{finished.manifest}: the run's status is {manifest.get('status')}; only a finished run can be used"
        )
    return manifest
