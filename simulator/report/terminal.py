"""What a user sees in the terminal: messages on stderr, tables and the verdict on stdout. Figures so far: `live/terminal.py`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.plan import Plan
    from simulator.produce.producer import Progress as Standing

_WIDTH = 150
_FALLEN_BEHIND = 0.25
"""Seconds, as `produce.pacing` has it."""
_STYLES = {"match": "bold green", "mismatch": "bold red", "incomplete": "bold yellow"}


def say(message: str) -> None:
    """A line about what goes on, for people: on stderr, and only where one is watching."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        console.print(message, style="dim", soft_wrap=True, markup=False)


def show_table(text: str) -> None:
    """A micro-batch of windows, on stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n\n")
    sys.stdout.flush()


def standing_line(standing: Standing, asked: float | None, *, holds_up: bool = False) -> str:
    """Events, rates, lag and queue in one line; `holds_up` as in `rate_lines`."""
    rates = f"{standing.rate:,.0f}/s" if asked is None else f"{standing.rate:,.0f}/s of {asked:,.0f}/s asked{_until(holds_up)}"
    return f"{standing.generated:,} events  {rates}  lag {standing.lag * 1000:,.0f} ms  queue {standing.queued:,}"


def show_verdict(verdict: Mapping[str, Any], manifest: Mapping[str, Any], plan: Plan, places: Mapping[str, Path]) -> None:
    """The end of a run: accounts, the first differences, and the status as the last line.

    Args:
        verdict: of the results.
        manifest: of the run.
        plan: of the run.
        places: where to look next, by name.
    """
    # Where no terminal says how wide it is, a row of differences should still fit a line.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH)
    windows, audit = verdict["windows"], verdict["audit"]
    if audit:
        stages = [f"{name} {count:,}" for name, count in audit.items() if count or (count == 0 and name != "foreign")]
        console.print("audit    " + " · ".join(stages))
    for fault in verdict["audit_faults"]:
        console.print(f"         {fault}", style="red", markup=False)
    if verdict["faults"]:
        console.print(f"faults   {fault_counts(verdict['faults'])}")
    counts = " · ".join(f"{name} {count:,}" for name, count in windows.items())
    console.print(f"windows  {counts}")
    for name, off in verdict.get("metrics", {}).items():
        console.print(f"metric   {metric_line(name, off)}", markup=False)
    if verdict["first_mismatches"]:
        console.print(_mismatches(verdict["first_mismatches"]))
    for cause in verdict.get("causes", ()):
        console.print(f"cause    {cause_line(cause)}", style="yellow", markup=False)
    holds_up = plan.faults.hold_up and manifest["status"] == "complete"
    for line in rate_lines(manifest["rate"], manifest["lag_seconds"], holds_up=holds_up):
        console.print(line)
    console.print(f"digest   {manifest['stream_digest']}")
    for name, path in places.items():
        console.print(f"{name:<8} {path}", markup=False)
    if verdict.get("reproducer"):
        console.print(f"smaller  {verdict['reproducer']}", markup=False)
    console.print(verdict["status"], style=_STYLES[verdict["status"]])


def fault_counts(counts: Mapping[str, int]) -> str:
    """How many records each fault struck."""
    return " · ".join(f"{name} {count:,}" for name, count in counts.items())


def _until(holds_up: bool) -> str:  # noqa: FBT001  # private
    return " (until the last late record)" if holds_up else ""


def rate_lines(rate: Mapping[str, float | None], lag: Mapping[str, float | None], *, holds_up: bool = False) -> list[str]:
    """The rate achieved beside the one asked, the lag behind schedule, and whether the producer has fallen behind.

    `holds_up`: faults held records up, and the time that the last of them took after the market's end lowers the rate.
    """
    achieved, asked = rate["achieved"] or 0.0, rate["asked"]
    if asked is None:
        return [f"rate     achieved {achieved:,.0f}/s, as fast as possible"]
    shown = " · ".join(f"{name} {(lag[name] or 0.0) * 1000:,.1f} ms" for name in ("p50", "p99", "largest"))
    lines = [f"rate     achieved {achieved:,.1f}/s of {asked:,.1f}/s asked{_until(holds_up)} · lag {shown}"]
    if (lag["last"] or 0.0) > _FALLEN_BEHIND:
        lines.append(
            f"         [yellow]fell behind: the last event was sent {lag['last']:,.1f} s after its time;"
            " the broker or this machine cannot take that rate[/yellow]"
        )
    return lines


def metric_line(name: str, off: Mapping[str, Any]) -> str:
    """In how many windows a metric differs, and by how much at most."""
    parts = [f"{name} differs in {off['windows']:,} window{'' if off['windows'] == 1 else 's'}"]
    if off["absolute"] is not None:
        parts.append(f"by {off['absolute']:.6g} at most")
    if off["relative"] is not None:
        parts.append(f"{off['relative']:.3g} of what it should be")
    return ", ".join(parts)


def cause_line(cause: Mapping[str, Any]) -> str:
    """A likely cause, and how many of the windows that differ it explains."""
    return f"{cause['cause']} explains {cause['explains']:,} of {cause['of']:,}: {cause['sentence']}"


def _mismatches(rows: list[Mapping[str, Any]]) -> Table:
    table = Table(title="first differences", title_justify="left")
    for heading in ("window.start", "window.end", "symbol", "what", "metric", "expected", "actual", "off"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        cells = (row["window_start"], row["window_end"], row["symbol"], row["kind"])
        off = "" if row.get("absolute") is None else f"{row['absolute']:.6g}"
        table.add_row(
            *(Text(str(cell)) for cell in (*cells, row.get("metric", ""), row.get("expected", ""), row.get("actual", ""), off))
        )
    return table
