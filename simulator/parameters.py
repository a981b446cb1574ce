"""The base of every typed part of the configuration: strict, closed, immutable."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """A mapping of the configuration with known keys.

    Strict: no value is converted but int to float. Closed: an unknown key is a fault. No NaN, no infinity.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
