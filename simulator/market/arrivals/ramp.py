"""Ramp: Poisson arrivals whose intensity grows, or falls, in a straight line."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.errors import BadConfigError
from simulator.market.arrivals.base import ArrivalParameters
from simulator.market.intensity import Intensity, ramp
from simulator.parameters import NANOSECONDS


class Ramp(ArrivalParameters):
    """`conf/arrivals/ramp.yaml`.

    Intensity rate g(t), g from 2 / (1 + growth) to 2 growth / (1 + growth) over the span and constant after it: the mean over
    the span is the rate. Exact: t = (-a + sqrt(a^2 + 2 b E)) / b with E a sum of exponential gaps.
    """

    kind: Literal["ramp"]
    growth: Annotated[float, Field(ge=0.001, le=1000)]
    span: Annotated[float, Field(ge=0.001, le=3_155_760_000)] | None

    def intensity(self, duration: int | None) -> Intensity:
        """The straight line.

        Raises:
            BadConfigError: if neither `span` nor the run's duration says where it ends.
        """
        if self.span is None and duration is None:
            raise BadConfigError("arrivals.span=null: must be a number of seconds when duration=null")
        return ramp(self.growth, round(self.span * NANOSECONDS) if self.span is not None else duration or 0)
