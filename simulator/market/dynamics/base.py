"""What every price process is: a latent log price of each symbol on a common time grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator

from simulator.diagnosis import show, suggestion
from simulator.parameters import NANOSECONDS, Parameters
from simulator.seeding import Draws

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Values = Mapping[str, Floats]
"""Parameters by name, each of shape (symbols, columns): one column, or one for each state of a regime."""

PerYear = Annotated[float, Field(ge=0, le=1e12)]
Volatility = Annotated[float, Field(ge=0, le=100)]
# Beyond it a log price would leave the fixed point within a few steps of the longest grid.
Drift = Annotated[float, Field(ge=-1e9, le=1e9)]


class DynamicsParameters(Parameters):
    """Keys that every option of `conf/dynamics` has."""

    VARYING: ClassVar[tuple[str, ...]] = ()
    """The keys that may differ by symbol."""

    step: Annotated[float, Field(ge=0.000_001, le=3600)]
    seconds_per_year: Annotated[float, Field(ge=1e-3, le=1e12)]
    symbols: dict[str, dict[str, float]]

    @property
    def step_in_years(self) -> float:
        """The grid's step, in years."""
        return self.step / self.seconds_per_year

    @property
    def step_in_nanoseconds(self) -> int:
        """The grid's step, in whole nanoseconds, at least one."""
        return max(1, round(self.step * NANOSECONDS))

    @field_validator("symbols")
    @classmethod
    def _override_known_keys(cls, symbols: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        faults = [
            f"{show(symbol)}.{show(key)}={value:g} {fault}"
            for symbol, values in symbols.items()
            for key, value in values.items()
            for fault in cls.faults_of_override(key, value)
        ]
        if faults:
            raise ValueError(f"cannot have {'; '.join(faults)}")
        return symbols

    @classmethod
    def faults_of_override(cls, key: str, value: float) -> list[str]:
        """What is wrong with another number for a key: that it may not differ, or is out of bounds."""
        if not cls.VARYING:
            return ["(no key may differ by symbol)"]
        if key not in cls.VARYING:
            return [f"(no key that may differ{suggestion(key, cls.VARYING)}; allowed: {', '.join(cls.VARYING)})"]
        try:
            empty = cls.model_construct()  # type: ignore[call-arg]  # only a place to assign the one value to
            cls.__pydantic_validator__.validate_assignment(empty, key, value)
        except ValidationError as error:
            return [f"({item['msg'][0].lower()}{item['msg'][1:]})" for item in error.errors()]
        return []

    def values(self, draws: Draws) -> dict[str, Floats]:
        """The varying parameters of each symbol, shape (symbols, 1): the symbol's own, else its draw, else the common number."""
        return {key: self._values_of(key, draws)[:, None] for key in self.VARYING}

    def _values_of(self, key: str, draws: Draws) -> Floats:
        given: Any = getattr(self, key)
        if isinstance(given, dict):
            low, high = given["uniform"]
            column = np.array([low + (high - low) * stream.random() for stream in draws.of(f"parameter {key}")])
        else:
            column = np.full(len(draws.names), float(given))
        for row, name in enumerate(draws.names):
            if key in self.symbols.get(name, {}):
                column[row] = self.symbols[name][key]
        return column


@final
@dataclass(frozen=True)
class Latent:
    """A stretch of the latent price.

    Attributes:
        levels: log prices relative to the opening price, in fixed point (multiples of 2**-40), shape (symbols, steps).
        volatility: volatility at each grid point over its long-run mean, shape (symbols, steps); None: constant, 1.
    """

    levels: Integers
    volatility: Floats | None = None


class LatentPath(ABC):
    """The latent price of every symbol: a state that only moves forward; cutting a stretch in pieces does not change it."""

    @abstractmethod
    def advance(self, steps: int) -> Latent:
        """The next `steps` grid points, beginning with the present one."""


class PriceProcess(ABC):
    """A process whose parameters may change from step to step.

    `coefficients` turns parameters into what a step needs, once and exactly; `advance` takes them at each symbol and step, so
    that a regime can switch them. A coefficient has the shape (symbols, 1) where it is constant, (symbols, steps) where not.
    """

    def __init__(self, parameters: DynamicsParameters, draws: Draws) -> None:  # noqa: ARG002  # the signature of all processes
        self._level: Integers = np.zeros(len(draws.names), dtype=np.int64)

    @staticmethod
    def faults(parameters: Any, values: Values) -> list[str]:  # noqa: ANN401, ARG004  # each process has its own parameters
        """What is wrong with the parameters together, one line each: the rule and the value."""
        return []

    @staticmethod
    def volatility(values: Values) -> Floats:
        """The long-run volatility, by which a regime's states compare."""
        return values["volatility"]

    @abstractmethod
    def coefficients(self, values: Values) -> dict[str, Floats]:
        """What a step needs, of the same shapes as the values."""

    @abstractmethod
    def advance(self, steps: int, coefficients: Values) -> Latent:
        """The next `steps` grid points, beginning with the present one."""

    def _accumulate(self, increments: Integers) -> Integers:
        """Levels before each increment, shape (symbols, steps); the state moves past the last."""
        after = np.cumsum(increments, axis=1, dtype=np.int64)
        after += self._level[:, None]
        before = np.empty_like(after)
        before[:, 0] = self._level
        before[:, 1:] = after[:, :-1]
        self._level = after[:, -1].copy()
        return before


@final
class ProcessPath(LatentPath):
    """A process with parameters that stay as they are."""

    def __init__(self, process: PriceProcess, values: Values) -> None:
        self._process = process
        self._coefficients = process.coefficients(values)

    def advance(self, steps: int) -> Latent:  # noqa: D102  # inherited
        return self._process.advance(steps, self._coefficients)


# A call to a stream costs as much as some hundred draws.
_LEAST_AHEAD = 64


@final
class Normals:
    """Standard normal draws of several streams on a grid, drawn ahead where a stretch has few steps."""

    def __init__(self, streams: list[Generator]) -> None:
        self._draws = [stream.standard_normal for stream in streams]
        self._ahead = np.empty((len(streams), 0))
        self._used = 0

    def take(self, steps: int) -> Floats:
        """The next draws of each stream, shape (streams, steps); a view that is not to be written to."""
        left = self._ahead.shape[1] - self._used
        if left < steps:
            ahead = np.empty((len(self._draws), max(steps, _LEAST_AHEAD)))
            ahead[:, :left] = self._ahead[:, self._used :]
            for row, draw in zip(ahead, self._draws, strict=True):
                draw(out=row[left:])
            self._ahead, self._used = ahead, 0
        self._used += steps
        return self._ahead[:, self._used - steps : self._used]


def draw_normals(streams: list[Generator], steps: int) -> Floats:
    """Standard normal draws, shape (symbols, steps); each row comes from its own symbol's stream."""
    draws = np.empty((len(streams), steps))
    for row, generator in zip(draws, streams, strict=True):
        generator.standard_normal(out=row)
    return draws
