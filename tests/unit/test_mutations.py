"""The verifier by mutation: results altered in dozens of ways are all found, unaltered ones never (docs/verify.md)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from simulator.answers.bounds import OPTIONAL, legal_windows, sure
from simulator.answers.causes.case import Case
from simulator.answers.causes.table import CAUSES, causes_of
from simulator.answers.verify import Comparison, compare
from simulator.answers.windows import KEYS
from simulator.metrics import METRICS
from simulator.plan import Plan

Table = pl.DataFrame

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "verify.md"
START = 1_735_828_200_000_000
# At 20.25 trades a second of a symbol some are at the very edge of a window, and halves of windows have not the same number.
MARKET = ("clock=accelerated", "symbols.count=4", "rate=80", "duration=60", "dynamics.volatility=20")
ALL = "metrics.names=[" + ",".join(METRICS) + "]"
DEDUPLICATED = "window.deduplicate=true"
RUNS = {
    "clean": ("arrivals=fixed", "rate=81", DEDUPLICATED),
    "faulted": ("+scenario=dirty_feed", "faults.aim=window_edges", "faults.aim_rate=0.2", "faults.drift.start=50"),
}
ROWS = pl.int_range(pl.len())
NUMBERS = list(METRICS)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@dataclass(frozen=True)
class Run:
    """A run whose right answers are known, and a job in plain Python that gives results within them."""

    plan: Plan
    job: Any
    stream: list[Any]

    @cached_property
    def right(self) -> Table:
        return legal_windows(self.plan, START, len(self.stream), NUMBERS, deduplicate=self.plan.answers.deduplicate)

    @cached_property
    def results(self) -> Table:
        """Those of a watermark by record."""
        return self.made()

    @cached_property
    def row(self) -> int:
        """A window in the middle that has one right answer."""
        rows = self.results.join(self.right, on=KEYS, maintain_order="left").with_row_index("n")
        known = rows.filter(sure("volume"), ~pl.col(OPTIONAL))
        return int(known["n"][known.height // 2])

    def made(self, **options: Any) -> Table:  # noqa: ANN401
        return self.job.but(**{"drops": "window", **options}).run(self.stream)

    def compared(self, results: Table) -> Comparison:
        return compare(self.right, results, NUMBERS)

    def cause(self, results: Table) -> str:
        case = Case(self.plan, START, len(self.stream), NUMBERS, self.right, results)
        found = causes_of(case, self.compared(results))
        return f"`{found[0]['cause']}` {found[0]['explains']}/{found[0]['of']}" if found else "none"


def at(run: Run, value: object, *names: str) -> Table:
    """The results with one window's metrics replaced."""
    return run.results.with_columns(pl.when(run.row == ROWS).then(value).otherwise(name).alias(name) for name in names)


def off(run: Run, name: str, by: pl.Expr) -> Table:
    """The results with one number of one window replaced."""
    return at(run, by, name)


def without(run: Run, rows: pl.Expr) -> Table:
    return run.results.filter(~rows)


def moved(run: Run, start: timedelta, end: timedelta) -> Table:
    return run.results.with_columns(pl.col("window_start") + start, pl.col("window_end") + end)


def times_by(run: Run, factor: float) -> Table:
    scaled = (pl.col(name).cast(pl.Int64) * factor for name in KEYS[:2])
    return run.results.with_columns(time.cast(pl.Int64).cast(pl.Datetime("us", "UTC")) for time in scaled)


def swapped(run: Run, *names: str) -> Table:
    first, second = names
    return run.results.with_columns(pl.col(first).alias(second), pl.col(second).alias(first))


def other_symbol(run: Run) -> Table:
    """The rows of two symbols under each other's name."""
    return run.results.with_columns(pl.col("symbol").replace({"SYM000": "SYM001", "SYM001": "SYM000"}))


