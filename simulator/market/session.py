"""When the market trades: the options of `conf/session`, and the explicit hours that a run gets from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.errors import BadConfigError
from simulator.market.calendar import exchange_sessions
from simulator.market.hours import Phase, SessionPlan, TradingHours
from simulator.parameters import Parameters, Text

__all__ = ["Continuous", "EquityDay", "Exchange", "Phase", "Session", "SessionPlan", "TradingHours", "plan_hours"]

Day = Annotated[float, Field(ge=0, le=31_557_600)]
Depth = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(ge=0, le=1_000_000)]


class Continuous(Parameters):
    """`conf/session/24x7.yaml`."""

    kind: Literal["24x7"]


class Phased(Parameters):
    """Keys that every session with an opening and a close has."""

    u_shape: Depth
    pre_open: Day
    opening_auction: Size
    closing_auction: Size


class EquityDay(Phased):
    """`conf/session/equity_day.yaml`."""

    kind: Literal["equity_day"]
    continuous: Annotated[float, Field(ge=0.001, le=31_557_600)]
    closed: Day


class Exchange(Phased):
    """`conf/session/exchange.yaml`."""

    kind: Literal["exchange"]
    calendar: Text


Session = Continuous | EquityDay | Exchange


def plan_hours(session: Session, duration_us: int | None, start_us: int | None) -> SessionPlan | None:
    """The explicit opening hours of a run; None for a market that never closes.

    Raises:
        BadConfigError: for an exchange without a fixed start, of no known name, or with no trading in the run.
    """
    if isinstance(session, Continuous):
        return None
    opens, closes, period = _hours(session, duration_us, start_us)
    return SessionPlan(
        opens=opens,
        closes=closes,
        period=period,
        u_shape=session.u_shape,
        pre_open=_microseconds(session.pre_open),
        opening_auction=session.opening_auction,
        closing_auction=session.closing_auction,
    )


def _hours(
    session: EquityDay | Exchange, duration_us: int | None, start_us: int | None
) -> tuple[list[int], list[int], int | None]:
    if isinstance(session, Exchange):
        if start_us is None:
            raise BadConfigError("session.kind=exchange: needs a fixed clock.start; null starts at any hour of any day")
        return *exchange_sessions(session.calendar, start_us, duration_us), None
    opening = _microseconds(session.pre_open)
    close = opening + _microseconds(session.continuous)
    if duration_us is not None and duration_us <= opening:
        raise BadConfigError(f"session.pre_open={session.pre_open:g}: no trading in the run, which ends before the first opening")
    return [opening], [close], close + _microseconds(session.closed)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
