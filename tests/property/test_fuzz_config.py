"""Whatever a configuration holds, it is refused in one line a fault or it runs: no other exception, no hang, no flood."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from simulator.checks import CHECKS
from simulator.compiler import compile_plan
from simulator.encode.payload import Payloads
from simulator.errors import BadConfigError, printable
from simulator.faults.stream import records_of
from simulator.modes.context import first_instant
from simulator.plan import Plan, canonical, read_plan, write_plan
from simulator.schema import Specification, read_specification

CONF = Path(__file__).resolve().parents[2] / "conf"
CASES = 2_400
PATIENCE = 30
"""Seconds of a processor that no case may take."""
LONGEST = 1_000
MOST_WRITTEN = 2_000
EVENTS = 5
DEEPEST = 8


def nested(levels: int, *, as_list: bool) -> Any:  # noqa: ANN401  # any YAML value
    value: Any = 1
    for _ in range(levels):
        value = [value] if as_list else {"a": value}
    return value


NUMBERS = [
    *(0, 1, 2, 3, -1, 5, 100, 1000, 10_000, 100_000, 10**6, 10**9, 2**31, 2**53, 2**63, 2**127, 10**400, -(10**400)),
    *(-0.0, 0.5, 0.999999, 1e-6, 1e-9, 5e-324, 1e-300, 1e12, 1e18, 1e100, 1e308, -1e308),
    *(float("nan"), float("inf"), float("-inf"), 3_155_760_000.0),
]
TEXTS = [
    *(
        "",
        " ",
        "x" * 10_000,
        "\ud800",
        "a\ud800b",
        "\u202eabc",
        "e\u0301" * 3,
        "a\x00b",
        "a\nb",
        "\r",
        "\x1b[31m",
        "null",
        "true",
        "1e5",
    ),
    *(
        "`",
        "'",
        '"',
        "\\",
        "../..",
        "/etc/passwd",
        "a/../../b",
        "$(x)",
        "${x}",
        "<script>alert(1)</script>",
        "</script>",
        "%s",
        "%d",
    ),
    *(
        "%d%d",
        "%9999999999d",
        "%1000000d",
        "%.99999d",
        "%",
        "{}",
        "[/x]",
        "00:00:01",
        "9" * 5000 + ":00:00",
        "append",
        "none",
        "gbm",
    ),
    *("2025-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2025-01-01T00:00:00+00:00:00.000001"),
]
OTHERS = [
    *(
        None,
        True,
        False,
        {},
        [],
        [None],
        {"": 1},
        {1: 2},
        {None: 1},
        {True: False},
        {"\ud800": 1},
        {"a\nb": {}},
        {"_target_": "os.system"},
    ),
    *({"kind": None}, {"kind": "gbm"}, {"kind": []}, {"kind": {}}, {"kind": 1}, {"kind": "x" * 10_000}),
    *({"uniform": [1, 2]}, {"uniform": [2, 1]}, {"uniform": []}, {"uniform": [float("nan"), 1]}, {"uniform": [0, 1], "x": 1}),
    *(nested(50, as_list=False), nested(500, as_list=False), nested(500, as_list=True), [1] * 10_000, [""] * 3000),
    *({str(number): number for number in range(3000)}, [[0.5] * 40] * 40, b"bytes", (1, 2), {1, 2}, object),
]
KEYS = ["x", "_target_", "kind", "", 1, None, True, "a" * 10_000, "\ud800", "a.b", "a\nb", "[key]", "number", "drawn"]


def options() -> list[list[str]]:
    """The default, every scenario, markets with all that a user may add, and every option of every group beside others."""
    groups = {path.name: sorted(path.glob("*.yaml")) for path in sorted(CONF.iterdir()) if path.is_dir()}
    chosen = {name: found for name, found in groups.items() if found and name not in {"scenario", "sweep", "delay", "engine"}}
    return [
        [],
        *([f"+scenario={path.stem}"] for path in groups["scenario"]),
        ["faults=[late,drop,corrupt,stall,burst,duplicate,drift]"],
        ["+symbols.tickers={A: {price: 3}, B: {tick_size: 0.5}}", "shocks=[{at: 3, target: A, move: 0.1}]"],
        ["sink=file", "output=parquet", "clock=unpaced"],
        ["engine=spark"],
        *(
            ["mode=produce", "output.mode=append", *(f"{name}={found[turn % len(found)].stem}" for name, found in chosen.items())]
            for turn in range(max(map(len, chosen.values())))
        ),
    ]


@pytest.fixture(scope="module")
def bases() -> list[dict[str, Any]]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        contents = [OmegaConf.to_container(compose("config", words), resolve=True) for words in options()]
    return [content for content in contents if isinstance(content, dict)]


Path_ = tuple[Any, ...]


def paths(node: Any, at: Path_ = ()) -> Iterator[Path_]:  # noqa: ANN401  # any YAML value
    if at:
        yield at
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    if len(at) < DEEPEST:
        for key, value in items:
            yield from paths(value, (*at, key))


def at(node: Any, path: Path_) -> Any:  # noqa: ANN401  # any YAML value
    for key in path:
        node = node[key]
    return node


def like(old: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401  # any YAML value
    """A value of the old one's kind more often than not, or nothing would come further than to the types."""
    anything = st.sampled_from([*NUMBERS, *TEXTS, *OTHERS])
    if isinstance(old, bool) or old is None:
        return st.one_of(st.sampled_from([True, False, None]), st.sampled_from(NUMBERS), anything)
    if isinstance(old, (int, float)):
        near = [old + 1, -old, old // 1000 if isinstance(old, int) else old / 1000, old * 7]
        return st.one_of(st.sampled_from(near), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS), anything)
    if isinstance(old, str):
        return st.one_of(st.sampled_from(TEXTS), st.text(max_size=8), anything)
    return anything


