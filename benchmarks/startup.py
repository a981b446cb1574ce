"""How long a user waits: for `--help`, for `mode=plan`, and for the first table of windows on the console.

Asked, in a warm cache: 1 s, 1.5 s, and 20 s from the command on. Each command is a whole process; the cases run in turn. The
first table is waited for without archives of class data and with them (`python -m simulator.archives`).
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.measure import keep
from simulator.archives import make_archives
from simulator.cache import CACHE_VARIABLE, cache_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT_ROUNDS, WINDOW_ROUNDS = 10, 5
COMMAND = (sys.executable, "-m", "simulator")
FIRST_TABLE = "Batch: "


def whole(*words: str) -> float:
    """Seconds of a command from its start to its end."""
    with TemporaryDirectory(prefix="startup-") as folder:
        begun = time.perf_counter()
        subprocess.run([*COMMAND, *words, f"hydra.run.dir={folder}"], check=True, capture_output=True)
        return time.perf_counter() - begun


@contextmanager
def without_archives() -> Iterator[Path]:
    """Give a cache that has all but the archives."""
    with TemporaryDirectory(prefix="startup-") as folder:
        for jars in cache_directory().glob("kafka-*"):
            (Path(folder) / jars.name).symlink_to(jars)
        yield Path(folder)


def first_window(cache: Path) -> float:
    """Seconds from `python -m simulator` to the first table that it prints; the run is broken off then."""
    environment = {**os.environ, CACHE_VARIABLE: str(cache)}
    with TemporaryDirectory(prefix="startup-") as folder:
        begun = time.perf_counter()
        words = [*COMMAND, f"hydra.run.dir={folder}"]
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None  # noqa: S101  # asked for with PIPE
            found = any(line.startswith(FIRST_TABLE) for line in process.stdout)
            seconds = time.perf_counter() - begun
            process.send_signal(signal.SIGINT)
            process.stdout.read()
    assert found, "no table was printed"  # noqa: S101
    return seconds


def main() -> None:
    """Measure, print, keep."""
    before = os.getloadavg()
    short: dict[str, list[float]] = {"python -c pass": [], "--help": [], "mode=plan": []}
    for number in range(SHORT_ROUNDS + 1):
        for case, values in short.items():
            taken = _bare() if case.startswith("python") else whole(case)
            if number:  # the first fills the caches
                values.append(taken)
    make_archives()
    tables: dict[str, list[float]] = {"first table": [], "first table, with archives": []}
    with without_archives() as plain:
        for _ in range(WINDOW_ROUNDS):
            for values, cache in zip(tables.values(), (plain, cache_directory()), strict=True):
                values.append(first_window(cache))
    seconds = {**short, **tables}
    table = Table("case", "median s", "least", "most", title="startup", title_justify="left")
    for case, values in seconds.items():
        table.add_row(case, *(f"{value:.2f}" for value in (statistics.median(values), min(values), max(values))))
    Console().print(table)
    conditions = {"load_averages": {"before": before, "after": os.getloadavg()}}
    keep("startup", {"seconds": seconds}, conditions)


def _bare() -> float:
    """Python alone: what the machine takes for any process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - begun
