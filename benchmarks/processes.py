"""What Linux tells of a process and of those that it has started."""

from __future__ import annotations

from pathlib import Path

_KILOBYTE = 1024
_PROC = Path("/proc")


def resident_megabytes(process_id: int) -> float:
    """The resident size of a process."""
    lines = (_PROC / str(process_id) / "status").read_text(encoding="utf-8").splitlines()
    kilobytes = next(line for line in lines if line.startswith("VmRSS:")).split()[1]
    return int(kilobytes) * _KILOBYTE / 1e6


def open_handles(process_id: int) -> int:
    """How many files and sockets a process holds open."""
    return len(list((_PROC / str(process_id) / "fd").iterdir()))


def descendants(process_id: int) -> dict[int, str]:
    """The processes that it has started, and those that they have: their command lines by process id."""
    every = {int(folder.name): _parent(folder) for folder in _PROC.glob("[0-9]*")}
    parents = {child: parent for child, parent in every.items() if parent is not None}
    found: set[int] = set()
    latest = {process_id}
    while latest:
        latest = {child for child, parent in parents.items() if parent in latest} - found
        found |= latest
    return {child: command_line(child) for child in found}


def command_line(process_id: int) -> str:
    """The words of a process' command line; none for one that has ended."""
    try:
        return (_PROC / str(process_id) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _parent(folder: Path) -> int | None:
    """Of a process, by its folder; None for one that has ended."""
    try:
        return int((folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1])
    except OSError:
        return None
