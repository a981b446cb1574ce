"""The plan: all that a run is, as frozen data that is written once, hashed, and read by both runtimes.

Canonical form: JSON with sorted keys and no spaces. `hash` is the SHA-256 of the canonical form of the rest. The plan has no
wall clock and no machine in it: the same configuration gives the same plan everywhere.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
from pydantic import Field, ValidationError

from simulator.errors import BadConfigError
from simulator.faults.model import Faults
from simulator.market.arrivals import Arrivals
from simulator.market.correlation import Correlation
from simulator.market.dynamics import Dynamics
from simulator.market.halts import Halting
from simulator.market.hours import SessionPlan
from simulator.market.quotes import QuoteParameters
from simulator.market.shocks import Shock
from simulator.market.volumes import Volumes
from simulator.parameters import Parameters

PLAN_VERSION = 1
SCHEMA_FILE = "plan.schema.json"


class SymbolPlan(Parameters):
    """One symbol of the market."""

    name: str = Field(description="the symbol, also the key of its records")
    rate: float = Field(description="mean events per simulated second")
    opening_ticks: float = Field(description="opening price in ticks, not rounded")
    tick: int = Field(description="the tick in units of 10^-price_decimals")
    mean_volume: float = Field(description="mean size of a trade, shares")


class MarketPlan(Parameters):
    """What happens in the market."""

    price_decimals: int = Field(description="prices are integers times 10^-price_decimals")
    rate: float = Field(description="mean events per simulated second over all symbols")
    arrivals: Annotated[Arrivals, Field(discriminator="kind", description="the arrival process and its parameters")]
    rotating: bool = Field(description="whether all symbols have the same share of the rate, so that they can take turns")
    dynamics: Annotated[Dynamics, Field(discriminator="kind", description="the price process and its parameters")]
    correlation: Annotated[Correlation, Field(discriminator="kind", description="what moves the prices together")]
    volumes: Annotated[Volumes, Field(discriminator="kind", description="the distribution of trade sizes")]
    lot: int = Field(description="sizes are multiples of it, shares")
    tick_bands: list[list[int]] = Field(description="lowest price and tick of each band, units of 10^-price_decimals")
    quotes: Annotated[QuoteParameters, Field(discriminator="kind", description="the spread process")]
    session: SessionPlan | None = Field(description="opening hours; null: the market never closes")
    halts: Annotated[Halting, Field(discriminator="kind", description="what stops trading within a session")]
    shocks: list[Shock] = Field(description="moves and bursts by hand")
    symbols: list[SymbolPlan]


class ClockPlan(Parameters):
    """How simulated time becomes event time and wall time."""

    speed: float | None = Field(description="simulated seconds per second of wall time; null: unpaced")
    start: int | None = Field(description="event time of the first instant, microseconds since 1970; null: when the run starts")
    catch_up: bool = Field(description="whether a producer that has fallen behind sends what is overdue at once")


class EventPlan(Parameters):
    """How an event is written."""

    time_format: Literal["rfc3339", "epoch_micros", "epoch_millis"]
    names: dict[str, str] = Field(description="standard field name to name in the payload")
    order: list[str] = Field(description="standard field names in the order in which they are written")
    json_schema: dict[str, Any] = Field(description="JSON Schema of the payload")


class SinkPlan(Parameters):
    """Where events go."""

    kind: Literal["kafka", "file", "stdout"]
    topic: str | None = None
    partitions: int | None = None
    replication_factor: int | None = None
    client: dict[str, str | int | float | bool] = Field(default_factory=dict, description="librdkafka properties")
    format: Literal["ndjson", "parquet"] | None = None
    path: str | None = None
    file_span: int | None = Field(default=None, description="simulated microseconds in a file")
    skew: int | None = Field(
        default=None,
        description="simulated microseconds by which a record may overtake an older one; null: the sink keeps the order",
    )


class ObservationPlan(Parameters):
    """Counts taken while a view's rows pass."""

    name: str
    metrics: dict[str, str] = Field(description="name to Spark SQL aggregate")


class WatermarkPlan(Parameters):
    """The event-time column and how late it may be."""

    column: str
    delay: str


class ViewPlan(Parameters):
    """One step of the pipeline: a query over the views before it."""

    view: str
    sql: str
    watermark: WatermarkPlan | None = None
    deduplicate: list[str] | None = None
    observe: ObservationPlan | None = None


class SourcePlan(Parameters):
    """Where the pipeline reads: the view `records`."""

    format: str
    options: dict[str, str]
    ddl: str | None = Field(description="schema of a source that has none of its own")
    path: str | None = Field(description="folder of a file source; relative to the run directory")


