"""Plans, SQL, schemas and stream digests are what they were when last looked at; `make golden` writes them again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from numpy._core import _multiarray_umath as numpy_build  # numpy has no public list of the features that it may use

from simulator.market.digest import StreamDigest
from simulator.market.stream import events_of
from simulator.plan import AggregationPlan, Plan, json_schema, write_plan

MakePlan = Callable[..., Plan]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DIGESTS = HERE / "digests.json"
SCENARIOS = sorted(path.stem for path in (ROOT / "conf" / "scenario").glob("*.yaml"))
THREE = "symbols.count=3"
# Scenarios that name their symbols, or aim at one; the others are as good with three.
WITH_THEIR_OWN_SYMBOLS = {"crypto_weekend", "earnings", "halt", "meme_squeeze", "open_rush"}
SCENARIO = {
    name: (f"+scenario={name}",) if name in WITH_THEIR_OWN_SYMBOLS else (f"+scenario={name}", THREE) for name in SCENARIOS
}
CASES = {
    "default": (THREE,),
    **SCENARIO,
    "append_session": (THREE, "window=session", "output.mode=append"),
    "compact": (THREE, "event=compact"),
    "dead_letters_kafka": (THREE, "dead_letters=kafka"),
    "file": (THREE, "sink=file"),
    "output_kafka": (THREE, "output=kafka"),
    "parquet": (THREE, "sink=file", "sink.format=parquet"),
    "tumbling_ohlc": (THREE, "window=tumbling", "metrics=ohlc"),
    "vwap": (THREE, "metrics=vwap"),
}
# Of five sectors, in the order of conf/correlation/factor.yaml.
SECTORS = [[1.0 if row == column else 0.3 / (1 + abs(row - column)) for column in range(5)] for row in range(5)]
DAYS = ("session=equity_day", "session.pre_open=1.5", "session.continuous=6.25", "session.closed=2", "session.u_shape=0.8")
STREAMS = {
    **SCENARIO,
    **{
        name: (THREE, *overrides)
        for name, overrides in {
            "default": (),
            "fixed": ("arrivals=fixed",),
            **{f"dynamics_{name}": (f"dynamics={name}",) for name in ("garch", "heston", "kou", "regime")},
            "dynamics_bates": (
                "dynamics=heston",
                "dynamics.jump_intensity=1e6",
                "dynamics.jump_mean=-0.001",
                "dynamics.jump_deviation=0.002",
                "+dynamics.symbols={SYM001:{correlation:0.4}}",
            ),
            "dynamics_gaussian_garch": ("dynamics=garch", "dynamics.degrees_of_freedom=null", "dynamics.gamma=0.02"),
            "dynamics_regime_of_kou": (
                "dynamics=regime",
                "dynamics.scope=symbol",
                "+dynamics.process={kind:kou,drift:0,volatility:0.3,jump_intensity:1e6,up_probability:0.4,up_rate:300,down_rate:200}",
                "dynamics.states=[{name:a,mean_duration:3,overrides:{}},{name:b,mean_duration:2,overrides:{up_rate:90}}]",
            ),
            "dynamics_regime_of_heston": (
                *("dynamics=regime", "dynamics@dynamics.process=heston", "dynamics.states.0.mean_duration=2"),
                *("~dynamics.states.1.overrides.volatility", "+dynamics.states.1.overrides={mean_variance:1,reversion:2e6}"),
            ),
            "dynamics_replay": ("dynamics=replay", "dynamics.path={folder}/prices.csv"),
            "dynamics_by_symbol": ("dynamics.volatility={uniform:[0.1,3]}", "+dynamics.symbols={SYM002:{drift:2000}}"),
            **{f"arrivals_{name}": (f"arrivals={name}",) for name in ("diurnal", "hawkes", "mmpp", "ramp")},
            "arrivals_levels": ("arrivals=diurnal", "arrivals.shape=levels", "arrivals.levels=[1,5,0,2]", "arrivals.period=7"),
            "arrivals_trace": ("arrivals=trace", "arrivals.path={folder}/trades.csv"),
            "correlation_factor": ("correlation=factor",),
            "correlation_sectors": ("correlation=factor", f"correlation.sectors.correlation={SECTORS}"),
            "correlation_of_volatility": (
                "correlation=factor",
                "dynamics@correlation.market.dynamics=heston",
                "dynamics=garch",
            ),
            "quotes_bid_ask": ("quotes=bid_ask", "dynamics=heston"),
            "quotes_not_published": ("quotes=bid_ask", "quotes.publish=false"),
            "volumes_lognormal": ("volumes=lognormal", "dynamics=regime", "volumes.volatility_power=2"),
            "session_equity_day": (*DAYS, "quotes=bid_ask", "arrivals=hawkes"),
            "session_exchange": ("session=exchange", "clock.start=2025-01-02T14:29:50Z"),
            "halts_luld": (
                *DAYS,
                "halts=luld",
                "dynamics.volatility=60",
                "halts.reference_window=2",
                "halts.reference_update=0.5",
                "halts.limit_state=0.3",
                "halts.pause=1",
                "halts.market_wide=[[0.07,1.5],[0.2,null]]",
                "quotes=bid_ask",
            ),
            "tick_bands": (
                "symbols.tick_bands=[{price:50,tick_size:0.05},{price:100,tick_size:0.1}]",
                "quotes=bid_ask",
                "dynamics.volatility=30",
                "symbols.lot_size=10",
            ),
            "zipf": ("symbols.weights.kind=zipf", "arrivals=fixed"),
            "shocks": (
                "correlation=factor",
                "shocks=[{at:'00:00:03',move:-0.08,over:5,recover:0.5,recover_over:4},{at:6,target:energy,move:0.1},{at:9,rate:0,rate_over:2}]",
            ),
        }.items()
    },
}
_DIGESTS_OF_FILES = """
import sys
from pathlib import Path
from simulator.market.digest import StreamDigest
from simulator.market.stream import events_of
from simulator.plan import read_plan
for path in sys.argv[1:]:
    plan = read_plan(Path(path))
    digest = StreamDigest([symbol.name for symbol in plan.market.symbols])
    for events in events_of(plan):
        digest.update(events)
    print(Path(path).stem, digest.hexdigest())
