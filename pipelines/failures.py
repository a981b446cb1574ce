"""One line of a failure that came up from Spark."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

_log = logging.getLogger(__name__)
_LONGEST = 400


def condense(error: BaseException) -> str:
    """The root cause of an error as one line: the Java exception at the bottom when there is one, else Python's own."""
    origin = getattr(error, "_origin", None) or getattr(error, "java_exception", None)
    try:
        return java_root(origin) if origin is not None else _shorten(f"{type(error).__name__}: {error}")
    except Exception:  # noqa: BLE001  # a JVM that died takes its exceptions with it, and py4j has many ways to say so
        return f"{type(error).__name__}: Java has ended"


def query_failure(query: StreamingQuery) -> str | None:
    """Why a query ended by itself, as one line; None if it did not."""
    found = query._jsq.exception()  # noqa: SLF001  # Java's own, whose causes can be followed
    if not found.isDefined():
        return None
    _log.error("the query failed: %s", found.get().toString())
    return java_root(found.get())


def java_root(throwable: Any) -> str:  # noqa: ANN401  # a py4j proxy of a Java Throwable
    """The root cause of a Java exception as one line."""
    while (cause := throwable.getCause()) is not None:
        throwable = cause
    name = str(throwable.getClass().getSimpleName())
    return _shorten(f"{name}: {throwable.getMessage() or 'no message'}")


def _shorten(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # The error class of Spark's own, which closes what a Python source or function has raised.
    lines = [line for line in lines if not line.startswith("SQLSTATE:")] or lines
    # What Java reports of a failed Python function is a whole traceback, with the error itself in the last line.
    line = lines[-1] if "Traceback (most recent call last)" in text else lines[0]
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " …"
