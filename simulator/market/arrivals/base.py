"""What every arrival process is: the times of each symbol's events, in integer nanoseconds from the start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulator.parameters import Parameters

NANOSECONDS = 1_000_000_000


class ArrivalParameters(Parameters):
    """Keys that every option of `conf/arrivals` has."""

    rate: Annotated[float, Field(gt=0, le=100_000_000)] | None


@dataclass(frozen=True)
class Arrivals:
    """Event times grouped by symbol.

    Attributes:
        times: nanoseconds from the start; the first symbol's in order, then the second's, and so on.
        counts: number of events of each symbol, shape (symbols,).
    """

    times: NDArray[np.int64]
    counts: NDArray[np.int64]


class ArrivalProcess(ABC):
    """A point process for each symbol; it only moves forward, and pieces do not change it."""

    @abstractmethod
    def until(self, end: int) -> Arrivals:
        """The events from where the last call stopped to before `end` (nanoseconds from the start)."""
