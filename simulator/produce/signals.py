"""Ctrl-C and SIGTERM as a request to finish cleanly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar

from simulator.errors import EXIT_INTERRUPTED


class _Early:
    """Whether a stop was asked for before a mode could listen: what is raised then may be lost in what is being loaded."""

    requested: ClassVar[bool] = False


def stop_early(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # signal's signature
    """The handler until a mode takes over: ends the process as Ctrl-C does."""
    _Early.requested = True
    raise SystemExit(EXIT_INTERRUPTED)


def was_stopped_early() -> bool:
    """Whether `stop_early` was called."""
    return _Early.requested


class StopRequest:
    """Tells whether the user asked to stop."""

    def __init__(self) -> None:
        self.requested = _Early.requested


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Within it, the first SIGINT or SIGTERM sets `requested`; a second one raises KeyboardInterrupt.

    Outside the main thread, where Python allows no handlers, nothing is changed.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # signal's signature
        if request.requested:
            raise KeyboardInterrupt
        request.requested = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
