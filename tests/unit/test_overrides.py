"""What Hydra refuses is told in this program's words, with the words to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.choices import check_choices, with_pluses
from simulator.errors import BadConfigError
from simulator.overrides import diagnose
from simulator.schema import Specification

CONF = str(Path(__file__).resolve().parents[2] / "conf")
FAULTS = "bad_tick, burst, clock_skew, correction, corrupt, disorder, drift, drop, duplicate, late, stall"


def told(*arguments: str) -> list[str]:
    return diagnose(list(arguments), CONF, ValueError("refused"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        # Keys of faults that are not switched on
        (["faults.late.rate=0.1"], "faults.late.rate=0.1: the fault late is not switched on; add it: 'faults=[late]'"),
        (
            ["faults.late.rate=0.1", "faults=duplicate"],
            "faults.late.rate=0.1: the fault late is not switched on; add it: 'faults=[duplicate,late]'",
        ),
        (
            ["faults=none", "faults.late.rate=0.1"],
            "faults.late.rate=0.1: the fault late is not switched on; add it: 'faults=[late]'",
        ),
        (["+faults.late.rate=0.1"], "faults.late={'rate': 0.1}: the fault late is not switched on; add it: 'faults=[late]'"),
        (
            ["faults.corrupt={rate:0.1}"],
            "faults.corrupt={rate:0.1}: the fault corrupt is not switched on; add it: 'faults=[corrupt]'",
        ),
        (
            ["delay@faults.late.delay=pareto"],
            "delay@faults.late.delay=pareto: the fault late is not switched on; add it: 'faults=[late]'",
        ),
        (["faults.lat.rate=0.1"], f"faults.lat.rate=0.1: no such fault; did you mean late?; allowed: {FAULTS}"),
        (["faults.corupt={rate:0.1}"], f"faults.corupt={{rate:0.1}}: no such fault; did you mean corrupt?; allowed: {FAULTS}"),
        (
            ["delay@faults.lat.delay=pareto"],
            f"delay@faults.lat.delay=pareto: no such fault; did you mean late?; allowed: {FAULTS}",
        ),
        (["faults.aim_rat=0.1"], "faults.aim_rat=0.1: no such key; did you mean aim_rate?; allowed: aim, aim_rate"),
        (["delay=pareto"], "delay=pareto: belongs to a fault: delay@faults.NAME.delay=pareto"),
        # Options
        (["faults=[late,late]", "rate=5"], "faults=[late,late]: late is named twice"),
        (["-m", "faults=none,[drop,drop]"], "faults=none,[drop,drop]: drop is named twice"),
        (["clock=null"], "clock=null: no such option; allowed: accelerated, realtime, unpaced"),
        (["+faults=late"], "faults=late: is chosen without a plus"),
        (["scenario=calm"], "scenario=calm: is added with a plus: +scenario=calm"),
        (
            ["+scenario=late_feed", "+scenario=calm"],
            "scenario=calm: is the second +scenario; stack them: '+scenario=[late_feed,calm]'",
        ),
        (
            ["faults=drop", "+scenario=late_feed"],
            (
                "faults=drop: +scenario=late_feed sets keys of faults that are not named; name them too:"
                " 'faults=[late,disorder,drop]'"
            ),
        ),
        # Several values
        (
            ["faults=late,duplicate", "faults.late.rate=0.1"],
            "faults=late,duplicate: write 'faults=[late,duplicate]', or -m for a sweep",
        ),
        (["+scenario=calm,volatile"], "scenario=calm,volatile: write '+scenario=[calm,volatile]', or -m for a sweep"),
        (
            ["metrics.names=volume,msg_ct"],
            "metrics.names=volume,msg_ct: write 'metrics.names=[volume,msg_ct]', or -m for a sweep",
        ),
        (["rate=100,200"], "rate=100,200: several values are for a sweep; write -m before them"),
        (["-m", "wrng=1,2"], "wrng=1: no such key; did you mean run?; allowed: "),
        # Words that are no overrides
        (["verify"], "verify: is no override KEY=VALUE"),
        (["faults=[late"], "faults=[late: the value cannot be read; are its brackets and quotes closed?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_refused_override_gives_one_line(arguments: list[str], line: str) -> None:
    (fault,) = told(*arguments)
    if line.endswith(": "):
        assert fault.startswith(line)
    else:
        assert fault == line


@pytest.mark.parametrize(
    "arguments",
    [
        ["faults.late.rate=0.1", "faults=late"],
        ["delay@faults.late.delay=pareto", "faults=[drop,late]"],
        ["-m", "faults=late,[late,drop]", "rate=100,200", "faults.late.rate=0.1"],
    ],
)
def test_what_is_right_is_not_accused(arguments: list[str]) -> None:
    assert not any("faults" in line or "rate" in line for line in told(*arguments))


def test_one_key_taken_away_by_hand_is_told_as_such(make_specification: Callable[..., Specification]) -> None:
    with pytest.raises(BadConfigError) as caught:
        make_specification("faults=late", "~faults.late.symbols")
    assert caught.value.faults == ("faults.late.symbols: is missing",)


def test_a_whole_fault_may_be_written_out(make_specification: Callable[..., Specification]) -> None:
    drop = make_specification("+faults.drop={rate: 0.5, symbols: [], start: 0, end: null}").faults.drop
    assert drop is not None
    assert drop.rate == 0.5


@pytest.mark.parametrize("word", ["faults=[late,late]", "clock=null", "clock=3", "faults=[late,3]", "+scenario=[calm,calm]"])
def test_choices_are_looked_at_before_hydra_stumbles(word: str) -> None:
    with pytest.raises(BadConfigError):
        check_choices(["rate=3", word], CONF)


@pytest.mark.parametrize(
    "word", ["faults=[late,drop]", "~clock", "delay@faults.late.delay=pareto", "-m", "faults=[late", "x", "session=24x7"]
)
def test_all_else_is_left_to_hydra(word: str) -> None:
    check_choices([word], CONF)


def test_pluses_are_for_the_metrics_of_a_file_alone() -> None:
    given = [
        "verify.metrics.volume=vol",
        "verify.metrics={volume: vol}",
        "+verify.metrics.vwap=x",
        "verify.columns.symbol=s",
        "-m",
    ]
    assert with_pluses(given) == [f"++{given[0]}", f"++{given[1]}", *given[2:]]
