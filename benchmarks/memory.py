"""The producer's memory: ten minutes as fast as it can, its resident size once a second. Asked: at most 500 MB, and flat.

`python -m benchmarks memory`; needs Linux, whose /proc tells the size.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.measure import keep
from benchmarks.processes import resident_megabytes
from simulator.broker.embedded import EmbeddedBroker

SECONDS = 600
RATE = 200_000


def main() -> None:
    """Produce, sample, print, keep."""
    sizes: list[float] = []
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder) / "broker", heap_megabytes=1024) as broker:
        address = ("broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}", f"hydra.run.dir={folder}/run")
        words = ("mode=produce", "clock=unpaced", "duration=null", f"rate={RATE}", *address)
        process = subprocess.Popen([sys.executable, "-m", "simulator", *words], stderr=subprocess.PIPE, text=True)
        begun = time.monotonic()
        while time.monotonic() - begun < SECONDS:
            time.sleep(1)
            sizes.append(resident_megabytes(process.pid))
        process.send_signal(signal.SIGINT)
        told = process.communicate()[1].strip()
    warm = len(sizes) // 10
    halves = [statistics.median(sizes[warm : len(sizes) // 2]), statistics.median(sizes[len(sizes) // 2 :])]
    console = Console()
    console.print(
        f"memory: largest {max(sizes):.0f} MB, median of the first half {halves[0]:.0f} MB, of the second {halves[1]:.0f} MB"
    )
    console.print(told)
    content = {
        "resident_megabytes": [round(size, 1) for size in sizes],
        "largest": max(sizes),
        "median_of_halves": halves,
        "told": told,
    }
    keep("memory", content, {"seconds": SECONDS, "rate": RATE, "workers": 1})