def changed(node: Any, path: Path_, change: Callable[[Any, Any], None]) -> Any:  # noqa: ANN401  # any YAML value
    """A copy that is another along the path only: what is hostile is too deep to be copied whole."""
    again = node.copy()
    if len(path) == 1:
        change(again, path[0])
    else:
        again[path[0]] = changed(node[path[0]], path[1:], change)
    return again


@st.composite
def mutated(draw: st.DrawFn, bases: Callable[[], list[dict[str, Any]]]) -> dict[str, Any]:
    config = draw(st.integers(0, len(bases()) - 1).map(bases().__getitem__))
    for _ in range(draw(st.sampled_from([1, 1, 2, 2, 3, 4]))):
        found = list(paths(config))
        leaves = [path for path in found if not isinstance(at(config, path), (dict, list))]
        if not found:
            break
        chosen = draw(st.sampled_from(found if draw(st.integers(0, 9)) == 0 or not leaves else leaves))
        what = draw(st.integers(0, 19))
        if what == 0:
            config = changed(config, chosen, lambda parent, key: parent.__delitem__(key))
        elif what == 1 and isinstance(at(config, chosen[:-1]), dict):
            more = (draw(st.sampled_from(KEYS)), draw(like(None)))
            config = changed(config, chosen, lambda parent, _, more=more: parent.__setitem__(*more))  # type: ignore[misc]
        else:
            other = draw(like(at(config, chosen)))
            config = changed(config, chosen, lambda parent, key, other=other: parent.__setitem__(key, other))  # type: ignore[misc]
    return config


class TooSlowError(BaseException):
    """Not an `Exception`, so that nothing on the way takes it for its own."""


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError(number, frame)


