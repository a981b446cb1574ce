"""Halts within a session: the options of `conf/halts`, and the numbers that they give on the grid of prices.

Sources: Plan to Address Extraordinary Market Volatility ("limit up - limit down", SEC Release 34-67091, 2012, as amended), and
market-wide circuit breakers (NYSE Rule 7.12, formerly 80B). Simplified: one band for all symbols and hours (no tiers, no doubling
near the open and the close, no 10 minute extension); the reference is the mean of prices on the grid, not of trades, renewed also
for a move below 1 %; the market is the geometric mean of all symbols against its opening, not the S&P 500 against the last
close; levels 1 and 2 also halt after 15:25.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from simulator.market.exact import logarithm
from simulator.parameters import NANOSECONDS, Parameters

INDEX_BITS = 20
"""The market's level is an integer multiple of 2**-20."""
MILLION = 1_000_000

_LEAST, _LONGEST = 0.001, 31_557_600
Span = Annotated[float, Field(ge=_LEAST, le=_LONGEST)]
_PAIR = 2


class NoHalts(Parameters):
    """`conf/halts/none.yaml`."""

    kind: Literal["none"]


class LimitUpLimitDown(Parameters):
    """`conf/halts/luld.yaml`."""

    kind: Literal["luld"]
    band: Annotated[float, Field(ge=0.000_001, lt=1)]
    reference_update: Span
    reference_window: Span
    limit_state: Span
    pause: Span
    market_wide: list[list[float | None]]

    @field_validator("reference_window")
    @classmethod
    def _holds_whole_updates(cls, window: float, info: ValidationInfo) -> float:
        update = info.data.get("reference_update")
        if update is not None and (round(window * MILLION) % round(update * MILLION) or window > 1000 * update):
            raise ValueError(f"must be a multiple (1 to 1000) of halts.reference_update={update:g}")
        return window

    @field_validator("market_wide")
    @classmethod
    def _are_levels(cls, levels: list[list[float | None]]) -> list[list[float | None]]:
        if any(len(level) != _PAIR or level[0] is None or not 0 < level[0] < 1 for level in levels):
            raise ValueError("must hold pairs of a fall between 0 and 1, and seconds or null")
        if any(pause is not None and not _LEAST <= pause <= _LONGEST for _, pause in levels):
            raise ValueError(f"must hold pauses of {_LEAST} to {_LONGEST} seconds, or null for the rest of the session")
        falls = [fall for fall, _ in levels if fall is not None]
        if sorted(set(falls)) != falls:
            raise ValueError("must hold falls in increasing order")
        return levels


Halting = NoHalts | LimitUpLimitDown


class Level(NamedTuple):
    """A market-wide level: the index's threshold in multiples of 2**-20, and grid steps of halt; None: to the session's end."""

    threshold: int
    pause: int | None


class Rules(NamedTuple):
    """The parameters on the grid; times are grid steps."""

    band: int
    """Half width of the band in millionths of the reference."""
    update: int
    buckets: int
    """Buckets of `update` steps in the reference's window."""
    limit_state: int
    pause: int
    levels: tuple[Level, ...]


def rules_on_grid(parameters: LimitUpLimitDown, step_ns: int) -> Rules:
    """The rules in steps of `step_ns` nanoseconds, each span rounded to a whole number of them, at least one."""

    def steps(seconds: float) -> int:
        return max(1, round(seconds * NANOSECONDS / step_ns))

    levels = [
        Level(round(logarithm(1.0 - fall) * (1 << INDEX_BITS)), None if pause is None else steps(pause))
        for fall, pause in parameters.market_wide
        if fall is not None
    ]
    return Rules(
        band=round(parameters.band * MILLION),
        update=steps(parameters.reference_update),
        buckets=round(parameters.reference_window / parameters.reference_update),
        limit_state=steps(parameters.limit_state),
        pause=steps(parameters.pause),
        levels=tuple(levels),
    )
