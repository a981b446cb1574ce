"""Offsets of one place, a partition or a file, as runs without gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Runs = list[list[int]]
"""[first, count] each, in the order of sending; the manifest has them so."""


def runs_of(offsets: Sequence[int]) -> Runs:
    """Single offsets, in their order, as runs."""
    if not offsets:
        return []
    each = np.array(offsets, dtype=np.int64)
    begins = np.flatnonzero(np.diff(each, prepend=each[0]) != 1)
    runs: Runs = np.column_stack((each[begins], np.diff(begins, append=each.size))).tolist()
    return runs
