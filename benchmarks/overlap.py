"""Growth along the windows' overlap (size / slide): rows per second that our aggregation takes in, start-up apart.

Drawn by `python -m benchmarks.plots` beside the other axes of growth.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.aggregation import fill
from benchmarks.jobs import OurJob
from benchmarks.measure import keep
from simulator.broker.embedded import EmbeddedBroker

ROUNDS = 3
ROWS, RATE = 1_000_000, 200_000
SIZE = 60
OVERLAPS = (1, 4, 12, 60)
MARKET = (f"rate={RATE}", f"duration={ROWS / RATE}")


def rows_per_second(servers: str, topic: str, overlap: int, rows: int) -> float:
    """Rows by the seconds of the micro-batches that read them."""
    with OurJob(servers, topic, "earliest", *MARKET, f"window.size={SIZE}", f"window.slide={SIZE / overlap}") as job:
        batches = job.until(rows=rows)
    return rows / sum(batch.seconds for batch in batches)


def main() -> None:
    """Measure in turn, print, keep."""
    rates: dict[int, list[float]] = {overlap: [] for overlap in OVERLAPS}
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder)) as broker:
        rows = fill(broker.bootstrap_servers, "backlog", *MARKET)
        for _ in range(ROUNDS):
            for overlap, measured in rates.items():
                measured.append(rows_per_second(broker.bootstrap_servers, "backlog", overlap, rows))
    table = Table("size / slide", "median rows/s", title="overlap of windows", title_justify="left")
    for overlap, measured in rates.items():
        table.add_row(str(overlap), f"{statistics.median(measured):,.0f}")
    Console().print(table)
    keep("overlap", {"rows_per_second": rates}, {"rows": rows, "size": SIZE, "rounds_of_overlap": ROUNDS})


if __name__ == "__main__":
    main()
