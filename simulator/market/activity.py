"""How busy the market is over time, apart from the arrival process's own shape: the session's U and the bursts by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.market.intensity import Intensity, constant, u_shape
from simulator.market.piecewise import Segment
from simulator.market.shocks import burst

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.market.hours import SessionPlan
    from simulator.plan import MarketPlan


_STRETCHES = 390
_STRETCHES_OF_MANY = 78


def market_intensity(market: MarketPlan, trading_time: Callable[[int], int]) -> Intensity | None:
    """The relative intensity in trading time; None: constant.

    Args:
        market: the plan's market.
        trading_time: trading time of a market time, nanoseconds.
    """
    found = (burst(shock, trading_time(shock.begin)) for shock in market.shocks)
    bursts = [each for each in found if each is not None]
    shape = session_shape(market.session) if market.session is not None and market.session.u_shape else None
    if shape is None and not bursts:
        return None
    return (shape or constant()).with_bursts(bursts)


def session_shape(session: SessionPlan) -> Intensity:
    """A U over each session, short ones and the rest of one that has begun before the start included."""
    pieces: list[Segment] = []
    # Many days are tabulated one by one: fewer stretches of each, which are off the curve by less than 0.05 % of the mean.
    stretches = _STRETCHES if session.period is not None else _STRETCHES_OF_MANY
    for opening, close in zip(session.opens, session.closes, strict=True):
        begun = max(0, -opening) * 1000
        whole = u_shape(session.u_shape, (close - opening) * 1000, stretches).period
        shift = (pieces[-1].end if pieces else 0) - begun
        for segment in whole:
            begin = max(segment.begin, begun)
            if segment.end > begin:
                pieces.append(Segment(begin + shift, segment.end + shift, segment.at(begin), segment.last))
    if session.period is not None:
        return Intensity([], pieces)
    # As long as any constant, so that a product with another shape needs no repetitions of it.
    last, (rest,) = pieces[-1], constant().period
    return Intensity(pieces, [Segment(last.end, max(2 * last.end, rest.end), 1.0, 1.0)])
