"""The process of a served child: its input, its signals, and its end, which nothing may delay for long."""

from __future__ import annotations

import os
import queue
import signal
import threading
from typing import TYPE_CHECKING, TextIO, TypeVar

from pipelines.errors import EXIT_OK, EXIT_UNREACHABLE
from pipelines.protocol import Channel, Exit, parse_command
from pipelines.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Given = TypeVar("Given")

# Spark usually ends within two seconds; a parent that is gone must not leave it behind.
_EXIT_SECONDS = 5.0


def serve(lines: Iterable[str], stream: TextIO) -> int:
    """Serve until the lines end (the parent closed the pipe or died) or SIGTERM; return the exit code."""
    Server(Channel(stream), listen(lines, parse_command)).serve()
    return EXIT_OK


def listen(lines: Iterable[str], parse: Callable[[str], Given]) -> queue.SimpleQueue[Given | Exit]:
    """The commands in the lines, as they come; the last is `Exit`, at the lines' end or on SIGTERM.

    If the process is still there some seconds after that, it is ended.
    """
    commands: queue.SimpleQueue[Given | Exit] = queue.SimpleQueue()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then says what to do
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _end(commands))
    threading.Thread(target=_read, args=(lines, parse, commands), daemon=True).start()
    return commands


def _read(lines: Iterable[str], parse: Callable[[str], Given], commands: queue.SimpleQueue[Given | Exit]) -> None:
    for line in lines:
        commands.put(parse(line))
    _end(commands)


def _end(commands: queue.SimpleQueue[Given | Exit]) -> None:
    commands.put(Exit())
    # The loop may be inside a call that takes its time. Without this process, the JVM ends by itself.
    guard = threading.Timer(_EXIT_SECONDS, os._exit, args=(EXIT_UNREACHABLE,))
    guard.daemon = True
    guard.start()
