"""The jobs of a multirun as a table: a row a job, whatever became of it."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from scipy.stats import t as students_t

SUCCESSES = {"match", "ok"}
OUTCOMES = ("rate_achieved", "lag_p99", "windows_matched", "late_dropped", "batch_seconds", "state_rows", "peak_megabytes")
"""Numbers of a job that can be compared."""
_CONFIDENCE = 0.95


def jobs_of(sweep: Path) -> pl.DataFrame:
    """One row a job, in the order of their numbers: its overrides, a column each, and what came of it.

    Columns: `job`; each key that an override sets; `seed status error digest generated rate_asked rate_achieved lag_p50 lag_p99
    windows_expected windows_matched late_dropped rejected batch_seconds state_rows peak_megabytes`. One without a verdict has
    the status `failed`, and in `error` the last line that it logged.
    """
    folders = sorted((path.parent for path in sweep.glob("*/.hydra")), key=lambda path: (len(path.name), path.name))
    rows = [_row(folder) for folder in folders]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return pl.DataFrame([{key: row.get(key) for key in keys} for row in rows], infer_schema_length=None, strict=False)


def swept(jobs: pl.DataFrame, keys: list[str]) -> list[str]:
    """Those of the keys that differ between jobs."""
    return [key for key in keys if jobs[key].n_unique() > 1]


def override_keys(sweep: Path) -> list[str]:
    """Every key that some job's overrides set."""
    files = sorted(sweep.glob("*/.hydra/overrides.yaml"))
    return list(dict.fromkeys(key for file in files for key in _overrides(file)))


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


def _row(folder: Path) -> dict[str, Any]:
    verdict, manifest = _read(folder / "verdict.json"), _read(folder / "manifest.json")
    windows, audit = verdict.get("windows", {}), verdict.get("audit", {})
    rate, lag = manifest.get("rate", {}), manifest.get("lag_seconds", {})
    return {
        "job": int(folder.name) if folder.name.isdigit() else folder.name,
        **_overrides(folder / ".hydra" / "overrides.yaml"),
        "seed": manifest.get("seed"),
        "status": _status(verdict, manifest),
        "error": None if _status(verdict, manifest) in SUCCESSES else _error(folder, verdict),
        "digest": manifest.get("stream_digest"),
        "generated": manifest.get("counts", {}).get("generated"),
        "rate_asked": rate.get("asked"),
        "rate_achieved": rate.get("achieved"),
        "lag_p50": lag.get("p50"),
        "lag_p99": lag.get("p99"),
        "windows_expected": windows.get("expected"),
        "windows_matched": windows.get("matched"),
        "late_dropped": audit.get("late_dropped"),
        "rejected": audit.get("rejected"),
        **_spark(folder / "microbatches.ndjson"),
        "peak_megabytes": manifest.get("peak_megabytes"),
    }


def _status(verdict: dict[str, Any], manifest: dict[str, Any]) -> str:
    """The verdict's; of a job that needs none, whether it came to its end."""
    if verdict:
        return str(verdict["status"])
    return "ok" if manifest.get("status") == "complete" else "failed"


def _error(folder: Path, verdict: dict[str, Any]) -> str | None:
    """Why: what the accounts say, or the last error that was logged."""
    if verdict:
        return next(iter(verdict.get("audit_faults", [])), None)
    logs = sorted(folder.glob("*.log"))
    lines = [line for log in logs if log.name != "spark.log" for line in log.read_text(encoding="utf-8").splitlines()]
    errors = [line.split("ERROR", 1)[1].strip() for line in lines if " ERROR " in line]
    return errors[-1] if errors else "ended without a word: it was killed"


def _spark(path: Path) -> dict[str, float | None]:
    """Median duration of a micro-batch with rows, and the most rows kept as state."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    reports = [report for report in map(json.loads, lines) if report.get("rows")]
    if not reports:
        return {"batch_seconds": None, "state_rows": None}
    return {
        "batch_seconds": statistics.median(report["duration_ms"]["triggerExecution"] for report in reports) / 1000,
        "state_rows": max(sum(store["rows_total"] for store in report["state"]) for report in reports),
    }


def _overrides(file: Path) -> dict[str, Any]:
    """Key to value as text, as they were written."""
    words = yaml.safe_load(file.read_text(encoding="utf-8")) or []
    return {key.lstrip("+~"): value for key, _, value in (str(word).partition("=") for word in words)}


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
