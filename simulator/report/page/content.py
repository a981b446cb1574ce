"""What a page is made from: the files of a finished run, and its stream once more."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import polars as pl

from simulator.answers.tolerance import right, with_limits
from simulator.plan import Plan, read_plan
from simulator.report.page.candles import Stream, stream_of
from simulator.rundir import RunDirectory, read_json, read_lines
from simulator.sql import KEYS

SHOWN_SYMBOLS = 30
_SHOWN_WINDOWS = 20_000
_FAULT_BINS = 200


@dataclass(frozen=True)
class Content:
    """A run as its page shows it.

    Attributes:
        plan: the plan.
        manifest: what was counted.
        verdict: whether the results are right.
        command: gives the very same run again.
        symbols: those that can be picked.
        stream: candles, and the rate that was asked for.
        pace: how the producer stood over time, as `samples.PaceSamples` has it.
        windows: of the symbols shown: KEYS, each metric, `<metric>_actual`, and `differs`.
        faults: `kind time count`.
        batches: Spark's progress, one entry a micro-batch.
    """

    plan: Plan
    manifest: dict[str, Any]
    verdict: dict[str, Any]
    command: str
    symbols: list[str]
    stream: Stream
    pace: pl.DataFrame
    windows: pl.DataFrame
    faults: pl.DataFrame
    batches: list[dict[str, Any]]


def read_content(directory: RunDirectory, overrides: list[str]) -> Content:
    """Read the files of a run that has a verdict.

    Raises:
        BadConfigError: a file is missing.
    """
    plan, manifest, verdict = read_plan(directory.plan), read_json(directory.manifest), read_json(directory.verdict)
    compared = _compared(directory, plan.answers.metrics)
    symbols = _shown(plan, compared)
    return Content(
        plan=plan,
        manifest=manifest,
        verdict=verdict,
        command=shlex.join(["python", "-m", "simulator", *overrides]),
        symbols=symbols,
        stream=stream_of(plan, manifest["start"], manifest["counts"]["generated"], symbols),
        pace=pl.read_parquet(directory.pace),
        windows=_thinned(compared.filter(pl.col("symbol").is_in(symbols))),
        faults=_faults(directory),
        batches=read_lines(directory.microbatches),
    )


def plan_text(plan: Plan) -> str:
    """The plan as it is read best."""
    return json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False)


def _compared(directory: RunDirectory, metrics: list[str]) -> pl.DataFrame:
    """Every window that is expected or there, and whether it differs."""
    expected, actual = pl.read_parquet(directory.answers), pl.read_parquet(directory.results)
    actual = actual.select(*KEYS, *metrics).unique(list(KEYS), keep="first").with_columns(pl.lit(value=True).alias("is_there"))
    both = expected.join(actual, on=list(KEYS), how="full", suffix="_actual", coalesce=True, nulls_equal=True)
    both = with_limits(both, metrics)
    wrong = ~pl.all_horizontal(right(name) for name in metrics) | pl.col("is_there").is_null()
    shown = [name for metric in metrics for name in (metric, f"{metric}_actual")]
    return both.select(*KEYS, *shown, wrong.alias("differs")).sort("symbol", "window_end")


def _shown(plan: Plan, compared: pl.DataFrame) -> list[str]:
    """Symbols that can be picked: first those with differences, then the busiest."""
    off = compared.filter("differs").group_by("symbol").len().sort("len", "symbol", descending=[True, False])["symbol"].to_list()
    known = {symbol.name for symbol in plan.market.symbols}
    busiest = [symbol.name for symbol in sorted(plan.market.symbols, key=lambda symbol: -symbol.rate)]
    return list(dict.fromkeys([name for name in off if name in known] + busiest))[:SHOWN_SYMBOLS]


def _thinned(windows: pl.DataFrame) -> pl.DataFrame:
    """All that differ, and of the others every n-th."""
    every = -(-windows.height // _SHOWN_WINDOWS) or 1
    return windows.filter(pl.col("differs") | (pl.int_range(pl.len()) % every == 0))


def _faults(directory: RunDirectory) -> pl.DataFrame:
    """Faults by kind and time: their number in each of some stretches of the run."""
    empty = pl.DataFrame(schema={"kind": pl.String, "time": pl.Datetime("us", "UTC"), "count": pl.UInt32})
    if not directory.ledger.is_file():
        return empty
    ledger = pl.read_parquet(directory.ledger, columns=["kind", "sent_time", "intended_time"])
    ledger = ledger.with_columns(pl.coalesce("sent_time", "intended_time").cast(pl.Int64).alias("time"))
    if not ledger.height:
        return empty
    first, last = ledger.select(pl.col("time").min().alias("first"), pl.col("time").max().alias("last")).row(0)
    width = max(1, (last - first) // _FAULT_BINS)
    binned = ledger.group_by("kind", pl.col("time") // width).len("count").sort("kind", "time")
    return binned.with_columns((pl.col("time") * width + width // 2).cast(pl.Datetime("us", "UTC")))
