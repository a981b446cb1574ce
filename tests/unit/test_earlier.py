"""Finding a stream again in a partition that holds its beginning, and what others have put between."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulator.produce.earlier import EarlierRecords


@given(
    stream=st.lists(st.integers(0, 5), max_size=30),
    arrived=st.integers(0, 30),
    foreign=st.lists(st.tuples(st.integers(0, 30), st.integers(100, 105)), max_size=10),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=40),
)
def test_the_beginning_is_found_whatever_lies_between_and_however_it_is_asked(
    stream: list[int], arrived: int, foreign: list[tuple[int, int]], cuts: list[int]
) -> None:
    own = stream[:arrived]
    held = [(mark, True) for mark in own]
    for place, mark in foreign:
        held.insert(min(place, len(held)), (mark, False))
    earlier = EarlierRecords(range(10, 10 + len(held)), [mark for mark, _ in held])
    expected = [10 + place for place, (_, is_own) in enumerate(held) if is_own]
    found: list[int] = []
    position = 0
    for cut in [*cuts, len(stream)]:
        part = np.array(stream[position : position + cut], dtype=np.int64)
        offsets = earlier.match(part)
        found += offsets
        position += part.size
        if len(offsets) < part.size:
            assert earlier.is_passed
            assert earlier.match(np.array([0, 1, 2], dtype=np.int64)) == []
            break
    assert found == expected[: len(found)]
    assert len(found) == min(position, len(own))


def test_a_partition_that_holds_nothing_is_passed() -> None:
    assert EarlierRecords([], []).is_passed
    assert not EarlierRecords([3], [7]).is_passed
