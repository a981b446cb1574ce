"""`python -m benchmarks [NAME…]`: all benchmarks, or those named. Results go to `benchmarks/results/<name>.json`."""

from __future__ import annotations

import sys

from benchmarks import aggregation, engine, generation, growth, memory, overlap, pacing, producer, startup, verifying

BENCHMARKS = {
    "generation": generation.main,
    "producer": producer.main,
    "pacing": pacing.main,
    "aggregation": aggregation.main,
    "growth": growth.main,
    "overlap": overlap.main,
    "startup": startup.main,
    "memory": memory.main,
    "verifying": verifying.main,
    "engine": engine.main,
}


def main() -> None:
    """Run what was asked for."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"error: {', '.join(unknown)}: no such benchmark; there are {', '.join(BENCHMARKS)}")
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
