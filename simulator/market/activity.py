"""How busy the market is over time, apart from the arrival process's own shape: the session's U and the bursts by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.market.hours import TradingHours
from simulator.market.intensity import Intensity, constant, u_segments
from simulator.market.piecewise import Segment
from simulator.market.shapes import Periodic, Sequel
from simulator.market.shocks import burst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.market.hours import SessionPlan
    from simulator.market.shocks import Shock

_STRETCHES = 390
# A product with another shape tabulates many days one by one: fewer stretches of each, off the curve by less than 0.05 % of the
# mean.
_STRETCHES_OF_MANY = 78


def market_intensity(shocks: Sequence[Shock], session: SessionPlan | None) -> Intensity | None:
    """The relative intensity in trading time; None: constant.

    Args:
        shocks: of the market; those with a rate are its bursts.
        session: its opening hours; None: it never closes.
    """
    trading_time = int if session is None else TradingHours(session).trading_time_before
    found = (burst(shock, trading_time(shock.begin)) for shock in shocks)
    bursts = [each for each in found if each is not None]
    shape = session_shape(session) if session is not None and session.u_shape else None
    if shape is None and not bursts:
        return None
    return (shape or constant()).with_bursts(bursts)


def session_shape(session: SessionPlan) -> Intensity:
    """A U over each session, short ones and the rest of one that has begun before the start included; mean 1 over each."""
    spans = [
        ((close - opening) * 1000, max(0, -opening) * 1000) for opening, close in zip(session.opens, session.closes, strict=True)
    ]
    if session.period is not None:
        return Intensity(Periodic([], _one_after_another([_rest_of_u(session.u_shape, *span, _STRETCHES) for span in spans])))
    # Years of sessions have few different lengths.
    shapes = {span: Periodic([], _rest_of_u(session.u_shape, *span, _STRETCHES_OF_MANY)) for span in set(spans)}
    return Intensity(Sequel([shapes[span] for span in spans]))


def _rest_of_u(depth: float, length: int, begun: int, stretches: int) -> list[Segment]:
    """What is left of a session's U after `begun` nanoseconds; from 0."""
    return [
        Segment(max(segment.begin - begun, 0), segment.end - begun, segment.at(max(segment.begin, begun)), segment.last)
        for segment in Periodic([], u_segments(depth, length, stretches)).period
        if segment.end > begun
    ]


def _one_after_another(parts: list[list[Segment]]) -> list[Segment]:
    joined: list[Segment] = []
    for part in parts:
        shift = joined[-1].end if joined else 0
        joined += [Segment(s.begin + shift, s.end + shift, s.first, s.last) for s in part]
    return joined
