"""The digest of what was sent: that of the market's events, and with faults also when each was sent and in what form."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.records import Records
from simulator.market.digest import StreamDigest
from simulator.plan import Plan


@final
class RecordDigest:
    """A `StreamDigest` in the order of sending; with faults (sent, copy, damage) follow in each row.

    Without faults a record is its event, and the digest is that of the market's stream. Records that are never sent do not count.
    """

    def __init__(self, plan: Plan) -> None:
        self._digest = StreamDigest([symbol.name for symbol in plan.market.symbols])
        self._has_faults = plan.faults.any

    def add(self, records: Records) -> None:
        """Add a block of records."""
        sent, further = sent_columns(records, has_faults=self._has_faults)
        self._digest.update(sent.events, *further)

    def chains(self) -> dict[str, str]:
        """The chain of each symbol."""
        return self._digest.chains()

    def hexdigest(self) -> str:
        """The digest of all that was added."""
        return self._digest.hexdigest()


def sent_columns(records: Records, *, has_faults: bool) -> tuple[Records, list[NDArray[np.int64]]]:
    """The records that count, and what counts of each beside its event."""
    if not has_faults:
        return records, []
    sent = records.present
    return sent, [sent.sent, sent.copy.astype(np.int64), sent.damage.astype(np.int64)]
