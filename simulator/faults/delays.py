"""How long a record is held up: distributions of delays, to the nanosecond and the same bits everywhere."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from simulator.market.exact import exponential_of_fixed_point, fixed_point, logarithm_of
from simulator.parameters import Parameters

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# A year; longer delays would make runs that never end.
DelaySeconds = Annotated[float, Field(ge=0, le=31_557_600)]
PositiveSeconds = Annotated[float, Field(gt=0, le=31_557_600)]


class DelayParameters(Parameters):
    """A distribution: a function of a uniform number from [0, 1), by its inverse."""

    @abstractmethod
    def seconds(self, uniform: Floats) -> Floats:
        """Delays in seconds, one for each uniform number."""

    def nanoseconds(self, uniform: Floats) -> Integers:
        """Delays in whole nanoseconds, a year at most."""
        return np.rint(self.seconds(uniform) * 1e9).astype(np.int64)


class ConstantDelay(DelayParameters):
    """Always the same."""

    kind: Literal["constant"]
    value: DelaySeconds

    def seconds(self, uniform: Floats) -> Floats:  # noqa: D102  # inherited
        return np.full(uniform.size, self.value)


class UniformDelay(DelayParameters):
    """Evenly from `low` to `high`."""

    kind: Literal["uniform"]
    low: DelaySeconds
    high: DelaySeconds

    @field_validator("high")
    @classmethod
    def _is_above(cls, high: float, info: ValidationInfo) -> float:
        if high < info.data.get("low", 0.0):
            raise ValueError(f"must be at least low={info.data['low']:g}")
        return high

    def seconds(self, uniform: Floats) -> Floats:  # noqa: D102  # inherited
        return self.low + (self.high - self.low) * uniform


class ExponentialDelay(DelayParameters):
    """Exponential: -mean ln(1 - u), and `longest` where that is more."""

    kind: Literal["exponential"]
    mean: PositiveSeconds
    longest: PositiveSeconds

    def seconds(self, uniform: Floats) -> Floats:  # noqa: D102  # inherited
        return np.minimum(-self.mean * logarithm_of(1.0 - uniform), self.longest)


class ParetoDelay(DelayParameters):
    """Pareto, the tail of real networks: scale (1 - u)^(-1/shape), and `longest` where that is more."""

    kind: Literal["pareto"]
    scale: PositiveSeconds
    longest: PositiveSeconds
    shape: Annotated[float, Field(ge=0.2, le=100)]

    def seconds(self, uniform: Floats) -> Floats:  # noqa: D102  # inherited
        # Below 2^22, as fixed_point wants: ln 2^53 / 0.2 = 184; the exponential holds it at 64, beyond any `longest`.
        powers = exponential_of_fixed_point(fixed_point(-logarithm_of(1.0 - uniform) / self.shape))
        return np.minimum(self.scale * powers, self.longest)


Delay = Annotated[ConstantDelay | UniformDelay | ExponentialDelay | ParetoDelay, Field(discriminator="kind")]
