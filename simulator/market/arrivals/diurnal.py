"""Diurnal: Poisson arrivals whose intensity repeats, as the U over a trading day does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from simulator.market.arrivals.base import ArrivalParameters
from simulator.market.intensity import Intensity, levels, u_shape
from simulator.parameters import NANOSECONDS


class Diurnal(ArrivalParameters):
    """`conf/arrivals/diurnal.yaml`.

    Intensity rate g(t mod period) with mean 1: the U g(u) = 1 + depth (12 (u - 1/2)^2 - 1), linear between 390 knots, or steps
    of equal length with the given relative levels. Exact for that g, by change of time.
    """

    kind: Literal["diurnal"]
    shape: Literal["u", "levels"]
    depth: Annotated[float, Field(ge=0, le=1)]
    levels: list[Annotated[float, Field(ge=0, le=1_000_000)]]
    period: Annotated[float, Field(ge=0.001, le=3_155_760_000)]

    @field_validator("levels")
    @classmethod
    def _have_a_mean(cls, values: list[float], info: ValidationInfo) -> list[float]:
        if info.data.get("shape") == "levels" and not any(values):
            raise ValueError("must hold at least one level > 0 when arrivals.shape=levels")
        if len(values) > 10_000:  # noqa: PLR2004  # the finest steps of the shortest period are 100 ns long
            raise ValueError("must not hold more than 10000 levels")
        return values

    def intensity(self, duration: int | None) -> Intensity:  # noqa: ARG002  # the same for any run
        """The shape that repeats."""
        period = round(self.period * NANOSECONDS)
        return u_shape(self.depth, period) if self.shape == "u" else levels(self.levels, period)
