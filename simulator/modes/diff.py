"""`mode=diff`: what changed between two finished runs: configuration and plan, versions, stream, results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.finished import read_manifest, read_table
from simulator.modes.context import Context
from simulator.plan import Plan, read_plan
from simulator.rundir import RunDirectory
from simulator.sql import KEYS

_MOST_LINES = 40
_NOTHING = "-"


def run(context: Context) -> int:
    """A line a difference, from `a` to `b`; 0 when there is none, else 1, as `diff` has it."""
    specification = context.specification
    a, b = RunDirectory(Path(specification.a or "")), RunDirectory(Path(specification.b or ""))
    sections = {
        "plan": plan_differences(read_plan(a.plan), read_plan(b.plan)),
        "run": list(_changes(_facts(read_manifest(a.manifest)), _facts(read_manifest(b.manifest)))),
        "results": list(_results(a, b)),
    }
    for name, lines in sections.items():
        for line in lines[:_MOST_LINES]:
            sys.stdout.write(f"{name:<8} {line}\n")
        if len(lines) > _MOST_LINES:
            sys.stdout.write(f"{name:<8} … and {len(lines) - _MOST_LINES:,} more\n")
    if any(sections.values()):
        return EXIT_MISMATCH
    sys.stdout.write("no difference\n")
    return EXIT_OK


def plan_differences(a: Plan, b: Plan) -> list[str]:
    """Keys of the plan with their values in both; what follows from other keys is there, too."""
    contents = [plan.model_dump(mode="json", exclude={"hash"}) for plan in (a, b)]
    for content in contents:  # by name, so that one symbol more is one line and not a shift of all
        content["market"]["symbols"] = {symbol.pop("name"): symbol for symbol in content["market"]["symbols"]}
    return list(_changes(*(dict(_flat(content)) for content in contents)))


def _flat(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # any JSON value
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from _flat(value, f"{path}.{key}" if path else key)
    elif isinstance(content, list) and content:
        for place, value in enumerate(content):
            yield from _flat(value, f"{path}[{place}]")
    else:
        yield path, content


def _changes(a: dict[str, Any], b: dict[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*a, *b]):
        before, after = (_shown(side[key]) if key in side else _NOTHING for side in (a, b))
        if before != after:
            yield f"{key}: {before} → {after}"


def _shown(value: object) -> str:
    text = "null" if value is None else str(value)
    return " ".join(text.split()) if len(text) <= 200 else f"{' '.join(text[:200].split())} …"  # noqa: PLR2004  # a line or two


def _facts(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says of the stream and of what made it."""
    names = ("status", "seed", "stream_digest", "counts", "versions", "git_commit")
    return dict(_flat({name: manifest.get(name) for name in names}))


def _results(a: RunDirectory, b: RunDirectory) -> Iterator[str]:
    """How many windows have other numbers; by metric, and those that only one run has."""
    if not (a.results.is_file() and b.results.is_file()):
        return
    before, after = read_table(a.results, KEYS), read_table(b.results, KEYS)
    metrics = [name for name in before.columns if name not in KEYS and name in after.columns]
    both = before.join(after, on=list(KEYS), how="inner", suffix="_b", nulls_equal=True)
    for name in metrics:
        changed = both.filter(~pl.col(name).eq_missing(pl.col(f"{name}_b"))).height
        if changed:
            yield f"{name}: other values in {changed:,} of {both.height:,} windows that both have"
    for name, table in (("a", before), ("b", after)):
        only = table.height - both.height
        if only:
            yield f"windows that only {name} has: {only:,}"
