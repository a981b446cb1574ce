"""Where downloads and small generated files are kept between runs, and the lock that several processes share there."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CACHE_VARIABLE = "MARKET_SIMULATOR_CACHE"
_FOLDER_NAME = "market-simulator"


def cache_directory() -> Path:
    """Return the cache folder, created when it is missing.

    The first of these that is set decides: the environment variable `MARKET_SIMULATOR_CACHE` (the folder itself),
    `XDG_CACHE_HOME` (its subfolder `market-simulator`), `~/.cache/market-simulator`.

    Returns:
        An absolute path to a folder that this process may write to.

    Raises:
        UnreachableError: The folder cannot be created or written; one line that says how to choose another.
    """
    directory = _chosen_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(directory, error.strerror or str(error)) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise _unusable(directory, "it is not writable")
    return directory


@contextmanager
def file_lock(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on a file, between processes and between threads, while the block runs.

    The system gives the lock back when its holder dies, however it dies: nothing stale is ever left. The file stays.

    Args:
        path: The lock file; created when missing, its folder must exist.
        on_wait: Called once, before waiting, when somebody else holds the lock. It may raise, to refuse to wait.

    Raises:
        UnreachableError: The lock file cannot be created, or its file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UnreachableError(f"cannot create the lock file {path}: {error.strerror}") from error
    try:
        _lock(descriptor, path, on_wait)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, on_wait: Callable[[], None] | None) -> None:
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise UnreachableError(f"cannot lock {path}: {error.strerror}") from error


def _chosen_directory() -> Path:
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(os.path.abspath(os.path.expanduser(chosen)))  # noqa: PTH100, PTH111  # unlike pathlib, never raises
    # The XDG specification tells programs to ignore a relative path.
    shared = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(shared):  # noqa: PTH117  # a plain string test; Path("") would be the current folder
        return Path(shared) / _FOLDER_NAME
    try:
        return Path.home() / ".cache" / _FOLDER_NAME
    except RuntimeError as error:  # an account without a home, as containers with an arbitrary user have
        raise UnreachableError(f"no home folder for the cache; set {CACHE_VARIABLE} to a writable folder") from error


def _unusable(directory: Path, reason: str) -> UnreachableError:
    return UnreachableError(f"cannot use the cache folder {directory}: {reason}; set {CACHE_VARIABLE} to a writable folder")
