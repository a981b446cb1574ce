"""Trading time (nanoseconds of open market) and market time (nanoseconds from the run's start), and what lies between them.

Prices and arrivals run in trading time, in which closed hours do not exist; the hours add the closed time back. An instant
belongs to the session that opens at it, not to the one that closes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulator.market.conditions import Condition
from simulator.parameters import Parameters


class SessionPlan(Parameters):
    """Opening hours in the plan; times are microseconds from the run's start."""

    opens: list[int] = Field(description="openings in order; the first is below 0 when the run starts in mid-session")
    closes: list[int] = Field(description="the close of each")
    period: int | None = Field(description="the hours repeat after this many microseconds; null: they end with the last close")
    u_shape: float = Field(description="share by which mid-session is quieter than the mean, 0 to 1")
    pre_open: int = Field(description="microseconds of pre-open before an opening")
    opening_auction: float = Field(description="size of the print at an opening in mean trade sizes; 0: none")
    closing_auction: float = Field(description="size of the print at a close in mean trade sizes; 0: none")


class Phase(NamedTuple):
    """A change of the session, or its auction, for every symbol.

    Attributes:
        time: market time, nanoseconds.
        trading_time: the same instant in trading time; a close has that of the next opening.
        condition: a status, or an auction print.
    """

    time: int
    trading_time: int
    condition: Condition


@final
class TradingHours:
    """The map between trading and market time; exact, in integers. Sizes: (sessions,) for the hours."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._opens: NDArray[np.int64] = np.array(plan.opens, dtype=np.int64) * 1000
        self._closes: NDArray[np.int64] = np.array(plan.closes, dtype=np.int64) * 1000
        # The run knows nothing before its start: trading time 0 lies at its first instant of open market.
        self._begins = np.maximum(self._opens, 0)
        lengths = self._closes - self._begins
        self._before = np.cumsum(lengths) - lengths
        self._period = None if plan.period is None else plan.period * 1000
        self._length = int(lengths.sum())

    @property
    def total(self) -> int | None:
        """All the trading time there is, in nanoseconds; None: without end."""
        return None if self._period is not None else self._length

    def to_market(self, trading_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Market times of trading times >= 0, below `total`: the time t of session i is at open_i + t - trading before i."""
        cycle, rest = (0, trading_ns) if self._period is None else np.divmod(trading_ns, self._length)
        index = np.searchsorted(self._before, rest, side="right") - 1
        market: NDArray[np.int64] = rest - self._before[index] + self._begins[index] + cycle * (self._period or 0)
        return market

    def trading_time_before(self, market_ns: int) -> int:
        """How much trading time lies before a market time >= 0."""
        cycle, rest = (0, market_ns) if self._period is None else divmod(market_ns, self._period)
        passed = np.clip(rest - self._begins, 0, self._closes - self._begins)
        return int(passed.sum()) + cycle * self._length

    def next_opening(self, trading_ns: int) -> int | None:
        """Trading time of the first opening at or after one; None: no more. A session under way at the start opens at 0."""
        cycle, rest = (0, trading_ns) if self._period is None else divmod(trading_ns, self._length)
        index = int(np.searchsorted(self._before, rest))
        if index < self._before.size:
            return int(self._before[index]) + cycle * self._length
        return None if self._period is None else (cycle + 1) * self._length

    def phases(self, begin: int, end: int) -> list[Phase]:
        """What happens to the session in the market times [begin, end), 0 <= begin, in order.

        At an opening the status comes before the auction; at a close the auction comes before the status. Stretches that
        follow one another give each phase once.
        """
        first, last = self._sessions(begin, end)
        found = [phase for number in range(first, last) for phase in self._phases_of(number)]
        return [phase for phase in found if begin <= phase.time < end]

    def _sessions(self, begin: int, end: int) -> tuple[int, int]:
        """Numbers of sessions, first and after the last, that can have a phase in the stretch."""
        count = self._opens.size
        if self._period is not None:
            return max(0, begin // self._period - 1) * count, (end // self._period + 2) * count
        first = int(np.searchsorted(self._closes, begin))
        last = int(np.searchsorted(self._begins - self._plan.pre_open * 1000, end))
        return first, last

    def _phases_of(self, number: int) -> Iterator[Phase]:
        cycle, index = divmod(number, self._opens.size)
        shift, traded = cycle * (self._period or 0), cycle * self._length + int(self._before[index])
        opening, close = int(self._opens[index]) + shift, int(self._closes[index]) + shift
        earliest = self._close_before(number)
        if self._plan.pre_open and opening > earliest:
            yield Phase(max(opening - self._plan.pre_open * 1000, earliest), traded, Condition.PRE_OPEN)
        yield Phase(opening, traded, Condition.OPEN)
        if self._plan.opening_auction:
            yield Phase(opening, traded, Condition.OPENING_AUCTION)
        after = traded + int(self._closes[index] - self._begins[index])
        if self._plan.closing_auction:
            yield Phase(close, after, Condition.CLOSING_AUCTION)
        yield Phase(close, after, Condition.CLOSED)

    def _close_before(self, number: int) -> int:
        """Market time of the last close before a session; 0 for the first."""
        if number == 0:
            return 0
        cycle, index = divmod(number - 1, self._opens.size)
        return int(self._closes[index]) + cycle * (self._period or 0)
