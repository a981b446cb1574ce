"""The jobs of a multirun as a table: a row a job, whatever became of it."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from scipy.stats import t as students_t
from yaml import YAMLError

from simulator.errors import printable

SUCCESSES = ("match", "ok")
OUTCOMES = (
    "rate_achieved",
    "lag_p50",
    "lag_p99",
    "windows_matched",
    "late_dropped",
    "batch_seconds",
    "state_rows",
    "state_megabytes",
    "gates_passed",
    "peak_megabytes",
)
"""Numbers of a job that can be compared."""
_AUDIT = ("acked", "read", "aggregated", "late_dropped", "duplicates_removed", "rejected")
RESULTS = (
    *("windows_matched", "windows_expected", "generated", *_AUDIT, "rate_asked", "rate_achieved", "lag_p50", "lag_p99"),
    *("batch_seconds", "state_rows", "state_megabytes", "gates_passed", "peak_megabytes", "digest", "error"),
)
"""All that is told of a job, in the order of the page's table."""
_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, YAMLError, OmegaConfBaseException)
"""What reading a file raises that is not as it was written."""
_CONFIDENCE = 0.95
_NOT_SWEPT = "resume"
"""Said of a multirun, not of a job."""


def jobs_of(sweep: Path) -> tuple[pl.DataFrame, list[str]]:
    """One row a job, in the order of their numbers, and the keys that their overrides set.

    Columns: `job`; each of those keys, its value as text as it was written; `seed status error digest generated rate_asked
    rate_achieved lag_p50 lag_p99 windows_expected windows_matched`, the audit's counts, `batch_seconds state_rows
    state_megabytes gates_passed peak_megabytes`. Rates are events/s, lags seconds, megabytes 10^6 bytes. A job that left neither
    verdict nor exit code 0 has the status `failed`, and in `error` the last error that it logged.
    """
    folders = sorted((path.parent for path in sweep.glob("*/.hydra")), key=lambda path: (len(path.name), path.name))
    rows = [job_row(folder) for folder in folders]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], infer_schema_length=None, strict=False)
    return table, list(dict.fromkeys(key for folder in folders for key in _overrides(folder)))


def swept(jobs: pl.DataFrame, keys: list[str]) -> list[str]:
    """Those of the keys that differ between jobs."""
    return [key for key in keys if jobs[key].n_unique() > 1]


