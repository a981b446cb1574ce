"""Whatever a user gets wrong is told in one clear line a fault; and the YAML files are what the code reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.diagnosis import suggestion
from simulator.errors import BadConfigError
from simulator.market.arrivals import ARRIVALS
from simulator.market.dynamics import DYNAMICS
from simulator.overrides import diagnose
from simulator.schema import Specification

Make = Callable[..., Specification]

ROOT = Path(__file__).resolve().parent.parent.parent
CONF = ROOT / "conf"
OPTIONS = sorted(path for path in CONF.glob("*/*.yaml") if path.parent.name not in {"scenario", "sweep"})
FILES = sorted(CONF.rglob("*.yaml"))
EQUITIES = "symbols=equities"
GRID = "step, seconds_per_year, symbols, kind"
HESTON = (
    "drift, reversion, mean_variance, vol_of_variance, correlation, initial_variance, jump_intensity, jump_mean, jump_deviation"
)


def faults(make_specification: Make, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(BadConfigError) as caught:
        make_specification(*overrides)
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        # Unknown keys
        (["+windw=3"], "windw=3: no such key; did you mean window?; allowed: "),
        (
            ["+symbols.tickers.A.prize=3"],
            "symbols.tickers.A.prize=3: no such key; did you mean price?; allowed: price, tick_size, mean_volume, weight, rate",
        ),
        (
            ["dynamics.kind=gmb"],
            "dynamics.kind=gmb: must be one of 'gbm', 'ou', 'jump', 'kou', 'heston', 'garch', 'regime', 'replay'",
        ),
        (["mode=nope"], "mode=nope: must be 'run', 'plan', "),
        (["metrics.names=[volum]"], "metrics.names=['volum']: holds unknown volum; did you mean volume?; allowed: avg_price, "),
        (["~seed"], "seed: is missing"),
        # The engine
        (["engine=spark", "sink=stdout", "mode=produce"], "sink.kind=stdout: must be kafka for engine.kind=spark"),
        (["engine=spark", "sink.workers=2"], "sink.workers=2: must be 1 for engine.kind=spark; take engine.workers"),
        (
            ["engine=spark", "engine.workers=5"],
            "engine.workers=5: must not exceed sink.partitions=4; a partition has one writer",
        ),
        (["engine=spark", "engine.span=6"], "engine.span=6: must not be more than half of window.watermark=10"),
        (["engine=spark", "window.watermark=0"], "window.watermark=0: must be at least 0.2 for engine.kind=spark"),
        (
            ["engine=spark", "engine.state=states"],
            "engine.state=states: must be an absolute path or a URI such as file:///mnt/shared/states or hdfs://host:port/states",
        ),
        (
            ["engine=spark", "engine.master=yarn"],
            "engine.state=null: must be the URI of a folder that all executors reach, for engine.master=yarn",
        ),
        (["engine=spark", "engine.master=mesos"], "engine.master=mesos: "),
        (
            ["engine=spark", "+engine.conf.spark.x=[1]"],
            "engine.conf={'spark': {'x': [1]}}: must map names of properties to texts, numbers or true and false",
        ),
        # Keys of the chosen option only
        (
            ["+dynamics.volatilty=1"],
            f"dynamics.volatilty=1: no such key; did you mean volatility?; allowed: {GRID}, drift, volatility",
        ),
        (["dynamics=heston", "+dynamics.volatility=1"], f"dynamics.volatility=1: no such key; allowed: {GRID}, {HESTON}"),
        (
            ["dynamics=regime", "+dynamics.process.volatilty=1"],
            f"dynamics.process.volatilty=1: no such key; did you mean volatility?; allowed: {GRID}, drift, volatility",
        ),
        (
            ["correlation=factor", "+correlation.market.dynamics.drit=1"],
            f"correlation.market.dynamics.drit=1: no such key; did you mean drift?; allowed: {GRID}, drift, volatility",
        ),
        (
            ["correlation=factor", "+correlation.market.bta=1"],
            "correlation.market.bta=1: no such key; did you mean beta?; allowed: beta, dynamics",
        ),
        (["arrivals=hawkes", "+arrivals.depth=1"], "arrivals.depth=1: no such key; allowed: rate, kind, branching, decay"),
        (
            ["session=exchange", "+session.days=3"],
            "session.days=3: no such key; allowed: u_shape, pre_open, opening_auction, closing_auction, kind, calendar",
        ),
        (
            ["sink=file", "+sink.topic=x"],
            "sink.topic=x: no such key; allowed: kind, format, path, seconds_per_file",
        ),
        (["+symbols.tickers.price.prize=3"], "symbols.tickers.price.prize=3: no such key; did you mean price?; allowed: "),
        # Types
        (["rate=fast"], "rate=fast: must be a number"),
        (["rate=nan"], "rate=nan: must be a finite number"),
        (["seed=1.5"], "seed=1.5: must be an integer"),
        (["seed=true"], "seed=true: must be an integer"),
        (["run=3"], "run=3: must be text"),
        (["sink.idempotence=3"], "sink.idempotence=3: must be true or false"),
        (["metrics.names=volume"], "metrics.names=volume: must be a list"),
        (["+symbols.tickers.A=3"], "symbols.tickers.A=3: must be a mapping of names to values"),
        (["clock.start=yesterday"], "clock.start=yesterday: must be an RFC 3339 time in UTC such as 2025-01-02T14:30:00Z"),
        # Ranges
        (["rate=-1"], "rate=-1: must be more than 0"),
        (["seed=-1"], "seed=-1: must be 0 or more"),
        (["window.size=0"], "window.size=0: must be more than 0"),
        (["broker.port=70000"], "broker.port=70000: must be 65535 or less"),
        (["sink.acks=2", "sink.idempotence=false"], "sink.acks=2: must be 'all', 0 or 1"),
        (["rate=1e-9"], "rate=1e-09: leaves a symbol with 1e-11 events/s; at least 1e-06 are needed"),
        (["symbols.tick_size=1000"], "symbols.price=100: must be at least one tick, tick_size=1000"),
        (
            ["clock=unpaced", "clock.speed=2"],
            "clock.speed=2: must be null for clock.kind=unpaced, and a number > 0 for the others",
        ),
        (["clock.speed=null"], "clock.speed=null: must be null for clock.kind=unpaced, and a number > 0 for the others"),
        # Symbols
        (["symbols.count=0"], "symbols.tickers={}: needs at least one symbol here when symbols.count=0"),
        (["symbols.pattern=X"], "symbols.pattern=X: must hold one printf conversion of an integer, as SYM%03d does"),
        (["+symbols.tickers.SYM001={}"], "symbols.tickers.SYM001: is also a name of symbols.pattern=SYM%03d"),
        ([EQUITIES, "symbols.tickers.AAPL.weight=0.3"], ": the weights sum to 1.1; they must sum to 1"),
        ([EQUITIES, "~symbols.tickers.AAPL.weight"], ": 7 of 8 symbols have a weight; give all of them one, or none"),
        ([EQUITIES, "+symbols.tickers.AAPL.rate=3"], ": 1 of 8 symbols have a rate; give all of them one, or none"),
        (["symbols.count=0", "+symbols.tickers.A.rate=3"], "rate=100: must be null when the symbols have their own rates"),
        (["rate=null"], "rate=null: must be a number > 0, or each symbol needs its own symbols.tickers.*.rate"),
        # Kafka
        (["topic=a/b"], "topic=a/b: must match ^[a-zA-Z0-9._-]{1,249}$"),
        (["topic=.."], "sink.topic=..: is a name that Kafka refuses"),
        (["sink.acks=1"], "sink.idempotence=true: needs sink.acks=all; set sink.idempotence=false for weaker acknowledgements"),
        (
            ["output=kafka", "output.topic=ticks"],
            "output.topic=ticks: must differ from sink.topic, or the job would read its own output",
        ),
        (["dead_letters=kafka", "dead_letters.topic=ticks"], "dead_letters.topic=ticks: must differ from sink.topic"),
        (
            ["dead_letters=kafka", "output=kafka", "dead_letters.topic=ticks-windows"],
            "dead_letters.topic=ticks-windows: must differ from output.topic",
        ),
        (["broker=external", "broker.bootstrap_servers=foo"], "broker.bootstrap_servers=foo: must match "),
        # Spark
        (["window.slide=20"], "window.slide=20: must not be more than window.size=10, or events would fall in no window"),
        (
            ["window=session"],
            "output.mode=update: must be append for window.kind=session (Spark has no update mode for session windows)",
        ),
        # Names
        (["metrics.names=[volume,volume]"], "metrics.names=['volume', 'volume']: must not name a metric twice"),
        (["metrics.names=[]"], "metrics.names=[]: must not be empty"),
        (["event.names.seq=SYMBOL"], ": must be distinct, also without regard to case"),
        # All prices are whole numbers of the finest tick's last place
        (
            ["+symbols.tickers.SHIB={price:1e-6,tick_size:1e-14}"],
            "symbols.tickers.SHIB.tick_size=1e-14: must have fewer decimal places beside a price of 100; at most 10 is exact",
        ),
        (
            ["symbols.tick_size=1e-8", "symbols.price=1", "symbols.tick_bands=[{price:1e8,tick_size:1}]"],
            "symbols.tick_size=1e-08: must have fewer decimal places beside a price of 1e+08; at most 1e+07 is exact",
        ),
        (
            ["symbols.price=1e-20", "symbols.tick_size=1e-23"],
            "symbols.tick_size=1e-23: must not have more than 22 decimal places",
        ),
        # Bursts, the rates of which multiply where they overlap
        (
            ["duration=3155760000", "shocks=[{at:0,rate:3,rate_over:3155760000.0}]"],
            "shocks: the run comes to more than 4.61e+09 s worth of usual activity, which cannot be counted",
        ),
        (
            ["shocks=[{at:0,rate:1e6,rate_over:9},{at:0,rate:1e6,rate_over:9}]"],
            "shocks: the run comes to more than 4.61e+09 s worth of usual activity, which cannot be counted",
        ),
        (
            [f"shocks=[{','.join(['{at:0,rate:1e6,rate_over:9}'] * 60)}]"],
            "shocks: the run comes to more than 4.61e+09 s worth of usual activity, which cannot be counted",
        ),
        (
            ["arrivals=ramp", "arrivals.growth=1000", "arrivals.span=60", "duration=3155760000"],
            "arrivals.kind=ramp: the run comes to more than 4.61e+09 s worth of usual activity, which cannot be counted",
        ),
        # Modes
        (["duration=null"], "duration=null: must be a number > 0 for mode=run; null is for mode=produce"),
        (["sink=stdout"], "sink.kind=stdout: nothing can be aggregated from standard output; use mode=produce or mode=sample"),
        (["mode=aggregate", "sink=file"], "sink.kind=file: must be kafka for mode=aggregate"),
        (["mode=broker", "broker=external"], "broker.kind=external: must be embedded for mode=broker"),
        (["mode=verify"], "run=null: mode=verify needs run=DIR, the directory of a finished run"),
        (["results=/nope.csv"], "results=/nope.csv: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_input_gives_one_line(overrides: list[str], line: str, make_specification: Make) -> None:
    (fault,) = faults(make_specification, *overrides)
    if line.startswith(": "):  # the value is a long mapping, which is cut
        assert re.match(r"[a-z_.]+=\{.*: ", fault)
        assert fault.endswith(line)
    elif line.endswith((": ", ", ")) or "match " in line:
        assert fault.startswith(line)
    else:
        assert fault == line


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "dynamics.states.1.nam=x",
            "dynamics.states.1.nam=x: no such key; did you mean name?; allowed: mean_duration, name, overrides",
        ),
        (
            "dynamics.states.1.overrides={drift: 1}",
            "dynamics.states.1.overrides={'drift': 1}: has names that are not there yet; they are added with a plus: ",
        ),
        ("dynamics.process.volatilty=1", "dynamics.process.volatilty=1: no such key; did you mean volatility?; allowed: drift, "),
    ],
)
def test_a_key_that_hydra_refuses_is_told_its_neighbours(override: str, line: str) -> None:
    (fault,) = diagnose(["dynamics=regime", override], str(CONF), ValueError("refused"))
    assert fault.startswith(line)


@pytest.mark.parametrize(
    "overrides",
    [
        ["shocks=[{at:6,rate:3,rate_over:3155760000.0}]"],  # it ends long after the run
        ["duration=3e9", "shocks=[{at:2.5e9,rate:2,rate_over:60},{at:3e9,rate:0.5,rate_over:60}]"],
        [
            "arrivals=ramp",
            "arrivals.growth=1000",
            "shocks=[{at:0,rate:0,rate_over:3155760000},{at:3155760000,rate:0,rate_over:9}]",
        ],
        [f"shocks=[{','.join(['{at:0,rate:1e6,rate_over:9}'] * 60)},{{at:0,rate:0,rate_over:9}}]"],
        ["symbols.count=0", "+symbols.tickers.SHIB={price:1e-6,tick_size:1e-14}", "rate=1"],
    ],
)
def test_what_can_be_counted_is_allowed(overrides: list[str], make_specification: Make) -> None:
    make_specification(*overrides)


def test_all_faults_are_told_at_once(make_specification: Make) -> None:
    told = faults(make_specification, "seed=1.5", "rate=0", "window.size=-1", "+dynamics.volatilty=1", "topic=a/b", "sink.acks=1")
    assert [fault.split("=")[0] for fault in told] == [
        "seed",
        "rate",
        "topic",
        "dynamics.volatilty",
        "sink.idempotence",
        "window.size",
    ]


def test_all_faults_of_keys_together_are_told_at_once(make_specification: Make) -> None:
    apart = ("duration=null", "window=session", "symbols.tick_size=1000", "results=/nope.csv", "session=exchange")
    told = faults(make_specification, *apart)
    assert [fault.split("=")[0] for fault in told] == ["symbols.price", "session.kind", "duration", "results", "output.mode"]


@pytest.mark.parametrize("value", ["x" * 1000, '"a\\nb"', '"\\x1b[31m"'])
def test_a_value_is_shown_on_one_short_printable_line(value: str, make_specification: Make) -> None:
    (fault,) = faults(make_specification, f"topic={value}")
    assert fault.isprintable()
    assert len(fault) < 150


def test_no_end_is_allowed_where_nothing_waits_for_it(make_specification: Make) -> None:
    assert make_specification("mode=produce", "duration=null").duration is None


def test_numbers_of_the_command_line_keep_their_value(make_specification: Make) -> None:
    specification = make_specification(
        "rate=500", "seed=340282366920938463463374607431768211455", "window.size=0.000001", "window.slide=1e-6"
    )
    assert (specification.rate, specification.arrivals.rate) == (500.0, 500.0)
    assert specification.seed == 2**128 - 1


def test_weaker_acknowledgements_are_allowed_without_idempotence(make_specification: Make) -> None:
    assert make_specification("sink.acks=1", "sink.idempotence=false").sink.kind == "kafka"


def test_a_suggestion_needs_a_near_word() -> None:
    assert suggestion("volatilty", ["volatility", "drift"]) == "; did you mean volatility?"
    assert not suggestion("xyz", ["volatility", "drift"])


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_every_option_of_every_group_is_valid(path: Path, make_specification: Make, tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.csv"
    recorded.write_text("time,price\n0,100\n1,101\n3,102\n", encoding="utf-8")
    extra = {
        "window=session": ["output.mode=append"],
        "session=exchange": ["clock=unpaced"],
        "arrivals=trace": [f"arrivals.path={recorded}"],
        "dynamics=replay": [f"dynamics.path={recorded}"],
    }
    option = f"{path.parent.name}={path.stem}"
    if path.parent.name == "delay":  # of a fault
        make_specification("faults=late", f"delay@faults.late.{option}")
        return
    make_specification("mode=produce", option, *extra.get(option, []))


@pytest.mark.parametrize("path", sorted((CONF / "scenario").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_is_valid_with_every_window_and_clock(path: Path, make_specification: Make) -> None:
    make_specification(f"+scenario={path.stem}")
    window = ["window=tumbling"] if path.stem == "edge_cases" else ["window=session"]  # sessions have no edges to aim at
    make_specification(f"+scenario={path.stem}", *window, "output.mode=append", "clock=unpaced")


def test_scenarios_stack(make_specification: Make) -> None:
    specification = make_specification("+scenario=[open_rush,volatile]")
    assert specification.dynamics.kind == "jump"
    assert specification.dynamics.volatility == 0.9
    assert specification.metrics.names == ["open", "high", "low", "close", "volume", "msg_ct"]


# Modules beside the processes: what they share.
HELPERS = {"__init__", "base", "processes", "variance", "compound"}


@pytest.mark.parametrize(("group", "table"), [("dynamics", DYNAMICS), ("arrivals", ARRIVALS)], ids=["dynamics", "arrivals"])
def test_each_process_has_a_file_a_module_and_an_entry_of_one_name(group: str, table: dict[str, object]) -> None:
    files = {path.stem for path in (CONF / group).glob("*.yaml")}
    modules = {path.stem for path in (ROOT / "simulator" / "market" / group).glob("*.py")} - HELPERS
    assert files == modules == set(table)
    for name in files:
        assert re.search(rf"^kind: {name} ", (CONF / group / f"{name}.yaml").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_yaml_says_what_it_is_and_what_each_key_means(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    title = lines[1] if lines[0] == "# @package _global_" else lines[0]
    assert re.match(r"# \S.{10,}", title)
    assert uncommented_keys(lines) == []


def uncommented_keys(lines: list[str]) -> list[str]:
    """Keys with a value and no comment, but for Hydra's own and the tables of tickers."""
    found, skipped = [], None
    for line in lines:
        match = re.match(r"( *)([\w.]+):(?: +([^#\s][^#]*))?( *#.*)?$", line)
        depth = len(line) - len(line.lstrip())
        if skipped is not None and (depth > skipped or not line.strip()):
            continue
        skipped = None
        if match is None:
            continue
        _, key, value, comment = match.groups()
        if key in {"defaults", "hydra", "tickers"} and not value:
            skipped = depth
        elif value and not comment:
            found.append(key)
    return found


def test_a_key_without_a_comment_is_found() -> None:
    assert uncommented_keys(["a: 1  # what", "b: 2", "c:", "  d: x", "hydra:", "  e: 1", "", "f: 1"]) == ["b", "d", "f"]


def test_no_code_is_named_in_the_configuration() -> None:
    for path in FILES:
        content = path.read_text(encoding="utf-8").split("\nhydra:")[0]
        assert "_target_" not in content, path


def test_spark_properties_keep_their_dots(make_specification: Callable[..., Specification]) -> None:
    properties = make_specification("+spark.conf.spark.driver.memory=2g", "+spark.conf.spark.ui.port=4050").spark.conf
    assert properties == {"spark.driver.memory": "2g", "spark.ui.port": 4050}


def test_a_spark_property_without_a_value_is_one_fault(make_specification: Callable[..., Specification]) -> None:
    with pytest.raises(BadConfigError) as caught:
        make_specification("+spark.conf.spark.driver.memory=null")
    (fault,) = caught.value.faults
    assert fault.startswith("spark.conf=")
    assert "names of properties" in fault
