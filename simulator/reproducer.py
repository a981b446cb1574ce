"""The minimal reproducer: of a run whose results do not match, the shortest with the fewest symbols and faults that still fails.

A greedy search over whole runs of the command line, so that the command that is told is one that was seen to fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

from simulator.child import start_child
from simulator.schema import Specification

_SHORTEST = 1.0
_FASTER = 10.0
_REPLACED = (
    "duration",
    "symbols.count",
    "reproducer.attempts",
    "live",  # nobody looks at the tries, and the port may be the failed run's
    "metrics_port",
    "metrics_host",
    "hydra.run.dir",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
)


@dataclass(frozen=True)
class Size:
    """What is made smaller.

    Attributes:
        duration: simulated seconds.
        speed: simulated seconds per second of wall time; None for an unpaced clock. More is less waiting.
        symbols: how many of `symbols.pattern`; None where they are named one by one.
        faults: names of the faults that are left.
        aims: whether event times are aimed at the edges of windows.
    """

    duration: float
    speed: float | None
    symbols: int | None
    faults: tuple[str, ...]
    aims: bool


def size_of(specification: Specification) -> Size:
    """The size of a run that has an end."""
    symbols, faults = specification.symbols, specification.faults
    count = None if symbols.tickers else symbols.count
    return Size(specification.duration or 0.0, specification.clock.speed, count, tuple(faults.active), faults.aim != "none")


def overrides_for(original: list[str], whole: Size, size: Size) -> list[str]:
    """The command line of a smaller run: the original's, and what is smaller."""
    kept = [override for override in original if override.lstrip("+").split("=", 1)[0] not in _REPLACED]
    smaller = [f"duration={size.duration:g}"]
    if size.speed != whole.speed:
        kept = [override for override in kept if not override.startswith("clock")]
        smaller += ["clock=accelerated", f"clock.speed={size.speed:g}"]
    if size.symbols != whole.symbols:
        smaller.append(f"symbols.count={size.symbols}")
    smaller += [f"~faults.{name}" for name in whole.faults if name not in size.faults]
    if whole.aims and not size.aims:
        smaller.append("faults.aim=none")
    return kept + smaller


@final
class Search:
    """Tries smaller sizes, and keeps those that still fail.

    Args:
        still_fails: whether a run of this size fails.
        attempts: how many runs it may take.
    """

    def __init__(self, still_fails: Callable[[Size], bool], attempts: int) -> None:
        self._still_fails = still_fails
        self._left = attempts
        self._passed: set[Size] = set()

    def smallest(self, whole: Size) -> Size:
        """The smallest size that was seen to fail; `whole` when none smaller was."""
        size = whole if whole.speed is None else self._tried(whole, replace(whole, speed=_FASTER * whole.speed))
        size = self._shorter(size)
        for name in size.faults:
            size = self._tried(size, replace(size, faults=tuple(other for other in size.faults if other != name)))
        if size.aims:
            size = self._tried(size, replace(size, aims=False))
        size = self._fewer(size)
        return self._shorter(size)

    def _shorter(self, size: Size) -> Size:
        while size.duration > _SHORTEST:
            smaller = self._tried(size, replace(size, duration=max(_SHORTEST, round(size.duration / 2, 1))))
            if smaller == size:
                break
            size = smaller
        return size

    def _fewer(self, size: Size) -> Size:
        """First by four, which is quick, then by two."""
        for divisor in (4, 2):
            while size.symbols is not None and size.symbols > 1:
                smaller = self._tried(size, replace(size, symbols=size.symbols // divisor or 1))
                if smaller == size:
                    break
                size = smaller
        return size

    def _tried(self, size: Size, smaller: Size) -> Size:
        if self._left == 0 or smaller in self._passed:
            return size
        self._left -= 1
        if self._still_fails(smaller):
            return smaller
        self._passed.add(smaller)
        return size


def smallest_failing(specification: Specification, overrides: list[str], say: Callable[[str], None]) -> list[str] | None:
    """The overrides of the smallest run that was seen to fail; None when no smaller one was.

    Args:
        specification: of the run that failed.
        overrides: of its command line.
        say: is told what is being tried.
    """
    whole, attempts = size_of(specification), specification.reproducer.attempts

    def still_fails(size: Size) -> bool:
        smaller = overrides_for(overrides, whole, size)
        say(f"does it still fail with {' '.join(smaller[len(smaller) - 4 :])} …")
        return _mismatches(smaller)

    smallest = Search(still_fails, attempts).smallest(whole)
    return None if smallest == whole else overrides_for(overrides, whole, smallest)


def _mismatches(overrides: list[str]) -> bool:
    """Whether a run of its own ends in `mismatch`."""
    with TemporaryDirectory(prefix="simulator-") as folder:
        command = [sys.executable, "-m", "simulator", *overrides, "reproducer.attempts=0", f"hydra.run.dir={folder}"]
        child = start_child(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
        try:
            child.wait()
        finally:
            child.stop()
        verdict = Path(folder) / "verdict.json"
        return verdict.is_file() and json.loads(verdict.read_text(encoding="utf-8"))["status"] == "mismatch"
