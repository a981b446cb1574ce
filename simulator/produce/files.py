"""The file sink: NDJSON or Parquet files that appear only when they are complete."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import final

import polars as pl

from simulator.encode.frame import payload_frame
from simulator.encode.payload import Payloads
from simulator.errors import DeliveryError
from simulator.faults.records import Records
from simulator.plan import Plan
from simulator.produce.sink import Integers, Items, Sink


def holds_events(folder: Path) -> bool:
    """Whether a folder has files that a reader would take for events."""
    return folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir())


class FileSink(Sink):
    """Cuts the stream in files of a fixed simulated span; file n holds the events of span n.

    Readers, Spark among them, pass over names that begin with a dot: a file gets its name when it is whole and on disk.
    """

    suffix: str

    def __init__(self, plan: Plan, start: int, directory: Path) -> None:
        """Write below `directory`; `start` is the market's first instant, microseconds since 1970."""
        super().__init__()
        self._plan, self._start = plan, start
        self._span = (plan.sink.file_span or 1) * 1000
        self._folder = directory / (plan.sink.path or "events")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number = 0
        self._pieces: list[Items] = []

    def send(self, sent: Integers, items: Items) -> None:  # noqa: D102  # inherited
        position = 0
        spans = sent // self._span
        while position < len(items):
            number = int(spans[position])
            if number != self._number:
                self.flush()
                self._number = number
            end = int(spans.searchsorted(number, side="right"))
            self._pieces.append(items[position:end])
            position = end

    def flush(self) -> None:
        """Complete the present file. Later events of the same span go to a further file of that span.

        Raises:
            DeliveryError: the system refuses; nothing of the file is there.
        """
        count = self.queued
        if not count:
            return
        name = f"part-{self._number:06d}"
        same = len(list(self._folder.glob(f"{name}*.{self.suffix}")))
        final_path = self._folder / f"{name}-{same:03d}.{self.suffix}"
        part = self._folder / f".{final_path.name}.part"
        try:
            self._write(part, self._pieces)
            with part.open("rb") as handle:
                os.fsync(handle.fileno())
            part.replace(final_path)
        except OSError as error:
            part.unlink(missing_ok=True)  # also makes room for the manifest on a full disk
            raise DeliveryError(f"{final_path}: {count} events were not written: {error.strerror}") from None
        self._pieces = []
        self.acked += count
        self.deliveries.add(final_path.name, 0, count)

    @abstractmethod
    def _write(self, path: Path, pieces: list[Items]) -> None:
        """Write one whole file."""

    @property
    def queued(self) -> int:  # noqa: D102  # inherited
        return sum(len(piece) for piece in self._pieces)


@final
class NdjsonSink(FileSink):
    """One JSON object a line."""

    suffix = "ndjson"

    def __init__(self, plan: Plan, start: int, directory: Path) -> None:
        """As every file sink."""
        super().__init__(plan, start, directory)
        self._payloads = Payloads(plan, start)

    def encode(self, records: Records) -> list[bytes]:  # noqa: D102  # inherited
        return self._payloads.lines(records)

    def _write(self, path: Path, pieces: list[Items]) -> None:
        with path.open("wb") as handle:
            handle.writelines(line + b"\n" for piece in pieces for line in piece)


@final
class ParquetSink(FileSink):
    """Typed columns; the time as a UTC timestamp of microseconds, or the integer that the event's time format names."""

    suffix = "parquet"

    def encode(self, records: Records) -> pl.DataFrame:  # noqa: D102  # inherited
        return payload_frame(records.events, self._plan, self._start)

    def _write(self, path: Path, pieces: list[Items]) -> None:
        pl.concat(pieces).write_parquet(path)
