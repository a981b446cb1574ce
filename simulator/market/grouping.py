"""Arrays of groups, one group after the other, handled without a loop over the groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def ranges(starts: Integers, counts: Integers) -> Integers:
    """The numbers start, start + 1, ... of each range, one range after the other."""
    stops = np.cumsum(counts)
    numbers: Integers = np.repeat(starts - stops + counts, counts)
    numbers += np.arange(numbers.size)
    return numbers


def running_sums(values: Integers, counts: Integers, first: Integers) -> Integers:
    """Sums up to and with each value within its group, on top of the group's first number; groups are not empty."""
    sums = np.cumsum(values)
    stops = np.cumsum(counts)
    before = np.concatenate((np.zeros(1, dtype=np.int64), sums[stops[:-1] - 1]))
    sums += np.repeat(first - before, counts)
    return sums
