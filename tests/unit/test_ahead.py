"""Work done ahead: in order, not too far, its errors at their place, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from simulator.produce.ahead import Ahead


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ahead"]


def test_all_items_come_in_order_and_the_end_is_final() -> None:
    with Ahead(lambda: iter(range(100))) as items:
        assert list(items) == list(range(100))
        assert next(items, None) is None
    assert threads() == []


def test_it_is_not_further_ahead_than_its_depth() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    with Ahead(source, depth=3) as items:
        for taken, _ in zip(range(1, 11), items, strict=False):
            time.sleep(0.005)
            assert taken <= len(made) <= taken + 4
    assert len(made) < 50
    assert threads() == []


def test_an_error_is_met_at_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with Ahead(source) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)
    assert threads() == []
