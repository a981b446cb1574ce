"""Laws of all arrival processes: cut as one likes, each symbol apart from the others, at their rate; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.errors import BadConfigError
from simulator.market.arrivals import ARRIVALS, Arrivals, arrival_process
from simulator.market.arrivals.base import ArrivalProcess
from simulator.market.arrivals.diurnal import Diurnal
from simulator.market.arrivals.fixed import Fixed
from simulator.market.arrivals.hawkes import Hawkes
from simulator.market.arrivals.mmpp import MarkovModulated
from simulator.market.arrivals.poisson import Poisson, PoissonArrivals
from simulator.market.arrivals.ramp import Ramp
from simulator.market.arrivals.trace import Trace
from simulator.market.intensity import Burst, constant, u_shape
from simulator.parameters import NANOSECONDS
from simulator.schema import Specification

Integers = NDArray[np.int64]

NAMES = ["AAA", "BBB", "CCC", "DDD"]
RATES = {"AAA": 20.0, "BBB": 7.5, "CCC": 133.3, "DDD": 0.4, "NEW": 55.0}
SPAN = 30 * NANOSECONDS
INTENSITIES = {
    "none": None,
    "bursts": constant().with_bursts(
        [Burst(3 * NANOSECONDS, 5 * NANOSECONDS, 9.0), Burst(8 * NANOSECONDS, 12 * NANOSECONDS, 0.0)]
    ),
    "u": u_shape(1.0, 10 * NANOSECONDS),
}

few = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**128 - 1)


@pytest.fixture(scope="session")
def parameters_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrivals]:
    """Parameters of each kind."""
    path = tmp_path_factory.mktemp("trace") / "trades.parquet"
    generator = np.random.default_rng(3)
    recorded = np.sort(generator.random(500) * 7.0)
    pl.DataFrame({"t": recorded, "who": generator.choice(NAMES, 500)}).write_parquet(path)
    return {
        "fixed": Fixed(kind="fixed", rate=100.0),
        "poisson": Poisson(kind="poisson", rate=None),
        "ramp": Ramp(kind="ramp", rate=None, growth=5.0, span=10.0),
        "diurnal": Diurnal(kind="diurnal", rate=None, shape="levels", depth=0.0, levels=[1.0, 0.0, 4.0], period=5.0),
        "hawkes": Hawkes(kind="hawkes", rate=None, branching=0.7, decay=2.0),
        "mmpp": MarkovModulated(kind="mmpp", rate=None, burst_factor=10.0, burst_duration=0.5, calm_duration=2.0),
        "trace": Trace(kind="trace", rate=None, path=str(path), time="t", symbol="who", speed=None, loop=True, sha256=None),
        "trace without symbols": Trace(
            kind="trace", rate=None, path=str(path), time="t", symbol=None, speed=2.0, loop=True, sha256=None
        ),
    }


KINDS = [*ARRIVALS, "trace without symbols"]
kinds = pytest.mark.parametrize("kind", KINDS)


def made(
    parameters: Arrivals, seed: int, *, names: list[str] = NAMES, intensity: str = "none", rotating: bool = False
) -> ArrivalProcess:
    rates = np.array([RATES[name] for name in names])
    return arrival_process(
        parameters, names, rates, rotating=rotating, duration_ns=SPAN, seed=seed, intensity=INTENSITIES[intensity]
    )


def read(process: ArrivalProcess, names: list[str], ends: list[int]) -> dict[str, list[int]]:
    """Each symbol's times, asked for piece by piece."""
    found: dict[str, list[int]] = {name: [] for name in names}
    begin = 0
    for end in ends:
        piece = process.until(end)
        assert piece.times.size == piece.counts.sum()
        assert piece.counts.dtype == piece.times.dtype == np.int64
        if piece.times.size:
            assert begin <= piece.times.min()
            assert piece.times.max() < end
        for name, times in zip(names, np.split(piece.times, np.cumsum(piece.counts)[:-1]), strict=True):
            found[name] += times.tolist()
        begin = max(begin, end)
    return found


