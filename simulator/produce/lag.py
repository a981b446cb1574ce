"""How late events were handed over: a histogram of all of them, none sampled, in constant memory."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

# The leading bits of a double's mantissa that tell two lags apart: neighbours differ by less than 1 %.
_MANTISSA_BITS = 7
_SHIFT = 52 - _MANTISSA_BITS
_LEAST = 1023 << _MANTISSA_BITS  # the bucket of 1 ns
_BUCKETS = 64 << _MANTISSA_BITS


@final
class LagHistogram:
    """Lags in nanoseconds, in buckets of equal relative width: those of the leading bits of a double (as HdrHistogram's).

    The lag of an event is the moment at which it has been handed over, less the moment at which it was to be. It is counted for
    each event from the schedule alone, so that a stall shows in all events that it held up (no coordinated omission).
    """

    def __init__(self) -> None:
        self._counts: Integers = np.zeros(_BUCKETS, dtype=np.int64)

    def add(self, lags: Integers) -> None:
        """Count events; a lag below 1 ns counts as 1 ns."""
        buckets = (np.maximum(lags, 1).astype(np.float64).view(np.int64) >> _SHIFT) - _LEAST
        self._counts += np.bincount(buckets, minlength=_BUCKETS)

    def merge(self, other: LagHistogram) -> None:
        """Count also what another one has counted."""
        self._counts += other._counts

    def quantile(self, share: float) -> float | None:
        """The lag in seconds that the share of all events does not exceed, less than 1 % too high; None without events."""
        total = int(self._counts.sum())
        if not total:
            return None
        rank = max(1, int(np.ceil(share * total)))
        bucket = int(np.cumsum(self._counts).searchsorted(rank))
        upper = np.array([(bucket + 1 + _LEAST) << _SHIFT], dtype=np.int64).view(np.float64)
        return float(upper[0]) / 1e9