def repeats(jobs: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Jobs that differ in their seed only, summed up: the mean of each outcome and half of its 95 % confidence interval.

    Columns: the keys without the seed, `repeats`, `matched` (how many ended well), for each outcome `<name>` and `<name>_half`
    (Student's t; null for a single job).
    """
    axes = [key for key in keys if key != "seed"]
    parts: list[tuple[Any, pl.DataFrame]] = list(jobs.group_by(axes, maintain_order=True)) if axes else [((), jobs)]
    rows = []
    for values, part in parts:
        row: dict[str, Any] = dict(zip(axes, values, strict=True))
        row |= {"repeats": part.height, "matched": part.filter(pl.col("status").is_in(list(SUCCESSES))).height}
        for name in OUTCOMES:
            row |= _interval(name, [value for value in part[name].to_list() if value is not None])
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def _interval(name: str, values: list[float]) -> dict[str, float | None]:
    if not values:
        return {name: None, f"{name}_half": None}
    if len(values) == 1:
        return {name: float(values[0]), f"{name}_half": None}
    half = float(students_t.ppf((1 + _CONFIDENCE) / 2, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return {name: statistics.fmean(values), f"{name}_half": half}


def job_row(folder: Path) -> dict[str, Any]:
    """The row of one job, from its folder; of one whose files are damaged, that they are."""
    try:
        return _row(folder)
    except _DAMAGE as error:
        blank = dict.fromkeys(("seed", "status", *RESULTS))
        told = f"its files cannot be read: {printable(' '.join(str(error).split()))[:200]}"
        return {"job": int(folder.name) if folder.name.isdigit() else folder.name, **blank, "status": "failed", "error": told}


def _row(folder: Path) -> dict[str, Any]:
    overrides = _overrides(folder)
    verdict, manifest, realism = (_read(folder / f"{name}.json") for name in ("verdict", "manifest", "realism"))
    windows, audit = verdict.get("windows") or {}, verdict.get("audit") or {}
    rate, lag = manifest.get("rate") or {}, manifest.get("lag_seconds") or {}
    status = _status(folder, verdict)
    return {
        "job": int(folder.name) if folder.name.isdigit() else folder.name,
        **overrides,
        "seed": _seed(manifest, realism, overrides),
        "status": status,
        "error": None if status in SUCCESSES else _error(folder, verdict, realism),
        "digest": manifest.get("stream_digest"),
        "generated": (manifest.get("counts") or {}).get("generated"),
        "rate_asked": rate.get("asked"),
        "rate_achieved": rate.get("achieved"),
        "lag_p50": lag.get("p50"),
        "lag_p99": lag.get("p99"),
        "windows_expected": windows.get("expected"),
        "windows_matched": windows.get("matched"),
        **{name: audit.get(name) for name in _AUDIT},
        **_spark(folder / "microbatches.ndjson"),
        "gates_passed": _gates(realism),
        "peak_megabytes": manifest.get("peak_megabytes"),
    }


def _status(folder: Path, verdict: dict[str, Any]) -> str:
    """The verdict's; of a job that has none, whether it ended well."""
    if verdict:
        return str(verdict["status"])
    exit_code = folder / ".hydra" / "exit_code"
    return "ok" if exit_code.is_file() and exit_code.read_text(encoding="utf-8").strip() == "0" else "failed"


def _seed(manifest: dict[str, Any], realism: dict[str, Any], overrides: dict[str, Any]) -> int | None:
    """What the job ran with; of one that did not get so far, what it was asked for."""
    said = str(overrides.get("seed", ""))
    known: int | None = manifest.get("seed", realism.get("seed"))
    return int(said) if known is None and said.isdecimal() else known


def _gates(realism: dict[str, Any]) -> int | None:
    return sum(fact["verdict"] == "pass" for fact in realism["facts"]) if realism else None


def _error(folder: Path, verdict: dict[str, Any], realism: dict[str, Any]) -> str | None:
    """Why: what the verdict says, or the last error that was logged."""
    if verdict:
        causes = [cause["sentence"] for cause in verdict.get("causes", ())]
        return next(iter([*verdict.get("audit_faults", ()), *causes]), None)
    if realism:
        return f"{_gates(realism)} of {len(realism['facts'])} gates of realism pass"
    log = folder / "simulator.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    errors = [line.split(" ERROR ", 1)[1].partition(": ")[2] for line in lines if " ERROR " in line]
    return errors[-1] if errors else "ended without a word: it was killed"


def _spark(path: Path) -> dict[str, float | None]:
    """Median duration of a micro-batch with rows, and the most that was kept as state."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    reports = [report for report in map(json.loads, lines) if report.get("rows")]
    if not reports:
        return {"batch_seconds": None, "state_rows": None, "state_megabytes": None}
    return {
        "batch_seconds": statistics.median(report["duration_ms"]["triggerExecution"] for report in reports) / 1000,
        "state_rows": max(sum(store["rows_total"] for store in report["state"]) for report in reports),
        "state_megabytes": max(sum(store["memory_bytes"] for store in report["state"]) for report in reports) / 1e6,
    }


def _overrides(folder: Path) -> dict[str, Any]:
    """Key to value as text, as they were written."""
    file = folder / ".hydra" / "overrides.yaml"
    try:
        words = OmegaConf.to_container(OmegaConf.load(file), resolve=False) if file.is_file() else []
    except _DAMAGE:
        words = []
    pairs = [str(word).partition("=") for word in (words if isinstance(words, list) else ())]
    return {key.lstrip("+~"): value for key, _, value in pairs if key.lstrip("+~") != _NOT_SWEPT}


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
