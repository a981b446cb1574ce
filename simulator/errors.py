"""Errors that a user can cause or meet; each knows its exit code and prints as one line.

Exit codes (the command line's contract): 0 ok, 1 answers or audit do not match, 2 bad configuration,
3 broker, Spark or the machine's disk not usable, 130 interrupted after a clean flush.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

_LONGEST_FAULT = 1000
"""Characters of a fault; more would hide the next one."""

EXIT_OK = 0
EXIT_MISMATCH = 1
EXIT_BAD_CONFIG = 2
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130


def printable(text: str) -> str:
    """A text without what would move a terminal's cursor or end the line: such characters as escapes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


class SimulatorError(Exception):
    """A failure with a message meant for the user: `str(error)` is one clear line per fault."""

    exit_code: ClassVar[int] = EXIT_MISMATCH


class BadConfigError(SimulatorError):
    """Something the user wrote is not allowed; carries every fault found, one line of printable characters each.

    Names and values come from outside: whatever they hold, a fault stays a line, and not a long one.
    """

    exit_code = EXIT_BAD_CONFIG

    def __init__(self, faults: str | Sequence[str]) -> None:
        self.faults: tuple[str, ...] = tuple(map(_line, (faults,) if isinstance(faults, str) else faults))
        super().__init__("\n".join(self.faults))


def _line(fault: str) -> str:
    line = printable(fault)
    return line if len(line) <= _LONGEST_FAULT else f"{line[: _LONGEST_FAULT - 2]} …"


class UnreachableError(SimulatorError):
    """A broker, Spark or Java that the run needs cannot be reached or started."""

    exit_code = EXIT_UNREACHABLE


class DeliveryError(SimulatorError):
    """The broker did not acknowledge events that were handed to it."""

    exit_code = EXIT_UNREACHABLE
