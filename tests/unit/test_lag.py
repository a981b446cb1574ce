"""The histogram of lags: every event counts, and quantiles are those of the sorted lags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.produce.lag import LagHistogram


@given(
    st.lists(st.integers(-1000, 10**15), min_size=1, max_size=200),
    st.integers(0, 200),
    st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]),
)
def test_a_quantile_is_that_of_all_lags_to_one_percent(lags: list[int], cut: int, share: float) -> None:
    whole, other = LagHistogram(), LagHistogram()
    whole.add(np.array(lags[:cut], dtype=np.int64))
    other.add(np.array(lags[cut:], dtype=np.int64))
    whole.merge(other)
    exact = max(1, sorted(lags)[max(1, int(np.ceil(share * len(lags)))) - 1]) / 1e9
    measured = whole.quantile(share)
    assert measured is not None
    assert exact <= measured * (1 + 1e-12)
    assert measured <= exact * 1.01


def test_without_events_there_is_none() -> None:
    assert LagHistogram().quantile(0.5) is None


def test_a_rare_stall_shows_in_the_tail_only() -> None:
    lags = np.full(10_000, 2_000_000, dtype=np.int64)
    lags[:50] = 3_000_000_000
    histogram = LagHistogram()
    histogram.add(lags)
    assert histogram.quantile(0.5) == pytest.approx(0.002, rel=0.01)
    assert histogram.quantile(0.99) == pytest.approx(0.002, rel=0.01)
    assert histogram.quantile(0.999) == pytest.approx(3.0, rel=0.01)
