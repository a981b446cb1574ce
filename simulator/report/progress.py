"""How far long work is, and how long it will yet take: on stderr, and only where somebody is watching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_REFRESHES_PER_SECOND = 5


@contextmanager
def working(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A line while the block runs; gone with it. Yields what takes the amount that was done since the last call.

    Args:
        what: what goes on.
        total: the amount of all; None where it is not known: then the time that has passed is shown, not what is left.
    """
    console = Console(stderr=True)
    known = (BarColumn(bar_width=20), TaskProgressColumn(), TimeRemainingColumn(compact=True), TextColumn("left"))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *(known if total else (TimeElapsedColumn(),)))
    with Progress(
        *columns, console=console, transient=True, refresh_per_second=_REFRESHES_PER_SECOND, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda amount: bar.advance(task, amount)
