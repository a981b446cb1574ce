"""The run directory: its files by name, and writing them so that none is ever half there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.cache import file_lock
from simulator.errors import BadConfigError, UnreachableError

RUN_NAMES = frozenset({"batches", "broker", "checkpoint", "checkpoint-dead-letters", "services", "states"})
"""Folders of every run, beside which those of the configuration are made."""


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run."""

    path: Path

    @property
    def plan(self) -> Path:
        """What was run."""
        return self.path / "plan.json"

    @property
    def manifest(self) -> Path:
        """How to get the same run again, and what it counted."""
        return self.path / "manifest.json"

    @property
    def lock(self) -> Path:
        """Held by the process that runs here; the file stays."""
        return self.path / "run.lock"

    @property
    def verdict(self) -> Path:
        """Whether the results are right."""
        return self.path / "verdict.json"

    @property
    def timeline(self) -> Path:
        """Auctions and changes of trading status, of markets that have them."""
        return self.path / "timeline.parquet"

    @property
    def answers(self) -> Path:
        """The expected windows."""
        return self.path / "answers.parquet"

    @property
    def results(self) -> Path:
        """The windows that Spark gave."""
        return self.path / "results.parquet"

    @property
    def batches(self) -> Path:
        """The rows of each micro-batch, as Spark gave them."""
        return self.path / "batches"

    @property
    def microbatches(self) -> Path:
        """What Spark reported of each micro-batch, a line each."""
        return self.path / "microbatches.ndjson"

    @property
    def checkpoint(self) -> Path:
        """Spark's own log of the query."""
        return self.path / "checkpoint"

    @property
    def ledger(self) -> Path:
        """Every fault and the record that it struck."""
        return self.path / "ledger.parquet"

    @property
    def every(self) -> Path:
        """The windows of every legible trade, each time that it was sent."""
        return self.path / "answers-every.parquet"

    @property
    def deduplicated(self) -> Path:
        """The windows of the first legible report of each trade."""
        return self.path / "answers-deduplicated.parquet"

    @property
    def pace(self) -> Path:
        """How the producer stood over time."""
        return self.path / "pace.parquet"

    @property
    def report(self) -> Path:
        """The run as a page."""
        return self.path / "report.html"

    @property
    def broker(self) -> Path:
        """The embedded broker's folder."""
        return self.path / "broker"

    @property
    def spark_log(self) -> Path:
        """What Spark logged."""
        return self.path / "spark.log"

    @property
    def generation_log(self) -> Path:
        """What Spark has said while it generated."""
        return self.path / "generation.log"


@contextmanager
def alone_in(directory: RunDirectory) -> Iterator[None]:
    """Be the one process that runs in a directory, of a run or of a multirun, until the block ends or the process does.

    Where no lock can be had (a file system without them, a folder that is read-only) it goes on without.

    Raises:
        BadConfigError: another one is at it.
    """

    def refuse() -> None:
        raise BadConfigError(f"{directory.path}: what runs in this folder still goes on; stop it, or await its end")

    with ExitStack() as stack:
        with suppress(UnreachableError):
            stack.enter_context(file_lock(directory.lock, refuse))
        yield


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write a JSON file that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def write_lines(contents: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write JSON objects, a line each; the file appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text("".join(json.dumps(content, ensure_ascii=False) + "\n" for content in contents), encoding="utf-8")
    part.replace(path)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of `write_lines`.

    Raises:
        BadConfigError: it is not there or not of that form.
    """
    try:
        contents = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise BadConfigError(f"{path}: cannot be read ({error.strerror}); is this the directory of a finished run?") from None
    except (ValueError, RecursionError) as error:
        raise BadConfigError(f"{path}: is not a file of JSON lines ({error})") from None
    if not all(isinstance(content, dict) for content in contents):
        raise BadConfigError(f"{path}: must hold JSON objects, a line each")
    return contents


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run directory.

    Raises:
        BadConfigError: it is not there or no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfigError(f"{path}: cannot be read ({error.strerror}); is this the directory of a finished run?") from None
    except (ValueError, RecursionError) as error:
        raise BadConfigError(f"{path}: is no valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise BadConfigError(f"{path}: is no JSON object")
    return content
