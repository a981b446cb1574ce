"""A user's file of times and values: CSV or Parquet, checked column by column, with faults in one line each.

polars is loaded when a file is: compiling a plan that names none does not wait for it.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulator.errors import BadConfigError

TimeUnit = Literal["s", "ms", "us", "ns"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}
_CHUNK = 1 << 20


def fingerprint(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits: by it a plan notices that the file has changed.

    Raises:
        OSError: if it cannot be read.
    """
    digest = sha256()
    with Path(path).open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@final
class Recorded:
    """The rows of a file.

    Args:
        key: the configuration's key that names it, for messages: `dynamics.path`.
        path: of a .csv or .parquet file.
        columns: those that must be there.

    Raises:
        BadConfigError: if the file cannot be used; so do the methods. The message is one line.
    """

    def __init__(self, key: str, path: str, columns: list[str]) -> None:
        import polars as pl  # noqa: PLC0415  # see the module

        self._where = f"{key}={path}"
        self._path = Path(path)
        if not self._path.is_file():
            raise self.fault("no such file")
        suffix = self._path.suffix
        if suffix not in {".csv", ".parquet"}:
            raise self.fault("must end in .csv or .parquet")
        try:
            self.frame = pl.read_parquet(self._path) if suffix == ".parquet" else pl.read_csv(self._path, try_parse_dates=True)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise self.fault(f"cannot be read as {suffix[1:]}: {reason}") from None
        for column in columns:
            if column not in self.frame.columns:
                raise self.fault(f"has no column {column}; it has {', '.join(self.frame.columns)}")
            if self.frame[column].null_count():
                raise self.fault(f"column {column} has no value in row {_first(self.frame[column].is_null().to_numpy())}")
        if self.frame.height == 0:
            raise self.fault("holds no rows")

    def fault(self, message: str) -> BadConfigError:
        """What is wrong with the file."""
        return BadConfigError(f"{self._where}: {message}")

    def check(self, expected: str | None) -> None:
        """The file is the one that a plan was made with."""
        if expected is not None and (found := fingerprint(self._path)) != expected:
            raise self.fault(f"has changed: its SHA-256 is {found}, and was {expected} when the plan was made")

    def nanoseconds(self, column: str, unit: TimeUnit) -> NDArray[np.int64]:
        """Times as nanoseconds since 1970, or since what numbers count from: date-times, dates, RFC 3339 texts or numbers."""
        import polars as pl  # noqa: PLC0415  # see the module

        values = self.frame[column]
        if values.dtype == pl.String:
            values = values.str.to_datetime(time_unit="ns", time_zone="UTC", strict=False)
            if values.null_count():
                row = _first(values.is_null().to_numpy())
                raise self.fault(
                    f"column {column} must hold RFC 3339 times or numbers, and has {self.frame[column][row - 1]} in row {row}"
                )
        if isinstance(values.dtype, (pl.Datetime, pl.Date)):
            return values.dt.epoch("ns").to_numpy().astype(np.int64)
        if not values.dtype.is_numeric():
            raise self.fault(f"column {column} must hold date-times or numbers, not {values.dtype}")
        factor = _NANOSECONDS[unit]
        numbers = self.numbers(column)
        wrong = ~(np.abs(numbers) * factor < 2.0**62)
        if wrong.any():
            row = _first(wrong)
            raise self.fault(
                f"column {column} must hold times within a century, and has {numbers[row - 1]:g} {unit} in row {row}"
            )
        if values.dtype.is_integer():
            return values.cast(pl.Int64).to_numpy() * factor
        # Whole units and the rest apart: a product of seconds since 1970 would be rounded to 256 ns.
        whole = np.floor(numbers)
        times: NDArray[np.int64] = whole.astype(np.int64) * factor + np.rint((numbers - whole) * factor).astype(np.int64)
        return times

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column as floating point."""
        import polars as pl  # noqa: PLC0415  # see the module

        values = self.frame[column]
        if not values.dtype.is_numeric():
            raise self.fault(f"column {column} must hold numbers, not {values.dtype}")
        return values.cast(pl.Float64).to_numpy()

    def texts(self, column: str) -> list[str]:
        """A column as text."""
        import polars as pl  # noqa: PLC0415  # see the module

        texts: list[str] = self.frame[column].cast(pl.String).to_list()
        return texts


def _first(wrong: NDArray[np.bool_]) -> int:
    """The first row that is wrong, counted from 1."""
    return int(wrong.argmax()) + 1