def test_each_kind_is_here(parameters_of: dict[str, Arrivals]) -> None:
    assert set(parameters_of) == set(KINDS)
    assert all(kind.startswith(parameters.kind) for kind, parameters in parameters_of.items())


@kinds
@pytest.mark.parametrize("intensity", INTENSITIES)
@few
@given(seed=seeds, cuts=st.lists(st.integers(0, SPAN), max_size=12), rotating=st.booleans())
def test_pieces_do_not_change_the_process(
    kind: str,
    intensity: str,
    seed: int,
    cuts: list[int],
    rotating: bool,  # noqa: FBT001  # a fixture of hypothesis
    parameters_of: dict[str, Arrivals],
) -> None:
    parameters = parameters_of[kind]
    whole = read(made(parameters, seed, intensity=intensity, rotating=rotating), NAMES, [SPAN])
    pieces = read(made(parameters, seed, intensity=intensity, rotating=rotating), NAMES, [*sorted(cuts), SPAN, SPAN])
    assert pieces == whole
    assert sum(map(len, whole.values())) > 100
    for times in whole.values():
        assert times == sorted(times)


@kinds
def test_many_small_pieces_do_not_change_the_process(kind: str, parameters_of: dict[str, Arrivals]) -> None:
    ends = list(range(0, SPAN, 10_000_019))
    whole = read(made(parameters_of[kind], 5), NAMES, [ends[-1]])
    assert read(made(parameters_of[kind], 5), NAMES, ends) == whole


def test_a_draw_that_falls_short_is_drawn_again() -> None:
    # About one draw in 5,000 does not reach the end that it was made for; 20,000 are made.
    names = [f"S{number}" for number in range(200)]
    whole, pieces = (PoissonArrivals(names, np.full(200, 1000.0), 1) for _ in range(2))
    for end in range(10, 101, 10):
        counts = sum(pieces.until(second * NANOSECONDS).counts for second in range(end - 9, end + 1))
        assert np.array_equal(counts, whole.until(end * NANOSECONDS).counts)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "trace without symbols"])
@few
@given(seed=seeds, place=st.integers(0, len(NAMES)))
def test_a_further_symbol_leaves_the_others_times_alone(
    kind: str, seed: int, place: int, parameters_of: dict[str, Arrivals]
) -> None:
    parameters = parameters_of[kind]
    if isinstance(parameters, Trace):  # a further symbol changes the market's rate, and with it a trace's own choice of speed
        parameters = parameters.model_copy(update={"speed": 1.5})
    more = [*NAMES[:place], "NEW", *NAMES[place:]]
    before = read(made(parameters, seed), NAMES, [SPAN // 2, SPAN])
    after = read(made(parameters, seed, names=more), more, [SPAN])
    assert {name: after[name] for name in NAMES} == before


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"fixed", "trace"}])
def test_another_seed_gives_other_times(kind: str, parameters_of: dict[str, Arrivals]) -> None:
    assert read(made(parameters_of[kind], 1), NAMES, [SPAN]) != read(made(parameters_of[kind], 2), NAMES, [SPAN])


@kinds
def test_the_symbols_are_unlike(kind: str, parameters_of: dict[str, Arrivals]) -> None:
    rates = np.full(2, 10.0)
    process = (
        arrival_process(parameters_of[kind], ["AAA", "BBB"], rates, rotating=False, duration_ns=SPAN, seed=1)
        if (kind != "trace")
        else made(parameters_of[kind], 1)
    )
    piece = process.until(SPAN)
    first, second = np.split(piece.times, np.cumsum(piece.counts)[:-1])[:2]
    assert not np.array_equal(first, second)


