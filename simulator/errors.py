"""Errors that a user can cause or meet; each knows its exit code and prints as one line.

Exit codes (the command line's contract): 0 ok, 1 answers or audit do not match, 2 bad configuration,
3 broker, Spark or the machine's disk not usable, 130 interrupted after a clean flush.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

EXIT_OK = 0
EXIT_MISMATCH = 1
EXIT_BAD_CONFIG = 2
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130


class SimulatorError(Exception):
    """A failure with a message meant for the user: `str(error)` is one clear line per fault."""

    exit_code: ClassVar[int] = EXIT_MISMATCH


class BadConfigError(SimulatorError):
    """Something the user wrote is not allowed; carries every fault found, one line each."""

    exit_code = EXIT_BAD_CONFIG

    def __init__(self, faults: str | Sequence[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class UnreachableError(SimulatorError):
    """A broker, Spark or Java that the run needs cannot be reached or started."""

    exit_code = EXIT_UNREACHABLE


class DeliveryError(SimulatorError):
    """The broker did not acknowledge events that were handed to it."""

    exit_code = EXIT_UNREACHABLE
