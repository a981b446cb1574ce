"""The records of others among those of a run, by their offsets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.answers.microbatches import UNREAD, MicroBatches
from simulator.offsets import Runs

Integers = NDArray[np.int64]


@final
class Foreign:
    """Where they are.

    Args:
        runs: partition to runs of offsets, [first, count] each, as the manifest has them.
    """

    def __init__(self, runs: Mapping[str, Runs]) -> None:
        pairs = [(int(partition), first, count) for partition, parts in runs.items() for first, count in parts]
        self.place: Integers = np.repeat(
            np.array([partition for partition, _, _ in pairs], dtype=np.int64), [count for _, _, count in pairs]
        )
        each = [np.arange(first, first + count, dtype=np.int64) for _, first, count in pairs]
        self.offset: Integers = np.concatenate(each) if each else np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        """How many there are."""
        return int(self.offset.size)

    def by_batch(self, log: MicroBatches) -> Integers:
        """How many each micro-batch has read."""
        batch = log.batch_of(self.place, self.offset) if len(self) else self.place
        return np.bincount(batch[batch != UNREAD], minlength=len(log.reports))

    def frame(self) -> pl.DataFrame:
        """Columns `partition` and `offset`."""
        return pl.DataFrame({"partition": self.place, "offset": self.offset})
