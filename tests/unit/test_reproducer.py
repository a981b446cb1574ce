"""The minimal reproducer: what the search finds, and that the command it tells is a smaller run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from simulator.reproducer import Search, Size, overrides_for, size_of
from simulator.schema import Specification

Make = Callable[..., Specification]

WHOLE = Size(duration=60.0, speed=1.0, symbols=100, faults=("late", "drop", "duplicate"), aims=True)


def needs(size: Size) -> bool:
    """A run that fails only with repeats, for 4 s and more, and three symbols and more."""
    return size.duration >= 4 and (size.symbols or 0) >= 3 and "duplicate" in size.faults


def searched(still_fails: Callable[[Size], bool], attempts: int, whole: Size = WHOLE) -> tuple[Size, list[Size]]:
    tried: list[Size] = []

    def note(size: Size) -> bool:
        tried.append(size)
        return still_fails(size)

    return Search(note, attempts).smallest(whole), tried


def test_what_the_failure_does_not_need_goes() -> None:
    smallest, tried = searched(needs, 100)
    assert smallest == Size(duration=7.5, speed=10.0, symbols=3, faults=("duplicate",), aims=False)
    assert needs(smallest)
    assert len(set(tried)) == len(tried)


def test_a_failure_that_needs_nothing_becomes_tiny() -> None:
    smallest, _ = searched(lambda _: True, 100)
    assert smallest == Size(duration=1.0, speed=10.0, symbols=1, faults=(), aims=False)


def test_a_failure_that_needs_all_stays() -> None:
    smallest, tried = searched(lambda _: False, 100)
    assert smallest == WHOLE
    assert len(tried) == len(set(tried)) == 8  # pace, duration, three faults, aim, symbols by four and by two


@pytest.mark.parametrize("attempts", range(8))
def test_no_more_attempts_than_allowed_and_only_what_was_seen_to_fail(attempts: int) -> None:
    smallest, tried = searched(needs, attempts)
    assert len(tried) == attempts
    assert smallest == WHOLE or smallest in [size for size in tried if needs(size)]


def test_an_unpaced_run_and_named_symbols_are_left_as_they_are() -> None:
    whole = replace(WHOLE, speed=None, symbols=None)
    smallest, tried = searched(lambda _: True, 100, whole)
    assert (smallest.speed, smallest.symbols) == (None, None)
    assert all(size.symbols is None for size in tried)


ORIGINAL = ["faults=[late,drop,duplicate]", "faults.late.rate=0.3", "faults.aim=window_edges", "duration=60", "rate=200"]


def test_the_command_is_that_of_the_smaller_run(make_specification: Make) -> None:
    whole = size_of(make_specification(*ORIGINAL))
    assert whole == Size(60.0, 1.0, 100, ("drop", "late", "duplicate"), aims=True)
    smaller = Size(duration=7.5, speed=10.0, symbols=6, faults=("duplicate",), aims=False)
    command = overrides_for(ORIGINAL, whole, smaller)
    found = make_specification(*command)
    assert size_of(found) == smaller
    assert found.rate == 200
    assert sum(word.startswith("duration=") for word in command) == 1


def test_a_scenario_s_faults_can_be_taken_away(make_specification: Make) -> None:
    original = ["+scenario=dirty_feed", "clock=realtime", "reproducer.attempts=3", "hydra.run.dir=x"]
    whole = size_of(make_specification("+scenario=dirty_feed"))
    smaller = replace(whole, faults=("late",), speed=10.0)
    command = overrides_for(original, whole, smaller)
    assert size_of(make_specification(*command)) == smaller
    assert not any(word.startswith(("reproducer", "hydra")) for word in command)


def test_named_symbols_have_no_count(make_specification: Make) -> None:
    assert size_of(make_specification("symbols=equities")).symbols is None