class OutputPlan(Parameters):
    """Where the pipeline writes rows."""

    kind: Literal["console", "parquet", "kafka"]
    mode: Literal["update", "append"]
    columns: list[str] = Field(description="Spark SQL expressions of what is written")
    order: list[str] = Field(description="columns that sort a printed batch")
    rows: int | None = None
    path: str | None = None
    options: dict[str, str]


class DeadLettersPlan(Parameters):
    """The records that were rejected, and why: a query over the views, and where its rows go."""

    view: str
    sql: str
    observe: ObservationPlan = Field(description="counts of the main query; one that is not 0 tells that there are dead letters")
    output: OutputPlan


class AggregationPlan(Parameters):
    """All that `pipelines` reads."""

    spark: dict[str, str] = Field(description="Spark properties")
    source: SourcePlan
    views: list[ViewPlan] = Field(description="in order; the last one holds the result")
    dead_letters: DeadLettersPlan
    trigger: str = Field(description="time between micro-batches")
    output: OutputPlan = Field(description="where the rows of the last view go")


class WindowPlan(Parameters):
    """The windows, in microseconds."""

    kind: Literal["sliding", "tumbling", "session"]
    size: int = Field(description="length of a window; of a session: the gap that ends it")
    slide: int = Field(description="from one window's start to the next; of a session: not used")
    watermark: int


class AnswersPlan(Parameters):
    """What the result is compared with."""

    window: WindowPlan
    deduplicate: bool = Field(description="whether further reports of a (symbol, seq) are dropped")
    output_mode: Literal["update", "append"]
    metrics: list[str]


class Plan(Parameters):
    """A whole run."""

    version: Literal[1]
    hash: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the canonical form of everything else")
    seed: int
    duration: int | None = Field(description="simulated microseconds; null: without end")
    market: MarketPlan
    faults: Faults = Field(description="what goes wrong between the market and the reader")
    clock: ClockPlan
    event: EventPlan
    sink: SinkPlan
    aggregation: AggregationPlan | None = Field(description="null: the events go where no pipeline reads them")
    answers: AnswersPlan


def canonical(content: Any) -> str:  # noqa: ANN401  # any JSON value
    """The canonical JSON text of a value."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical form of a plan's content, without its `hash`."""
    rest = {key: value for key, value in content.items() if key != "hash"}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def seal(content: dict[str, Any]) -> Plan:
    """The plan of the given content, with its hash, in the form that reading it back gives."""
    draft = Plan.model_validate({**content, "hash": "0" * 64})
    # Of the dump, not of the content: reading makes 1 a 1.0 where a float is meant.
    return draft.model_copy(update={"hash": content_hash(draft.model_dump(mode="json"))})


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `plan.json`, as `simulator/plan.schema.json` holds it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Plan.model_json_schema()}


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan, readable and with sorted keys; it appears whole or not at all.

    Raises:
        jsonschema.ValidationError: the plan breaks its own schema: a fault of this program.
    """
    content = plan.model_dump(mode="json")
    _validator().validate(content)
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def read_plan(path: Path) -> Plan:
    """Read a plan and check that it is whole and unaltered.

    Raises:
        BadConfigError: no such file, no JSON, not of the schema, or changed since it was written.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise BadConfigError(f"{path}: is not a plan (no valid JSON: {error})") from None
    return parse_plan(text, str(path))


def parse_plan(text: str, name: str) -> Plan:
    """The plan in a text; `name` says where it comes from.

    Raises:
        BadConfigError: no JSON, not of the schema, or changed since it was written.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadConfigError(f"{name}: is not a plan (no valid JSON: {error})") from None
    fault = next(_validator().iter_errors(content), None)
    if fault is not None:
        raise BadConfigError(f"{name}: is not a plan ({fault.json_path}: {_short(fault.message)})")
    if content["hash"] != _hash_of(content):
        raise BadConfigError(f"{name}: was altered since it was written (its content does not have its hash); compile it again")
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadConfigError(f"{name}: is not a plan ({where}: {_short(first['msg'])})") from None


def _hash_of(content: dict[str, Any]) -> str | None:
    """None of what has no canonical form: it was not written by this program."""
    try:
        return content_hash(content)
    except ValueError:  # NaN, or a lone surrogate, which JSON can write as an escape
        return None


def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((files("simulator") / SCHEMA_FILE).read_text(encoding="utf-8")))


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + " …"  # noqa: PLR2004  # one line of a terminal or two
