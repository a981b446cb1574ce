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
CASES = {
    "default": (THREE,),
    **{name: (f"+scenario={name}",) if name == "open_rush" else (f"+scenario={name}", THREE) for name in SCENARIOS},
    "append_session": (THREE, "window=session", "output.mode=append"),
    "compact": (THREE, "event=compact"),
    "file": (THREE, "sink=file"),
    "output_kafka": (THREE, "output=kafka"),
    "parquet": (THREE, "sink=file", "sink.format=parquet"),
    "tumbling_ohlc": (THREE, "window=tumbling", "metrics=ohlc"),
    "vwap": (THREE, "metrics=vwap"),
}
STREAMS = {
    "default": (),
    "fixed": ("arrivals=fixed",),
    **{name: (f"+scenario={name}",) for name in SCENARIOS},
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


def stream_plans(make_plan: MakePlan) -> dict[str, Plan]:
    common = ("clock=unpaced", "duration=20")
    return {
        name: make_plan(*overrides, *common, *(() if name == "open_rush" else (THREE,))) for name, overrides in STREAMS.items()
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


def test_the_streams_digests(make_plan: MakePlan) -> None:
    digests = {}
    for name, plan in stream_plans(make_plan).items():
        digest = StreamDigest([symbol.name for symbol in plan.market.symbols])
        for events in events_of(plan):
            digest.update(events)
        digests[name] = digest.hexdigest()
    agree(DIGESTS, json.dumps(digests, indent=1, sort_keys=True) + "\n")


def test_the_digests_do_not_depend_on_the_processors_vector_units(make_plan: MakePlan, tmp_path: Path) -> None:
    plans = stream_plans(make_plan)
    for name, plan in plans.items():
        write_plan(plan, tmp_path / f"{name}.json")
    enabled = [name for name in numpy_build.__cpu_dispatch__ if numpy_build.__cpu_features__[name]]
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", _DIGESTS_OF_FILES, *(str(tmp_path / f"{name}.json") for name in plans)],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(enabled)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    assert dict(line.split() for line in result.stdout.splitlines()) == json.loads(DIGESTS.read_text(encoding="utf-8"))
