"""Commands and events of a served child: one JSON object a line, in on stdin, out on stdout."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, final

from pipelines.errors import BadPlanError
from pipelines.plan import Options

if TYPE_CHECKING:
    from pipelines.drain import EndOffsets


@final
@dataclass(frozen=True)
class Warm:
    """Start Spark for a plan, without running it."""

    plan: Path


@final
@dataclass(frozen=True)
class Start:
    """Run a plan.

    Attributes:
        plan: the file.
        directory: of the run.
        record: a folder that gets every batch's rows, or None.
        reports: a file that gets every batch's report, or None. With it, a run that was killed goes on without a gap in
            them, and its last committed batch is done again.
        options: what only the one who starts the plan knows.
    """

    plan: Path
    directory: Path
    record: Path | None = None
    reports: Path | None = None
    options: Options = field(default_factory=Options)


@final
@dataclass(frozen=True)
class DrainTo:
    """Process all that is there, or all up to the given offsets, then stop."""

    end_offsets: EndOffsets | None


@final
@dataclass(frozen=True)
class Stop:
    """Stop at once."""


@final
@dataclass(frozen=True)
class Exit:
    """Stop at once and end the process."""


@final
@dataclass(frozen=True)
class Invalid:
    """A line that is no command."""

    fault: str


Command = Warm | Start | DrainTo | Stop | Exit | Invalid


def parse_command(line: str) -> Command:
    """The command in a line."""
    try:
        return _command(json.loads(line))
    except KeyError as error:
        return Invalid(f"a command lacks {error}")  # not the line: it may hold how to connect, secrets and all
    except (ValueError, TypeError, AttributeError, RecursionError, BadPlanError) as error:
        return Invalid(f"not a command ({error})")


@final
class Channel:
    """Sends events, from any thread. A reader that is gone is not an error: the end of stdin tells of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, event: str, **content: object) -> None:
        """Send an event with its content."""
        line = json.dumps({"event": event, **content}, ensure_ascii=False)
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                return


def _options(content: dict[str, Any], name: str) -> dict[str, str]:
    options = content.get(name) or {}
    if not isinstance(options, dict) or not all(isinstance(value, str) for value in options.values()):
        raise BadPlanError(f"{name} must map names to texts")
    return options


def _end_offsets(offsets: Any) -> EndOffsets | None:  # noqa: ANN401  # any JSON value
    if offsets is None:
        return None
    parts = offsets.values() if isinstance(offsets, dict) else [None]
    if not all(isinstance(part, dict) and all(isinstance(offset, int) for offset in part.values()) for part in parts):
        raise BadPlanError("end_offsets must map topics to partitions to offsets")
    known: EndOffsets = offsets
    return known


def _command(content: dict[str, Any]) -> Command:
    name = content["command"]
    if name == "warm":
        return Warm(Path(content["plan"]))
    if name == "start":
        record, reports = content.get("record"), content.get("reports")
        return Start(
            plan=Path(content["plan"]),
            directory=Path(content["directory"]).absolute(),
            record=None if record is None else Path(record).absolute(),
            reports=None if reports is None else Path(reports).absolute(),
            options=Options(
                source=_options(content, "source_options"),
                output=_options(content, "output_options"),
                dead_letters=_options(content, "dead_letter_options"),
            ),
        )
    if name == "drain":
        return DrainTo(_end_offsets(content.get("end_offsets")))
    if name == "stop":
        return Stop()
    raise BadPlanError(f"unknown command {name!r}")