@kinds
def test_the_mean_rate_is_honoured(kind: str, parameters_of: dict[str, Arrivals]) -> None:
    names = ["AAA", "CCC"] if kind == "trace without symbols" else NAMES
    parameters = parameters_of[kind]
    if isinstance(parameters, Trace):
        parameters = parameters.model_copy(update={"speed": None})
    span = 1000 if kind != "ramp" else 10
    total = sum(RATES[name] for name in names)
    number = made(parameters, 8, names=names).until(span * NANOSECONDS).times.size
    rates = np.array([RATES[name] for name in names])
    # Variance over mean of long counts: 1 / (1 - n)^2; 1 + 2 rate Var(level) / (sum of the rates of leaving).
    fano = {"hawkes": 1 / 0.3**2 + 0 * rates, "mmpp": 1 + 2 * rates * 0.2 * 0.8 * (9.0 / 2.8) ** 2 / 2.5}.get(
        kind, 1.0 + 0 * rates
    )
    variance = len(names) if kind in {"fixed", "trace"} else (fano * rates).sum() * span
    assert abs(number - total * span) < 4.5 * variance**0.5


def write(folder: Path, name: str, columns: dict[str, object]) -> str:
    path = folder / name
    frame = pl.DataFrame(columns)
    if name.endswith("csv"):
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return str(path)


def trace(
    path: str, *, time: str = "t", symbol: str | None = None, speed: float | None = 1.0, loop: bool = False
) -> ArrivalProcess:
    parameters = Trace(kind="trace", rate=None, path=path, time=time, symbol=symbol, speed=speed, loop=loop, sha256=None)
    return made(parameters, 1, names=["AAA", "BBB"])


def test_a_trace_is_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "trades.csv", {"t": [0.0, 0.5, 0.5, 2.25], "who": ["BBB", "AAA", "BBB", "AAA"]})
    arrivals = trace(path, symbol="who").until(10 * NANOSECONDS)
    assert arrivals.counts.tolist() == [2, 2]
    assert arrivals.times.tolist() == [500_000_000, 2_250_000_000, 0, 500_000_000]
    assert trace(path, symbol="who", speed=2.0).until(NANOSECONDS).times.tolist() == [250_000_000, 0, 250_000_000]


