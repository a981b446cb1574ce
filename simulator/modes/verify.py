"""`mode=verify`: hold a finished run, or anybody's results, against the answers once more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from simulator.answers.bounds import legal_windows
from simulator.answers.causes.case import Case
from simulator.answers.causes.table import causes_of
from simulator.answers.judge import Judgement, judge
from simulator.answers.results import ColumnMapping, read_results
from simulator.answers.verify import compare, verdict
from simulator.errors import EXIT_MISMATCH, EXIT_OK, BadConfigError
from simulator.finished import read_manifest, read_table, read_verdict
from simulator.modes.context import Context
from simulator.plan import Plan, read_plan
from simulator.report.progress import working
from simulator.report.terminal import show_verdict
from simulator.rundir import RunDirectory, write_json
from simulator.schema import Verify
from simulator.sql import KEYS


def run(context: Context) -> int:
    """Compute the answers from the run's plan and compare; the verdict goes to this run's own directory."""
    specification = context.specification
    finished = RunDirectory(Path(specification.run or ""))
    plan, manifest = read_plan(finished.plan), read_manifest(finished.manifest)
    if specification.results is None:
        content = _of_its_own(plan, finished, manifest)
    else:
        content = of_anybody(plan, manifest, Path(specification.results), specification.verify)
    write_json(content, context.directory.verdict)
    show_verdict(content, manifest, plan, {"run": finished.path, "verdict": context.directory.verdict})
    return EXIT_OK if content["status"] == "match" else EXIT_MISMATCH


def _of_its_own(plan: Plan, finished: RunDirectory, manifest: dict[str, Any]) -> dict[str, Any]:
    """The verdict on the run's own results: what its job should have written, to the record."""
    if not finished.results.is_file():
        raise BadConfigError(f"{finished.results}: is not there; the run has no results, give results=FILE")
    earlier = read_verdict(finished.verdict) if finished.verdict.is_file() else {}
    with working("computing the answers", manifest["counts"]["generated"]) as watch:
        judgement = judge(plan, finished, manifest, (earlier.get("audit") or {}).get("in_topic"), watch)
    results = read_table(finished.results, [*KEYS, *plan.answers.metrics])
    return verdict_of(judgement, results, plan, manifest, complete=manifest["status"] == "complete")


def verdict_of(
    judgement: Judgement, results: pl.DataFrame, plan: Plan, manifest: Mapping[str, Any], *, complete: bool
) -> dict[str, Any]:
    """The verdict on a run's own results, with the likely causes where they differ."""
    metrics, ticks, faults = plan.answers.metrics, judgement.foreign_ticks, judgement.faults
    if ticks:  # windows of symbols that are not this market's are none of it
        results = results.filter(pl.col("symbol").is_in([symbol.name for symbol in plan.market.symbols]))
    comparison = compare(judgement.windows, results, metrics)
    if ticks and not comparison.equal:
        faults = [
            *faults,
            f"foreign={judgement.audit['foreign']}: {ticks} of them are events that no job can tell from the run's own",
        ]
    case = Case(plan, manifest["start"], manifest["counts"]["generated"], metrics, judgement.windows, results)
    found = causes_of(case, comparison)
    content = verdict(comparison, judgement.audit, faults, judgement.injected, complete=complete, causes=found)
    return {**content, "rate": manifest["rate"], "lag_seconds": manifest["lag_seconds"]}


def of_anybody(plan: Plan, manifest: dict[str, Any], path: Path, settings: Verify) -> dict[str, Any]:
    """The verdict on the results of any engine that read the run's records.

    Args:
        plan: of the run.
        manifest: of the run.
        path: Parquet, CSV or NDJSON file of the results.
        settings: the section `verify`.

    Raises:
        BadConfigError: the file is not what the settings say.
    """
    mapping = mapping_of(settings, plan)
    metrics = list(mapping.metrics)
    results = read_results(path, mapping, plan.answers.window)
    start, counts = manifest["start"], manifest["counts"]
    deduplicate = plan.answers.deduplicate if settings.deduplicate is None else settings.deduplicate
    with working("computing what the windows may be"):
        right = legal_windows(plan, start, counts["generated"], metrics, deduplicate=deduplicate)
    comparison = compare(right, results, metrics)
    case = Case(plan, start, counts["generated"], metrics, right, results, deduplicate=deduplicate)
    # What was sent is known also of a run that was interrupted; of one that lost records it is not.
    complete = counts["generated"] == counts["acked"]
    sent = {"generated": counts["generated"], "acked": counts["acked"]}
    return verdict(comparison, sent, [], {}, complete=complete, causes=causes_of(case, comparison))


def mapping_of(settings: Verify, plan: Plan) -> ColumnMapping:
    """The columns of a file: the plan's metrics under their own names, and what the settings say otherwise.

    Raises:
        BadConfigError: no metric is left to check.
    """
    named = {**{name: name for name in plan.answers.metrics}, **settings.metrics}
    metrics = {name: column for name, column in named.items() if column is not None}
    if not metrics:
        raise BadConfigError(
            f"verify.metrics={settings.metrics}: leaves nothing to check; the run has {', '.join(plan.answers.metrics)}"
        )
    columns = settings.columns
    return ColumnMapping(columns.window_start, columns.window_end, columns.symbol, metrics, settings.time_unit)