@contextmanager
def bounded() -> Iterator[None]:
    before = signal.signal(signal.SIGVTALRM, _too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def sampled(plan: Plan) -> list[bytes]:
    """The first lines, as `mode=sample` has them."""
    start, left, lines = first_instant(plan), EVENTS, list[bytes]()
    payloads = Payloads(plan, start)
    for block in records_of(plan, start, EVENTS):
        records = block.present.take(slice(0, left))
        for line, damage in zip(payloads.lines(records), records.damage.tolist(), strict=True):
            assert damage or json.loads(line)
            lines.append(line)
        left = EVENTS - len(lines)
        if not left:
            break
    return lines


def check_told(error: BadConfigError) -> None:
    for fault in error.faults:
        assert fault.isprintable(), fault
        assert len(fault) <= LONGEST, fault
        assert re.match(r"[^ =:][^=:]*(=.*)?: .", fault), fault  # a key, its value, what is allowed
        assert "x" * 200 not in fault
        assert "Input should" not in fault, fault  # pydantic's words


def tried(config: dict[str, Any], folder: Path) -> str:
    """The command line's way from a composed configuration to events."""
    with bounded():
        try:
            plan = compile_plan(read_specification(config, CHECKS))
        except BadConfigError as error:
            check_told(error)
            return "refused"
        assert len(canonical(plan.model_dump(mode="json"))) > LONGEST
        if len(plan.market.symbols) <= MOST_WRITTEN:  # a hundred thousand take 10 s, as they may
            write_plan(plan, folder / "plan.json")
            assert read_plan(folder / "plan.json") == plan
            sampled(plan)
        return "accepted"


def test_any_configuration_is_refused_in_lines_or_runs(bases: list[dict[str, Any]], tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()

    phases = (Phase.generate, Phase.shrink)  # to explain a failure takes longer than a case may

    @settings(max_examples=CASES, phases=phases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated(lambda: bases))
    def run(config: dict[str, Any]) -> None:
        outcomes[tried(config, tmp_path)] += 1

    run()
    assert outcomes.total() >= 2_000
    assert outcomes["accepted"] >= 100, "the mutations are too wild to come far"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["symbols.count=1000000000"], "symbols.count=1000000000: must be 100000 or less"),
        (
            ["symbols.pattern='%9999999999d'"],
            "symbols.pattern=%9999999999d: must hold one printf conversion of an integer, as SYM%03d does",
        ),
        (["symbols.pattern='%999d'"], "symbols.pattern=%999d: must give names of 256 characters at most"),
        (["symbols.pattern='%(a)d'"], "symbols.pattern=%(a)d: must hold one printf conversion of an integer, as SYM%03d does"),
        (["symbols.pattern='%*d'"], "symbols.pattern=%*d: must hold one printf conversion of an integer, as SYM%03d does"),
        (["window.slide=1e-300"], "window.slide=1e-300: must be at least one microsecond, 1e-06"),
        (
            ["window.size=1000", "window.slide=0.001"],
            "window.slide=0.001: puts an event in more than 10000 windows of window.size=1000",
        ),
        (["clock.speed=1e300"], "clock.speed=1e+300: must be 1000000000 or less"),
        (["clock.speed=1e-300"], "clock.speed=1e-300: must be 1e-06 or more"),
        (["dynamics=heston", "dynamics.reversion=5e-324"], "dynamics.reversion=5e-324: must be 1e-09 or more"),
        (
            ["halts=luld", "halts.market_wide=[[0.07,1e308]]"],
            "halts.market_wide=[[0.07, 1e+308]]: must hold pauses of 0.001 to 31557600 seconds, or null for",
        ),
        (["spark.shuffle_partitions=1000000000000"], "spark.shuffle_partitions=1000000000000: must be 2147483647 or less"),
        (["+x=1"], "x=1: no such key; allowed: mode, seed, "),
        (["event.names.price='" + "x" * 10_000 + "'"], f"event.names.price={'x' * 77}...: must be 256 characters long at most"),
    ],
    ids=lambda value: value[0][:40] if isinstance(value, list) else "",
)
def test_bounds_are_told(overrides: list[str], told: str, make_specification: Callable[..., Specification]) -> None:
    with pytest.raises(BadConfigError) as caught:
        make_specification(*overrides)
    assert caught.value.faults[0].startswith(told)


def test_many_unknown_names_are_told_quickly_and_not_all(make_specification: Callable[..., Specification]) -> None:
    names = ",".join(f"N{number}" for number in range(2000))
    with bounded(), pytest.raises(BadConfigError) as caught:
        make_specification("symbols.count=100000", "symbols.pattern='S%06d'", "faults=drop", f"faults.drop.symbols=[{names}]")
    assert len(caught.value.faults) == 20


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\u202eabc", "\ud800", "a\u2028b", "\x00"])
def test_what_would_move_the_cursor_is_escaped(text: str) -> None:
    assert printable(text).isprintable()
    assert BadConfigError(text).faults == (printable(text),)


def test_an_integer_that_python_will_not_print_is_refused(bases: list[dict[str, Any]]) -> None:
    with pytest.raises(BadConfigError) as caught:
        read_specification({**bases[0], "seed": 10**5000}, CHECKS)
    assert caught.value.faults == ("seed=int ...: must be less than 340282366920938463463374607431768211456",)


def test_letters_of_all_scripts_are_left_as_they_are() -> None:
    assert printable("Ünïcode 価格 e\u0301") == "Ünïcode 価格 e\u0301"
