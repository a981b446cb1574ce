"""Who may write where: stdout carries data only, and the chatter of Java and Spark goes to a log.

All at the level of file descriptors, because the JVM inherits those and knows nothing of `sys.stdout`. Call these
before the JVM is started.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pathlib import Path

_STDOUT, _STDERR = 1, 2


def take_stdout() -> TextIO:
    """The real stdout for the caller alone; whatever else is written to stdout from now on goes to stderr."""
    return _take(sys.stdout, _STDOUT, _STDERR)


def take_stderr(log: Path) -> TextIO:
    """The real stderr for the caller alone; whatever else is written to stderr from now on is appended to `log`.

    Raises:
        OSError: the log cannot be written.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        return _take(sys.stderr, _STDERR, descriptor)
    finally:
        os.close(descriptor)


def _take(stream: TextIO, descriptor: int, replacement: int) -> TextIO:
    stream.flush()
    # A duplicate is not inherited by child processes, so that the JVM cannot write to it.
    real = os.dup(descriptor)
    os.dup2(replacement, descriptor)
    return os.fdopen(real, "w", encoding="utf-8", buffering=1)
