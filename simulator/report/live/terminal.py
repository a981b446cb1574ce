"""A run in the terminal while it goes on: a few lines on stderr that are gone at its end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from simulator.plan import Plan
from simulator.report.live.facts import producer_facts, run_fact, spark_facts
from simulator.report.live.figures import Figures, Reading

_REFRESHES = 5
"""A second."""
_BAR_WIDTH = 40


@contextmanager
def terminal_view(figures: Figures, plan: Plan) -> Iterator[None]:
    """Show the figures on stderr while it is a terminal; otherwise say nothing."""
    console = Console(stderr=True, highlight=False)
    prints_events = plan.sink.kind == "stdout" and sys.stdout.isatty()  # which would be in the way of each other
    if not console.is_terminal or prints_events:
        yield
        return
    with Live(
        console=console,
        get_renderable=lambda: view(figures.read()),
        transient=True,
        refresh_per_second=_REFRESHES,
        # Printed tables go above these lines where both are on one screen, and else to where stdout leads.
        redirect_stdout=sys.stdout.isatty(),
    ):
        yield


def view(reading: Reading) -> RenderableType:
    """The run, its producer and Spark, a line each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_row("run", run_fact(reading))
    if reading.seconds is not None:
        done = min(reading.progress.elapsed, reading.seconds)
        table.add_row("", ProgressBar(total=reading.seconds, completed=done, width=_BAR_WIDTH))
    for name, facts in (("producer", producer_facts(reading)), ("spark", spark_facts(reading))):
        if facts:
            table.add_row(name, Text(" · ".join(f"{fact} {value}" for fact, value in facts.items())))
    return table
