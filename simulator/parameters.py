"""The base of every typed part of the configuration: strict, closed, immutable; and numbers that may differ by symbol."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

Number = TypeVar("Number", bound=float)
Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]


def _is_printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("must have printable characters only")
    return name


Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_is_printable)]
"""What reaches records, SQL text, terminals and pages; they quote whatever else it holds."""


def _is_a_path(path: str) -> str:
    if "\0" in path:
        raise ValueError("must not hold the character NUL")
    return path


FilePath = Annotated[Text, AfterValidator(_is_a_path)]
"""A path as the system takes them, of a file that the user names."""

_PATTERN_LETTERS = set("{}[]*?\\:")


def _stays_inside(path: str) -> str:
    """As text: whether a symbolic link leads elsewhere is the user's own business."""
    parts = path.split("/")
    if not path.isprintable() or path != path.strip() or not all(parts) or not _PATTERN_LETTERS.isdisjoint(path):
        raise ValueError("must be a folder's name such as events, or several with / between, without {}[]*?\\: and empty names")
    if any(part.startswith((".", "_")) for part in parts):
        raise ValueError("must stay within the run directory, and no name may begin with . or _, which readers pass over")
    return path


RunFolder = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_stays_inside)]
"""A folder below the run directory. Spark would read some letters as a pattern of several folders."""


class Parameters(BaseModel):
    """A mapping of the configuration with known keys.

    Strict: no value is converted but int to float. Closed: an unknown key is a fault. No NaN, no infinity.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _in_order(bounds: list[Number]) -> list[Number]:
    if bounds[0] > bounds[1]:
        raise ValueError("must hold the lower bound first")
    return bounds


Bounds = Annotated[list[Number], Field(min_length=2, max_length=2), AfterValidator(_in_order)]

FORMS = ("number", "drawn")
"""The two ways to give a number by symbol; tags that error messages leave out."""

PerSymbol = Annotated[
    Annotated[Number, Tag("number")] | Annotated[dict[Literal["uniform"], Bounds[Number]], Field(min_length=1), Tag("drawn")],
    Discriminator(lambda value: "drawn" if isinstance(value, dict) else "number"),
]
"""One number for all symbols, or `{uniform: [low, high]}`: each symbol draws its own from [low, high)."""


NANOSECONDS = 1_000_000_000
"""In a second."""
_LATEST = 3_155_760_000  # as long as a run can be
_CLOCK = re.compile(r"(\d{1,9}):([0-5]\d):([0-5]\d(?:\.\d+)?)")


def _is_a_time(moment: float | str) -> float | str:
    if isinstance(moment, str) and not _CLOCK.fullmatch(moment):
        raise ValueError('must be seconds from the start, or "HH:MM:SS"')
    seconds = nanoseconds(moment) / NANOSECONDS if isinstance(moment, str) else moment
    if not 0 <= seconds <= _LATEST:
        raise ValueError(f"must be 0 to {_LATEST:g} seconds from the start")
    return moment


Moment = Annotated[float | str, AfterValidator(_is_a_time)]
"""A time from the start of the market: seconds, or "HH:MM:SS"."""


def nanoseconds(moment: float | str) -> int:
    """A moment in nanoseconds from the start."""
    if isinstance(moment, str):
        match = _CLOCK.fullmatch(moment)
        hours, minutes, seconds = match.groups() if match else ("0", "0", "0")
        return (int(hours) * 3600 + int(minutes) * 60) * NANOSECONDS + round(float(seconds) * NANOSECONDS)
    return round(moment * NANOSECONDS)
