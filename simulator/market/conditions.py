"""What an event is: a trade of some kind, or a change of a symbol's trading status. One table for the whole program."""

from __future__ import annotations

from enum import IntEnum

_FIRST_STATUS = 16


class Condition(IntEnum):
    """The condition code of an event; `label` is its name in the payload.

    >>> Condition.REOPENING_AUCTION.label, Condition.REOPENING_AUCTION.is_trade, Condition.HALTED.is_trade
    ('reopening_auction', True, False)
    """

    # Trades: they have a price and a volume.
    REGULAR = 0
    OPENING_AUCTION = 1
    CLOSING_AUCTION = 2
    REOPENING_AUCTION = 3
    # Statuses: no trade; the price is the last that counts for the symbol (see `statuses`), the volume is 0.
    PRE_OPEN = 16
    OPEN = 17
    CLOSED = 18
    LIMIT_STATE = 19
    LIMIT_STATE_ENDED = 20
    HALTED = 21
    RESUMED = 22
    MARKET_HALTED = 23

    @property
    def label(self) -> str:
        """The name that is written: `opening_auction`."""
        return self.name.lower()

    @property
    def is_trade(self) -> bool:
        """Whether shares change hands."""
        return self < _FIRST_STATUS


LABELS = {int(condition): condition.label for condition in Condition}
"""Code to name."""


def has_conditions(session: object | None, halts: str) -> bool:
    """Whether the events of a market carry a condition: its opening hours (None: it never closes), and the kind of its halts."""
    return session is not None or halts != "none"
