"""The most memory that this process has had, since it began or since it was last asked to begin counting anew."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"
"""To `clear_refs`: see proc_pid_clear_refs(5)."""


def reset_peak() -> None:
    """Count from now on; where the system cannot (it is not Linux), the count goes on from the process' beginning."""
    try:
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return


def peak_megabytes() -> float:
    """Peak resident memory in megabytes (10^6 bytes)."""
    try:
        lines = (_PROCESS / "status").read_text(encoding="ascii").splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, kibibytes elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return kibibytes * 1024 / 1e6