"""


def agree(path: Path, text: str) -> None:
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.fixture(scope="module")
def stream_plans(make_plan: MakePlan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    folder = tmp_path_factory.mktemp("recorded")
    walk = [100.0, 100.3, 99.1, 104.7, 90.2, 91.0]
    prices = "".join(f"{2.5 * number},{price}\n" for number, price in enumerate(walk))
    (folder / "prices.csv").write_text(f"time,price\n{prices}", encoding="utf-8")
    trades = "".join(f"{number * number / 64}\n" for number in range(40))
    (folder / "trades.csv").write_text(f"time\n{trades}", encoding="utf-8")
    return {
        name: make_plan("clock=unpaced", "duration=20", *(override.replace("{folder}", str(folder)) for override in overrides))
        for name, overrides in STREAMS.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_the_plan_and_its_sql(name: str, make_plan: MakePlan) -> None:
    plan = make_plan(*CASES[name])
    content = json.dumps(plan.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    agree(HERE / "plans" / f"{name}.json", content)
    assert plan.aggregation is not None
    views = [*plan.aggregation.views, plan.aggregation.dead_letters]
    agree(HERE / "plans" / f"{name}.sql", "\n".join(f"-- {view.view}\n{view.sql};\n" for view in views))


def test_no_golden_plan_is_left_over() -> None:
    assert {path.stem for path in (HERE / "plans").iterdir()} == set(CASES)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        pytest.param("simulator/plan.schema.json", json_schema, id="plan"),
        pytest.param("pipelines/aggregation.schema.json", AggregationPlan.model_json_schema, id="aggregation"),
    ],
)
def test_the_schema_beside_the_code_is_that_of_the_models(path: str, schema: Callable[[], dict[str, object]]) -> None:
    agree(ROOT / path, json.dumps(schema(), indent=2, sort_keys=True) + "\n")


def test_every_process_has_a_digest(stream_plans: dict[str, Plan]) -> None:
    markets = [plan.market for plan in stream_plans.values()]
    for group in ("dynamics", "arrivals", "correlation", "volumes", "quotes", "halts"):
        options = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        assert {getattr(market, group).kind for market in markets} == options


def test_the_streams_digests(stream_plans: dict[str, Plan]) -> None:
    digests = {}
    for name, plan in stream_plans.items():
        digest = StreamDigest([symbol.name for symbol in plan.market.symbols])
        for events in events_of(plan):
            digest.update(events)
        digests[name] = digest.hexdigest()
    agree(DIGESTS, json.dumps(digests, indent=1, sort_keys=True) + "\n")


def test_the_digests_do_not_depend_on_the_processors_vector_units(stream_plans: dict[str, Plan], tmp_path: Path) -> None:
    for name, plan in stream_plans.items():
        write_plan(plan, tmp_path / f"{name}.json")
    enabled = [name for name in numpy_build.__cpu_dispatch__ if numpy_build.__cpu_features__[name]]
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", _DIGESTS_OF_FILES, *(str(tmp_path / f"{name}.json") for name in stream_plans)],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(enabled)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    assert dict(line.split() for line in result.stdout.splitlines()) == json.loads(DIGESTS.read_text(encoding="utf-8"))
