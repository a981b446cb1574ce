"""The relative intensity: its integral, the inverse, bursts, products; each against a formula of its own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.market.intensity import MOST_OPERATIONAL, Burst, Intensity, constant, levels, ramp, u_segments, u_shape
from simulator.market.piecewise import Segment, Table
from simulator.market.shapes import Periodic, Sequel

SECOND = 1_000_000_000
DAY = 23_400 * SECOND
BURSTS = [Burst(7 * SECOND, 9 * SECOND, 6.0), Burst(8 * SECOND, 31 * SECOND, 0.5), Burst(40 * SECOND, 45 * SECOND, 0.0)]
HALF, WHOLE = (Periodic([], u_segments(1.0, length * SECOND)) for length in (10, 20))
SHAPES = {
    "constant": constant(),
    "ramp up": ramp(4.0, 60 * SECOND),
    "ramp down": ramp(0.001, 60 * SECOND),
    "u": u_shape(1.0, 20 * SECOND),
    "flat u": u_shape(0.0, 20 * SECOND),
    "u of a day": u_shape(0.6, DAY),
    "levels": levels([0.0, 3.0, 0.0, 0.0, 1.0, 0.0], 6 * SECOND),
    "uneven": levels([1.0, 2.0, 4.0], 1_000_003),
    "product": ramp(3.0, 50 * SECOND) * u_shape(0.5, 20 * SECOND),
    "bursts": constant().with_bursts(BURSTS),
    "u with bursts": u_shape(0.9, 20 * SECOND).with_bursts(BURSTS),
    "days": Intensity(Sequel([HALF, WHOLE, WHOLE, HALF])),
    "days with bursts": Intensity(Sequel([HALF, WHOLE, WHOLE, HALF]), BURSTS),
    "ramp of days": ramp(3.0, 50 * SECOND) * Intensity(Sequel([HALF, WHOLE, WHOLE, HALF])),
    "from nothing": Intensity(Periodic([Segment(0, 10 * SECOND, 0.0, 2.0)], [Segment(10 * SECOND, 12 * SECOND, 0.0, 1.0)])),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def density(shape: Intensity, times: np.ndarray) -> np.ndarray:
    """g at some times: the slope of the integral over a stretch around them that holds no knot in most cases."""
    half = 5_000
    steps = [shape.cumulative(time + half) - shape.cumulative(time - half) for time in times.tolist()]
    return np.array(steps) / (2 * half)


@shapes
def test_the_inverse_undoes_the_integral(shape: Intensity) -> None:
    generator = np.random.default_rng(1)
    times = np.sort(generator.integers(0, 100 * SECOND, 3000))
    masses = np.array([shape.cumulative(time) for time in times.tolist()])
    assert np.all(np.diff(masses) >= 0)
    back = shape.inverse(masses)
    again = np.array([shape.cumulative(time) for time in back.tolist()])
    # A nanosecond of time, and of operational time, is what is rounded; the steepest factor is 6 times the steepest shape.
    assert np.abs(again - masses).max() <= 25
    inside = density(shape, np.maximum(times, 5_000)) > 0.05
    assert np.abs(back - times)[inside].max() <= 50


@shapes
@pytest.mark.parametrize("around", [0, 3 * SECOND, 20 * SECOND, 60 * SECOND, DAY, 10**17])
def test_the_inverse_never_falls_not_even_by_a_rounding(shape: Intensity, around: int) -> None:
    near = shape.cumulative(around)
    masses = np.arange(max(0, near - 20_000), near + 20_000)
    assert np.diff(shape.inverse(masses)).min() >= 0
    wide = np.sort(np.random.default_rng(2).integers(0, 2 * near + 1, 20_000))
    assert np.diff(shape.inverse(wide)).min() >= 0


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(SHAPES)),
    end=st.one_of(
        st.integers(0, 100 * SECOND), st.integers(0, 10**17), st.sampled_from([0, 1, SECOND, 40 * SECOND, 45 * SECOND])
    ),
)
@example(name="bursts", end=42 * SECOND)
@example(name="levels", end=6 * SECOND)
def test_the_operational_end_parts_before_from_after(name: str, end: int) -> None:
    shape = SHAPES[name]
    cut = shape.operational_end(end)
    assert int(shape.inverse(np.array([cut]))[0]) >= end
    assert cut == 0 or int(shape.inverse(np.array([cut - 1]))[0]) < end


@pytest.mark.parametrize("growth", [0.01, 0.5, 1.0, 1.5, 100.0])
def test_a_ramp(growth: float) -> None:
    span = 60 * SECOND
    shape = ramp(growth, span)
    first, last = 2 / (1 + growth), 2 * growth / (1 + growth)
    assert shape.cumulative(span) == pytest.approx(span, abs=2)
    assert shape.cumulative(span // 2) == pytest.approx(span / 2 * (first + (last - first) / 4), abs=2)
    assert shape.cumulative(3 * span) - shape.cumulative(span) == pytest.approx(2 * span * last, abs=2)


@pytest.mark.parametrize("depth", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("period", [20 * SECOND, DAY, 1_000_003])
def test_the_u(depth: float, period: int) -> None:
    shape = u_shape(depth, period)
    assert shape.cumulative(period) == period
    assert shape.cumulative(7 * period) == 7 * period
    for u in (0.0, 0.1, 1 / 13, 0.5, 0.77):
        expected = (u + depth * (4 * (u - 0.5) ** 3 + 0.5 - u)) * period
        assert shape.cumulative(3 * period + round(u * period)) - 3 * period == pytest.approx(expected, abs=period * 2e-5 + 2)


def test_levels_are_steps_of_mean_one() -> None:
    shape = levels([1.0, 5.0, 0.0, 2.0], 20 * SECOND)
    assert [shape.cumulative(time * SECOND) for time in (5, 10, 15, 20, 40, 45)] == [
        part * SECOND // 2 for part in (5, 30, 30, 40, 80, 85)
    ]
    # Where nothing happens is skipped: the next event is at its end.
    assert shape.inverse(np.array([15 * SECOND - 1, 15 * SECOND])).tolist() == [10 * SECOND - 1, 15 * SECOND]


def test_days_one_after_another_are_as_if_tabulated() -> None:
    """Against one table of all segments; from the end on the intensity is 1."""
    days = Intensity(Sequel([HALF, WHOLE, WHOLE, HALF]))
    whole = Intensity(Periodic(days.shape.opening, days.shape.period))
    masses = np.sort(np.random.default_rng(3).integers(0, 90 * SECOND, 2000))
    assert np.abs(days.inverse(masses) - whole.inverse(masses)).max() <= 20
    times = [0, 1, 3 * SECOND, 10 * SECOND - 1, 10 * SECOND, 29 * SECOND, 60 * SECOND, 99 * SECOND]
    assert [days.cumulative(time) for time in times] == pytest.approx([whole.cumulative(time) for time in times], abs=2)
    assert [days.cumulative(edge * SECOND) for edge in (10, 30, 50, 60, 77)] == [edge * SECOND for edge in (10, 30, 50, 60, 77)]


def test_bursts_multiply_and_are_not_normalised() -> None:
    shape = constant().with_bursts(BURSTS)
    seconds = [shape.cumulative(time * SECOND) / SECOND for time in (7, 8, 9, 31, 40, 45, 46)]
    assert seconds == [7.0, 13.0, 16.0, 27.0, 36.0, 36.0, 37.0]
    assert constant().with_bursts(BURSTS[:1]).with_bursts(BURSTS[1:]).bursts == tuple(BURSTS)
    assert shape.inverse(np.array([36 * SECOND])).tolist() == [45 * SECOND]


def test_a_product_is_exact_at_the_knots() -> None:
    shape = levels([1.0, 3.0], 8 * SECOND) * levels([2.0, 1.0, 1.0], 12 * SECOND)
    values = np.array([1, 1, 3, 3, 1, 1, 3, 3, 1, 1, 3, 3]) * np.array([2, 2, 1, 1, 1, 1] * 2)  # by 2 seconds
    assert shape.cumulative(24 * SECOND) == 24 * SECOND
    expected = np.cumsum(values) * 24 / values.sum()
    found = [shape.cumulative(2 * SECOND * number) / SECOND for number in range(1, 13)]
    assert found == pytest.approx(expected.tolist(), abs=1e-8)


def test_a_product_with_a_ramp_stays_periodic_at_its_end_level() -> None:
    straight, period, span = ramp(3.0, 50 * SECOND), 20 * SECOND, 50 * SECOND
    shape = straight * u_shape(0.5, period)
    assert shape.cumulative(span) == pytest.approx(span, abs=2)
    one = shape.cumulative(span + period) - shape.cumulative(span)
    assert shape.cumulative(span + 9 * period) - shape.cumulative(span) == 9 * one
    u = u_shape(0.5, period)
    at = np.arange(1, 900) * 55_555_555
    expected = density(straight, at) * density(u, at)
    assert density(shape, at) / density(shape, at).mean() == pytest.approx(expected / expected.mean(), rel=2e-3)


def test_a_product_keeps_both_sides_bursts() -> None:
    shape = u_shape(0.5, DAY).with_bursts(BURSTS[:1]) * constant().with_bursts(BURSTS[1:])
    assert shape.bursts == tuple(BURSTS)
    assert shape.cumulative(DAY) == pytest.approx(u_shape(0.5, DAY).with_bursts(BURSTS).cumulative(DAY), abs=50)


def test_periods_without_a_near_common_multiple_are_refused() -> None:
    with pytest.raises(ValueError, match="periods of 23400 and 23400 seconds"):
        u_shape(0.5, DAY) * u_shape(0.5, DAY + 1)


def test_an_intensity_that_is_zero_for_ever_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        levels([0.0, 0.0], SECOND)
    with pytest.raises(ValueError, match="0 for ever"):
        Periodic([Segment(0, SECOND, 1.0, 1.0)], [Segment(SECOND, 2 * SECOND, 0.0, 0.0)])


@settings(max_examples=100, deadline=None)
@given(first=st.floats(0, 50), last=st.floats(0, 50), length=st.integers(1, 10**14), shares=st.lists(st.floats(0, 1), min_size=1))
def test_a_segments_inverse_is_that_of_exact_arithmetic(first: float, last: float, length: int, shares: list[float]) -> None:
    segment = Segment(0, length, first, last)
    if segment.mass < 1000:
        return
    table = Table([segment])
    masses = np.sort((np.array(shares) * (table.mass - 1)).astype(np.int64))
    slope = (Fraction(last) - Fraction(first)) / length
    for mass, time in zip(masses.tolist(), table.inverse(masses).tolist(), strict=True):
        # The integral over [0, time - room] is not more than the mass, that over [0, time + 1 + room] not less, to a nanosecond.
        room = length * Fraction(1, 2**44)
        early, late = max(Fraction(0), time - room), min(Fraction(length), time + 1 + room)
        assert early * Fraction(first) + slope * early**2 / 2 <= mass + 1
        assert late * Fraction(first) + slope * late**2 / 2 >= mass - 1


@pytest.mark.parametrize("shape", [constant(), ramp(1000.0, 60 * SECOND), u_shape(1.0, DAY)], ids=["constant", "ramp", "u"])
def test_the_most_that_a_run_may_come_to_stays_in_the_range_of_time(shape: Intensity) -> None:
    begin = 60 * SECOND
    endless = shape.with_bursts(
        [Burst(begin, 3_155_760_000 * SECOND, 1e6), Burst(2**62, 2**70, 1e300), Burst(2**62, 2**70, 1e300)]
    )
    near = int(np.searchsorted([endless.cumulative(begin + n * SECOND) for n in range(6000)], MOST_OPERATIONAL)) - 1
    end = begin + near * SECOND
    operational = endless.operational_end(end)
    assert operational <= MOST_OPERATIONAL
    last = endless.inverse(np.array([operational - 1, operational]))
    assert last[0] < end <= last[1]
    assert endless.cumulative(2**64) > MOST_OPERATIONAL
