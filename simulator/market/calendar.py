"""Opening hours of real exchanges, with holidays, early closes, lunch breaks and changes of the clocks.

Source: the package `exchange_calendars`, which keeps them by ISO 10383 market code (XNYS, XLON, XTKS ...).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np

from simulator.diagnosis import suggestion
from simulator.errors import BadConfigError

_KEY = "session.calendar"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# The day of a session is a day of its own time zone.
_MARGIN = timedelta(days=1)
_LONGEST_HOLIDAY = timedelta(days=30)
# How far hours are listed for a run without end.
_HORIZON = timedelta(days=3653)


def exchange_sessions(name: str, start_us: int, duration_us: int | None) -> tuple[list[int], list[int]]:
    """Openings and closes, in microseconds from the run's start, of every session that meets the run.

    The first opening is negative when the run starts in mid-session. A lunch break ends one session and begins the next;
    sessions without a gap are one. A run without end (`duration_us` None) gets the sessions of ten years.

    Raises:
        BadConfigError: for an unknown calendar, dates outside of it, or a run with no trading in it.
    """
    begin = _EPOCH + timedelta(microseconds=start_us)
    length = _HORIZON if duration_us is None else timedelta(microseconds=duration_us)
    try:
        end = begin + length
        opens, closes = _all_sessions(name, (begin - _MARGIN).date(), (end + _MARGIN).date())
    except (OverflowError, ValueError) as error:
        raise BadConfigError(f"{_KEY}={name}: has no hours for this run: {' '.join(str(error).split())}") from None
    opens, closes = opens - start_us, closes - start_us
    stop = length // timedelta(microseconds=1)
    kept = (closes > 0) & (opens < stop)
    if not kept.any():
        raise BadConfigError(f"{_KEY}={name}: no trading between {_text(begin)} and {_text(end)}{_next_opening(name, end)}")
    return opens[kept].tolist(), closes[kept].tolist()


def _all_sessions(name: str, first: date, last: date) -> tuple[Any, Any]:
    """Openings and closes between two days, microseconds since 1970, as int64 arrays; without gaps of no length."""
    # Half a second to import: only runs that name an exchange pay for it.
    import exchange_calendars  # noqa: PLC0415

    known = exchange_calendars.get_calendar_names()
    if name not in known:
        raise BadConfigError(f"{_KEY}={name}: no such calendar{suggestion(name, sorted(known))}")
    try:
        schedule = exchange_calendars.get_calendar(name, start=first.isoformat(), end=last.isoformat()).schedule
    except exchange_calendars.errors.NoSessionsError:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    edges = [schedule[column].dt.tz_localize(None).to_numpy("datetime64[us]") for column in schedule.columns]
    opening, break_start, break_end, close = edges
    breaks = ~np.isnat(break_start)
    opens = np.sort(np.concatenate((opening, break_end[breaks])).astype(np.int64))
    closes = np.sort(np.concatenate((close, break_start[breaks])).astype(np.int64))
    apart = opens[1:] != closes[:-1]
    return opens[np.concatenate(([True], apart))], closes[np.concatenate((apart, [True]))]


def _next_opening(name: str, end: datetime) -> str:
    """A hint for a run without trading; nothing where the calendar ends."""
    try:
        opens, _ = _all_sessions(name, (end - _MARGIN).date(), (end + _LONGEST_HOLIDAY).date())
    except (OverflowError, ValueError):
        return ""
    later = opens[opens >= (end - _EPOCH) // timedelta(microseconds=1)].tolist()
    return f"; next opening is at {_text(_EPOCH + timedelta(microseconds=later[0]))}" if later else ""


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