def mean_of_means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    parts: dict[int, list[float]] = {}
    for row in rows:
        parts.setdefault(row["time"] // 5_000_000, []).append(row["price"])
    return {**measured(rows), "avg_price": sum(sum(part) / len(part) for part in parts.values()) / len(parts)}


def measured(rows: list[dict[str, Any]]) -> dict[str, Any]:
    prices, volume = [row["price"] for row in rows], sum(row["volume"] for row in rows)
    ordered = sorted(rows, key=lambda row: row["seq"])
    return {
        "avg_price": math.fsum(prices) / len(prices),
        "volume": volume,
        "msg_ct": len(rows),
        "vwap": math.fsum(row["price"] * row["volume"] for row in rows) / volume if volume else None,
        "open": ordered[0]["price"],
        "high": max(prices),
        "low": min(prices),
        "close": ordered[-1]["price"],
    }


def by_arrival(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {**measured(rows), "open": rows[0]["price"], "close": rows[-1]["price"]}


VALUE, PRICES = pl.col("avg_price"), ("avg_price", "vwap")
FIRST_SYMBOL = pl.col("symbol") == "SYM000"
LAST = pl.col("window_start") == pl.col("window_start").max()
MUTATIONS: dict[str, tuple[str, Callable[[Run], Table]]] = {
    "row removed": ("one window is not there", lambda run: without(run, run.row == ROWS)),
    "row repeated": ("one window is there twice", lambda run: pl.concat([run.results, run.results[run.row : run.row + 1]])),
    "row invented": (
        "a window of a symbol that there is not",
        lambda run: pl.concat([run.results, run.results[:1].with_columns(symbol=pl.lit("XXX"))]),
    ),
    "all rows repeated": ("every window is there twice", lambda run: pl.concat([run.results, run.results])),
    "no rows": ("the file has no rows", lambda run: run.results.clear()),
    "count +1": ("one `msg_ct` is too large by 1", lambda run: off(run, "msg_ct", pl.col("msg_ct") + 1)),
    "count -1": ("one `msg_ct` is too small by 1", lambda run: off(run, "msg_ct", pl.col("msg_ct") - 1)),
    "every count +1": ("every `msg_ct` is too large by 1", lambda run: run.results.with_columns(pl.col("msg_ct") + 1)),
    "volume +1": ("one `volume` is too large by 1", lambda run: off(run, "volume", pl.col("volume") + 1)),
    "volume of half a share": ("one `volume` is too large by 0.5", lambda run: off(run, "volume", pl.col("volume") + 0.5)),
    "price +1e-6": ("one `avg_price` is too large by a millionth", lambda run: off(run, "avg_price", VALUE * (1 + 1e-6))),
    "price -1e-8": ("one `vwap` is too small by 1e-8 of it", lambda run: off(run, "vwap", pl.col("vwap") * (1 - 1e-8))),
    "open +1e-12": ("one `open` is too large by 1e-12 of it", lambda run: off(run, "open", pl.col("open") * (1 + 1e-12))),
    "null": ("one `avg_price` is empty", lambda run: at(run, None, "avg_price")),
    "null count": ("one `msg_ct` is empty", lambda run: at(run, None, "msg_ct")),
    "NaN": ("one `avg_price` is NaN", lambda run: at(run, float("nan"), "avg_price")),
    "infinite": ("one `high` is infinite", lambda run: at(run, float("inf"), "high")),
    "zero": ("one `volume` is 0", lambda run: at(run, 0, "volume")),
    "sign": ("every `avg_price` is negative", lambda run: run.results.with_columns(-VALUE)),
    "cents": (
        "all prices are in cents",
        lambda run: run.results.with_columns(pl.col(*PRICES, "open", "high", "low", "close") * 100),
    ),
    "volume in lots": ("every `volume` is a hundredth", lambda run: run.results.with_columns(pl.col("volume") / 100)),
    "sum for mean": ("`avg_price` is the sum of the prices", lambda run: run.results.with_columns(VALUE * pl.col("msg_ct"))),
    "mean for vwap": ("`vwap` is the plain average", lambda run: run.results.with_columns(vwap=VALUE)),
    "columns swapped": ("`high` and `low` under each other's name", lambda run: swapped(run, "high", "low")),
    "volume and count swapped": ("the same with `volume` and `msg_ct`", lambda run: swapped(run, "volume", "msg_ct")),
    "mean of means": ("`avg_price` is an average of two averages of 5 s", lambda run: run.made(measure=mean_of_means)),
    "open by arrival": ("`open` and `close` in the order of arrival", lambda run: run.made(measure=by_arrival)),
    "rounded": ("averages have two decimal places", lambda run: run.results.with_columns(pl.col(*PRICES).round(2))),
    "cut to whole numbers": ("averages are whole", lambda run: run.results.with_columns(pl.col(*PRICES).floor())),
    "32-bit floats": ("averages are 32-bit floats", lambda run: run.results.with_columns(pl.col(*PRICES).cast(pl.Float32))),
    "symbols swapped": ("two symbols under each other's name", other_symbol),
    "symbol empty": ("one window has no symbol", lambda run: at(run, None, "symbol")),
    "symbol missing": ("one symbol has no rows", lambda run: without(run, FIRST_SYMBOL)),
    "symbol in lower case": (
        "symbols are in lower case",
        lambda run: run.results.with_columns(pl.col("symbol").str.to_lowercase()),
    ),
    "last window missing": ("no symbol has its last window", lambda run: without(run, LAST)),
    "first window missing": (
        "no symbol has its first window",
        lambda run: without(run, pl.col("window_start") == pl.col("window_start").min()),
    ),
    "half of the windows": ("every other window is not there", lambda run: run.made(slide=10_000_000)),
    "windows of 9 s": ("windows are 9 s long", lambda run: run.made(size=9_000_000)),
    "offset of 1 s": (
        "windows begin a second later",
        lambda run: run.made(time=lambda row: row["time"] - 1_000_000).with_columns(
            pl.col("window_start", "window_end") + SECOND
        ),
    ),
    "window shifted": (
        "one window starts a slide later",
        lambda run: at(run, pl.col("window_start") + 5 * SECOND, "window_start"),
    ),
    "window_end off": ("ends are a millisecond early", lambda run: moved(run, 0 * SECOND, -timedelta(milliseconds=1))),
    "time zone": ("windows are five hours early", lambda run: moved(run, -5 * HOUR, -5 * HOUR)),
    "time zone of Nepal": ("windows are 5:45 h late", lambda run: moved(run, 5.75 * HOUR, 5.75 * HOUR)),
    "ms as s": ("times are a thousand times too large", lambda run: times_by(run, 1000)),
    "s as ms": ("times are a thousandth", lambda run: times_by(run, 1e-3)),
    "boundary": ("windows (start, end]", lambda run: run.made(within=lambda time, start, end: start < time <= end)),
    "both ends": ("windows [start, end]", lambda run: run.made(within=lambda time, start, end: start <= time <= end)),
    "publish time": ("windows by the time of sending", lambda run: run.made(drops="never", time=lambda row: row["sent"])),
    "whole seconds": (
        "event times rounded to seconds",
        lambda run: run.made(time=lambda row: (row["time"] + 500_000) // 10**6 * 10**6),
    ),
    "late dropped": ("every record that is overtaken is dropped", lambda run: run.made(drops="event", delay=0)),
    "duplicates counted": ("every report of a trade counts", lambda run: run.made(deduplicate=None)),
    "last report": ("the last report of a trade counts", lambda run: run.made(deduplicate="last", drops="never")),
}
NOTHING = "nothing to alter"


@pytest.fixture(scope="module")
def runs(make_plan: Callable[..., Plan], job_of: Callable[..., Any], messages_of: Callable[..., list[Any]]) -> dict[str, Run]:
    found = {}
    for name, overrides in RUNS.items():
        plan = make_plan(*MARKET, ALL, *overrides)
        found[name] = Run(plan, job_of(plan), messages_of(plan, START))
    return found


@pytest.mark.parametrize("kind", RUNS)
def test_unaltered_results_are_never_reported(kind: str, runs: dict[str, Run]) -> None:
    run = runs[kind]
    for drops in ("never", "window", "event"):
        for every in (1, 100):
            comparison = run.compared(run.made(drops=drops, every=every))
            assert comparison.equal, (drops, every, comparison.first)
    assert run.compared(run.results.sample(fraction=1.0, shuffle=True, seed=1).select(reversed(run.results.columns))).equal
    assert run.compared(run.results.with_columns(VALUE * (1 + 1e-12), pl.col("msg_ct").cast(pl.Int32))).equal


@pytest.fixture(scope="module")
def outcomes(runs: dict[str, Run]) -> dict[str, dict[str, str]]:
    """By mutation and run: the cause that is named, NOTHING where it alters nothing, `NOT FOUND`."""
    table: dict[str, dict[str, str]] = {}
    for kind, (_, alter) in MUTATIONS.items():
        for name, run in runs.items():
            altered = alter(run)
            if altered.equals(run.made(drops="never") if "drops" in alter.__code__.co_consts else run.results):
                outcome = NOTHING
            elif run.compared(altered).equal:
                outcome = "NOT FOUND"
            else:
                outcome = run.cause(altered)
            table.setdefault(kind, {})[name] = outcome
    return table


@pytest.mark.parametrize("name", RUNS)
def test_all_mutations_are_found(name: str, outcomes: dict[str, dict[str, str]]) -> None:
    found = {kind: outcome[name] for kind, outcome in outcomes.items()}
    assert [kind for kind, outcome in found.items() if outcome == "NOT FOUND"] == []
    altered = [kind for kind, outcome in found.items() if outcome != NOTHING]
    assert len(altered) >= 45
    assert name == "clean" or len(altered) == len(MUTATIONS)


def test_the_page_has_the_tables(outcomes: dict[str, dict[str, str]]) -> None:
    mutations = "| kind | what is altered | clean run: cause | faulted run: cause |\n|---|---|---|---|\n" + "".join(
        f"| {kind} | {MUTATIONS[kind][0]} | {outcome['clean']} | {outcome['faulted']} |\n" for kind, outcome in outcomes.items()
    )
    causes = "| cause | what it is |\n|---|---|\n" + "".join(f"| `{cause.name}` | {cause.sentence} |\n" for cause in CAUSES)
    for name, table in (("mutations", mutations), ("causes", causes)):
        agree(name, table)


def agree(name: str, table: str) -> None:
    """As the golden files of tests/golden: GOLDEN=write writes."""
    page = PAGE.read_text(encoding="utf-8")
    pattern = rf"(<!-- {name}: .*?-->\n\n)(.*?)(?=\n<!-- end -->)"
    (found,) = re.findall(pattern, page, re.DOTALL)
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(re.sub(pattern, lambda match: match[1] + table, page, flags=re.DOTALL), encoding="utf-8")
        return
    assert found[1] == table, "docs/verify.md: GOLDEN=write python -m pytest tests/unit/test_mutations.py"
