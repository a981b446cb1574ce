"""Child processes that never outlive this one, whatever happens to it.

Between this process and the command stands a supervisor: this very file, run as a script by a bare Python. It looks a
few times a second whether its parent is still the process that started it, and otherwise ends the command.

Why so: Linux's "signal me when my parent dies" fires when the *thread* that started the child ends, and macOS has
nothing like it; a pipe that closes when the parent dies is held open by every process the parent has forked since.
The parent's process id is right on both systems, from any thread, and needs nothing from the command. (Only a SIGKILL
aimed at the supervisor itself, and not at its parent, leaves the command running.)
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

DEFAULT_GRACE_SECONDS = 10.0
_ORPHAN_GRACE_SECONDS = 1.0
_WATCH_SECONDS = 0.25
_SUPERVISOR_MARGIN_SECONDS = 5.0


@final
class Child:
    """A running command; start one with `start_child`.

    Attributes:
        pid: The command's own process id (not the supervisor's).
        stdin: The text pipe to the command, if `stdin=subprocess.PIPE` was asked for, else None.
        stdout: The text pipe from the command, if `stdout=subprocess.PIPE` was asked for, else None.
    """

    def __init__(self, supervisor: subprocess.Popen[str], pid: int, grace_seconds: float) -> None:
        self._supervisor = supervisor
        self._grace_seconds = grace_seconds
        self.pid = pid
        self.stdin: IO[str] | None = supervisor.stdin
        self.stdout: IO[str] | None = supervisor.stdout

    def poll(self) -> int | None:
        """Return the exit code, or None while the command runs. A command killed by signal N has 128 + N."""
        return self._supervisor.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the command to end and return its exit code, as `poll` does.

        Args:
            timeout: The longest wait, in seconds; None waits for ever.

        Raises:
            subprocess.TimeoutExpired: It still runs after `timeout`.
        """
        return self._supervisor.wait(timeout)

    def stop(self) -> int:
        """End the command and return its exit code: SIGTERM, the grace period, then SIGKILL.

        Harmless when the command has ended, and when called again. Whatever the command has left running in its
        process group is killed with it.
        """
        try:
            if self._supervisor.poll() is None:
                self._supervisor.terminate()
            code = self._supervisor.wait(self._grace_seconds + _SUPERVISOR_MARGIN_SECONDS)
        except subprocess.TimeoutExpired:  # the supervisor itself is stuck, or stopped
            _kill_group(self.pid)
            self._supervisor.kill()
            code = self._supervisor.wait()
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                with suppress(OSError):  # unsent text to a command that is gone
                    pipe.close()
        return code

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()


def start_child(  # noqa: PLR0913  # by keyword, with the names of subprocess.Popen
    command: Sequence[str | Path],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.STDOUT,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    grace_seconds: float = DEFAULT_GRACE_SECONDS,
) -> Child:
    """Start a command that ends when `Child.stop` is called or when this process dies, even by SIGKILL.

    After this process's death the command gets SIGTERM within a quarter of a second and SIGKILL one second later. It
    runs in a session of its own, so a Ctrl-C in the terminal does not reach it: this process decides when it stops.
    May be called from any thread.

    Args:
        command: The program and its arguments.
        stdin: A file, `subprocess.PIPE` (UTF-8 text, line buffered) or `subprocess.DEVNULL`.
        stdout: The same.
        stderr: The same, or `subprocess.STDOUT` to write both to one place.
        cwd: The command's working directory; None: this process's own.
        env: All of the command's environment variables; None: this process's own.
        grace_seconds: How long `Child.stop` lets the command end by itself.

    Returns:
        The child, already running.

    Raises:
        OSError: The command cannot be started.
    """
    answer_end, supervisor_end = os.pipe()
    with open(answer_end, encoding="utf-8") as answer:  # noqa: PTH123  # a descriptor, not a path
        try:
            # -I -S: no site packages and no PYTHON* variables, so that it starts in some 20 ms and does nothing else.
            supervisor = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(Path(__file__).resolve())),
                    *(str(os.getpid()), str(supervisor_end), str(grace_seconds)),
                    *map(str, command),
                ],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=env,
                pass_fds=[supervisor_end],
                start_new_session=True,
                encoding="utf-8",
                bufsize=1,
            )
        finally:
            os.close(supervisor_end)
        # A line, not "until the end": a process forked meanwhile by another thread would hold the pipe open.
        pid, _, fault = answer.readline().strip().partition(" ")
    child = Child(supervisor, int(pid or 0), grace_seconds)
    if child.pid == 0:
        child.stop()
        raise OSError(f"cannot start {command[0]}: {fault or 'its supervisor died'}")
    return child


def _supervise(parent: int, answer: int, grace_seconds: float, command: list[str]) -> int:
    """Run the command until it ends, a SIGTERM asks for its end, or the parent is gone; return its exit code."""
    stop_by: float | None = None  # on the monotonic clock; None while the command may run on

    def ask_to_stop(_signal: int, _frame: object) -> None:
        nonlocal stop_by
        stop_by = time.monotonic() + grace_seconds

    wake_up = _waking_pipe()
    signal.signal(signal.SIGTERM, ask_to_stop)
    try:
        process = subprocess.Popen(command, start_new_session=True)
    except OSError as error:
        os.write(answer, f"0 {error.strerror}\n".encode())
        return 1
    os.write(answer, f"{process.pid}\n".encode())
    os.close(answer)
    told = orphaned = False
    while process.poll() is None:
        if not orphaned and os.getppid() != parent:
            orphaned = True
            stop_by = time.monotonic() + _ORPHAN_GRACE_SECONDS
        if stop_by is not None and not told:
            told = True
            process.terminate()
        if stop_by is not None and time.monotonic() >= stop_by:
            process.kill()
        if select.select([wake_up], [], [], _WATCH_SECONDS)[0]:
            os.read(wake_up, 512)
    # What the command itself has started goes too: Spark's JVM can outlive a driver that was killed.
    _kill_group(process.pid)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _waking_pipe() -> int:
    """Return a descriptor that becomes readable on any signal, so that a wait on it ends when the command does."""
    wake_up, signalled = os.pipe()
    os.set_blocking(signalled, False)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    return wake_up


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left; macOS says the latter of a group of zombies
        os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(_supervise(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
