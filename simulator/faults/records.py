"""Columns of records: events as they are sent, beside the events that were meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.market.events import Events

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Records:
    """Records, one row each; all columns have shape (records,). (symbol, seq, copy) names a record.

    Attributes:
        events: what their payload says.
        intended: the events of the market that they tell of.
        sent: when they are sent, nanoseconds from the start of the market.
        copy: 0 for the event itself; 1 for a repeat, 2 for a correction, 3 for the repeat of a correction.
        faults: bit n is set where the fault of number n (`faults.model.NAMES`) has struck.
        damage: codes of `corrupt.Damage`: what happens to the payload's bytes.
        withheld: records that are never sent.
        repeated: there is more than one record of the same (symbol, seq).
        oldest_to_come: no record after these has a payload time before it, nanoseconds from the start.
    """

    events: Events
    intended: Events
    sent: Integers
    copy: NDArray[np.uint8]
    faults: NDArray[np.uint32]
    damage: NDArray[np.uint8]
    withheld: Mask
    repeated: Mask
    oldest_to_come: int

    def __len__(self) -> int:
        """Number of records, with those that are withheld."""
        return len(self.events)

    def take(self, rows: slice | Integers | Mask) -> Records:
        """Some of the records, in the order of `rows`."""
        chosen: Any = rows if isinstance(rows, slice) or rows.dtype != np.bool_ else np.flatnonzero(rows)
        return Records(
            self.events.take(chosen),
            self.intended.take(chosen),
            self.sent[chosen],
            self.copy[chosen],
            self.faults[chosen],
            self.damage[chosen],
            self.withheld[chosen],
            self.repeated[chosen],
            self.oldest_to_come,
        )

    @property
    def present(self) -> Records:
        """Those that are sent."""
        return self.take(~self.withheld) if self.withheld.any() else self

    def struck(self, hit: Mask, fault: int, **columns: Any) -> Records:  # noqa: ANN401  # columns of integers, one type each
        """The same records after a fault.

        Args:
            hit: the records that it strikes.
            fault: its number.
            columns: new values for the records that are hit: of `sent`, `damage` and `withheld`, and of the payload's
                `time`, `price`, `volume`, `bid` and `ask`.
        """
        own = {name: columns.pop(name) for name in ("sent", "damage", "withheld") if name in columns}
        changed: dict[str, Any] = {name: _replaced(getattr(self, name), hit, values) for name, values in own.items()}
        changed["faults"] = np.where(hit, self.faults | np.uint32(1 << fault), self.faults)
        return replace(self, events=_with_values(self.events, hit, columns), **changed)


def of_market(events: Events, oldest_to_come: int) -> Records:
    """The records of a market where nothing goes wrong: each event is sent at its own time, as it is."""
    count = len(events)
    return Records(
        events,
        events,
        events.time,
        np.zeros(count, dtype=np.uint8),
        np.zeros(count, dtype=np.uint32),
        np.zeros(count, dtype=np.uint8),
        np.zeros(count, dtype=np.bool_),
        np.zeros(count, dtype=np.bool_),
        oldest_to_come,
    )


def joined(parts: list[Records]) -> Records:
    """Records one after the other."""
    columns = ("sent", "copy", "faults", "damage", "withheld", "repeated")
    return replace(
        parts[-1],
        events=_joined_events([part.events for part in parts]),
        intended=_joined_events([part.intended for part in parts]),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns},
    )


def _replaced(column: NDArray[Any], hit: Mask, values: Any) -> NDArray[Any]:  # noqa: ANN401  # a number or a column
    column = column.copy()
    column[hit] = values
    return column


def _with_values(events: Events, hit: Mask, columns: dict[str, Any]) -> Events:
    changed: dict[str, Any] = {
        name: _replaced(getattr(events, name), hit, columns[name]) for name in ("time", "price", "volume") if name in columns
    }
    if events.quotes is not None:
        sides = {name: _replaced(getattr(events.quotes, name), hit, columns[name]) for name in ("bid", "ask") if name in columns}
        changed["quotes"] = replace(events.quotes, **sides)
    return replace(events, **changed)


def _joined_events(parts: list[Events]) -> Events:
    columns = ("symbol", "seq", "time", "price", "volume")
    changed: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    if parts[0].quotes is not None:
        sides = ("bid", "ask", "bid_size", "ask_size")
        both = {side: np.concatenate([getattr(part.quotes, side) for part in parts]) for side in sides}
        changed["quotes"] = replace(parts[0].quotes, **both)
    if parts[0].condition is not None:
        changed["condition"] = np.concatenate([part.condition for part in parts if part.condition is not None])
    return replace(parts[0], **changed)
