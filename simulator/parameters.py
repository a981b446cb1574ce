"""The base of every typed part of the configuration: strict, closed, immutable; and numbers that may differ by symbol."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

Number = TypeVar("Number", bound=float)
Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


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
