"""What happens to the bytes of a payload, and whether what is left is an event to a strict reader of the event's schema."""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np


@unique
class Damage(IntEnum):
    """The codes of `Records.damage`."""

    NONE = 0
    TRUNCATED = 1
    WRONG_TYPE = 2
    MISSING_FIELD = 3
    EXTRA_FIELD = 4
    NOT_A_NUMBER = 5
    INVALID_UTF8 = 6
    EMPTY = 7
    NULL = 8
    HUGE = 9
    RENAMED_FIELD = 10
    ADDED_FIELD = 11

    @property
    def label(self) -> str:
        """As in the configuration and the ledger."""
        return self.name.lower()


LEGIBLE = np.array([code in {Damage.NONE, Damage.EXTRA_FIELD, Damage.HUGE, Damage.ADDED_FIELD} for code in Damage])
"""By code: whether the payload still is the event, with every field that it needs; what is more does no harm."""
