"""Errors that a user can cause or meet; each knows its exit code and prints as one line."""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_BAD_PLAN = 2
EXIT_UNREACHABLE = 3
# What a shell reports of a process that a signal ended: 128 + the signal's number (SIGINT: 130).
EXIT_SIGNAL = 128


class PipelineError(Exception):
    """A failure with a message meant for the user: `str(error)` is one clear line."""

    exit_code: ClassVar[int] = EXIT_UNREACHABLE


class BadPlanError(PipelineError):
    """The plan cannot be read, was altered, or does not fit how this program was started."""

    exit_code = EXIT_BAD_PLAN


class UnreachableError(PipelineError):
    """Java, Spark or a broker cannot be started or reached, or the query failed."""

    exit_code = EXIT_UNREACHABLE


class JavaEndedError(UnreachableError):
    """The JVM was killed, or has ended without being asked to; nothing is said about the plan by that."""