def test_a_trace_loops_after_its_mean_gap(tmp_path: Path) -> None:
    path = write(tmp_path, "trades.parquet", {"t": [0, 1, 2], "who": ["AAA"] * 3})
    arrivals = trace(path, symbol="who", loop=True).until(8 * NANOSECONDS)
    assert (arrivals.times // NANOSECONDS).tolist() == list(range(8))
    # 27.5 events a second of the market, one a second in the file.
    faster = trace(path, symbol="who", loop=True, speed=None).until(20_000 * NANOSECONDS - 10)
    assert faster.times.size == 550_000


def test_date_times_count_from_the_first(tmp_path: Path) -> None:
    start = datetime(2025, 1, 2, 14, 30)  # noqa: DTZ001  # as a CSV without a zone has it
    instants = [start + timedelta(milliseconds=step) for step in (0, 250, 1000)]
    for name in ("trades.csv", "trades.parquet"):
        arrivals = trace(write(tmp_path, name, {"t": instants})).until(10 * NANOSECONDS)
        assert sorted(arrivals.times.tolist()) == [0, 250_000_000, NANOSECONDS]


def test_symbols_are_drawn_by_their_shares(tmp_path: Path) -> None:
    path = write(tmp_path, "trades.parquet", {"t": np.arange(20_000) / 100.0})
    counts = trace(path).until(1000 * NANOSECONDS).counts
    share = 20.0 / 27.5
    assert counts.sum() == 20_000
    assert abs(counts[0] - 20_000 * share) < 4.5 * (20_000 * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": [1.0]}, {}, "has no column t; it has x"),
        ({"t": [1.0]}, {"symbol": "who"}, "has no column who; it has t"),
        ({"t": pl.Series([], dtype=pl.Float64)}, {}, "holds no rows"),
        ({"t": [0.0, 2.0, 1.5]}, {}, "column t must not fall, and does in row 3"),
        ({"t": [-0.5, 1.0]}, {}, "column t must hold seconds >= 0 from the start, and has -0.5 in row 1"),
        ({"t": [0.0, 1e12]}, {}, "column t must hold times within a century, and has 1e+12 s in row 2"),
        ({"t": [0.0, None]}, {}, "column t has no value in row 2"),
        ({"t": ["noon"]}, {}, "column t must hold RFC 3339 times or numbers, and has noon in row 1"),
        ({"t": [0.0, 1.0], "who": ["AAA", "ZZZ"]}, {"symbol": "who"}, "column who has ZZZ, which is no symbol of the market"),
        ({"t": [0.0], "who": [None]}, {"symbol": "who"}, "column who has no value in row 1"),
        ({"t": [1.0, 1.0]}, {"loop": True}, "column t needs two different times for arrivals.speed=null or a loop"),
        ({"t": [1.0]}, {"speed": None}, "column t needs two different times for arrivals.speed=null or a loop"),
    ],
)
def test_a_bad_trace_is_refused(tmp_path: Path, columns: dict[str, object], options: dict[str, object], message: str) -> None:
    path = write(tmp_path, "bad.parquet", columns)
    with pytest.raises(BadConfigError) as caught:
        trace(path, **options)
    assert str(caught.value) == f"arrivals.path={path}: {message}"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("t\n1\n", encoding="utf-8")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    (tmp_path / "empty.csv").write_bytes(b"")
    for name, message in [
        ("none.csv", "no such file"),
        ("text.txt", "must end in .csv or .parquet"),
        ("torn.parquet", "cannot be read as parquet: "),
        ("empty.csv", "cannot be read as csv: "),
    ]:
        with pytest.raises(BadConfigError) as caught:
            trace(str(tmp_path / name))
        assert str(caught.value).startswith(f"arrivals.path={tmp_path / name}: {message}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "override", "message"),
    [
        ("hawkes", "branching=1.0", "must be less than 1"),
        ("hawkes", "branching=-0.1", "must be 0 or more"),
        ("hawkes", "decay=0", "must be 0.001 or more"),
        ("mmpp", "burst_factor=0.5", "must be 1 or more"),
        ("mmpp", "burst_duration=0", "must be 0.001 or more"),
        ("mmpp", "calm_duration=1e12", "must be 10000000 or less"),
        ("ramp", "growth=0", "must be 0.001 or more"),
        ("ramp", "span=0", "must be 0.001 or more"),
        ("diurnal", "depth=1.5", "must be 1 or less"),
        ("diurnal", "shape=v", "must be 'u' or 'levels'"),
        ("diurnal", "period=-1", "must be 0.001 or more"),
        ("trace", "speed=0", "must be more than 0"),
        ("trace", "path=''", "must not be empty"),
    ],
)
def test_bad_parameters_are_refused(
    kind: str, override: str, message: str, make_specification: Callable[..., Specification]
) -> None:
    key, value = override.split("=")
    with pytest.raises(BadConfigError) as caught:
        make_specification(f"arrivals={kind}", f"arrivals.{override}")
    (fault,) = caught.value.faults
    assert fault.startswith(f"arrivals.{key}=")
    assert fault.endswith(f": {message}")
    if value.replace(".", "").isdigit():
        assert float(fault.split("=")[1].split(":")[0]) == float(value)


def test_levels_need_a_mean(make_specification: Callable[..., Specification]) -> None:
    for levels in ("[]", "[0,0]"):
        with pytest.raises(
            BadConfigError, match=r"arrivals.levels=.*: must hold at least one level > 0 when arrivals.shape=levels"
        ):
            make_specification("arrivals=diurnal", "arrivals.shape=levels", f"arrivals.levels={levels}")


def test_a_hawkes_process_that_memory_could_not_hold_is_refused() -> None:
    parameters = Hawkes(kind="hawkes", rate=None, branching=0.5, decay=0.001)
    with pytest.raises(
        BadConfigError, match=r"^arrivals.decay=0.001: must be 2.5 or more with arrivals.branching=0.5 at this rate"
    ):
        arrival_process(parameters, ["A"], np.full(1, 1e8), rotating=False, duration_ns=None, seed=1)


def test_a_ramp_without_an_end_is_refused() -> None:
    parameters = Ramp(kind="ramp", rate=None, growth=2.0, span=None)
    with pytest.raises(BadConfigError, match=r"arrivals.span=null: must be a number of seconds when duration=null"):
        arrival_process(parameters, ["A"], np.ones(1), rotating=False, duration_ns=None, seed=1)
