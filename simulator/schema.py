"""The typed configuration: one model per option of the groups in `conf/`, and `Specification` over all of them.

Units are in the YAML files, beside each key. Checks that look at one group live here, as validators; checks across groups
live in `checks.py`. `read_specification` reports every fault at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator

from simulator.diagnosis import describe, show, strangers, suggestion
from simulator.errors import BadConfigError
from simulator.faults.model import Faults
from simulator.market.arrivals import Arrivals
from simulator.market.correlation import Correlation
from simulator.market.dynamics import Dynamics
from simulator.market.halts import Halting
from simulator.market.quotes import QuoteParameters
from simulator.market.session import Session, SessionPlan, plan_hours
from simulator.market.shocks import Shock
from simulator.market.volumes import Volumes
from simulator.metrics import METRICS
from simulator.parameters import FilePath, Name, Parameters, RunFolder, Text
from simulator.security import Security
from simulator.symbols import Symbols

Port = Annotated[int, Field(ge=1, le=65535)]
# Seconds: `transaction.max.timeout.ms` of a broker that nobody has set otherwise.
LONGEST_TRANSACTION = 900
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# What Kafka accepts as a topic's name.
TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
# Longer spans would leave int64 nanoseconds: 100 years of 365.25 days.
Seconds = Annotated[float, Field(gt=0, le=3_155_760_000)]
PositiveInt32 = Annotated[int, Field(ge=1, le=2**31 - 1)]
PositiveInt64 = Annotated[int, Field(ge=1, le=2**63 - 1)]
# Beyond it nothing is paced: a century in three seconds.
Speed = Annotated[float, Field(ge=1e-6, le=1_000_000_000)]
_MICROSECOND = 1e-6
_MOST_WINDOWS = 10_000
"""That an event may fall in: Spark makes a row of each."""


def _is_a_microsecond(seconds: float) -> float:
    if seconds < _MICROSECOND:
        raise ValueError(f"must be at least one microsecond, {_MICROSECOND:g}")
    return seconds


WindowSpan = Annotated[Seconds, AfterValidator(_is_a_microsecond)]


class Clock(Parameters):
    """`conf/clock`: how simulated time maps to the wall clock."""

    kind: Literal["realtime", "accelerated", "unpaced"]
    speed: Speed | None
    start: Text | None
    catch_up: bool

    @field_validator("speed")
    @classmethod
    def _has_a_pace(cls, speed: float | None, info: ValidationInfo) -> float | None:
        if (speed is None) != (info.data.get("kind") == "unpaced"):
            raise ValueError("must be null for clock.kind=unpaced, and a number > 0 for the others")
        return speed

    @field_validator("start")
    @classmethod
    def _is_an_instant(cls, start: str | None, info: ValidationInfo) -> str | None:
        if start is None:
            if info.data.get("kind") != "realtime":
                raise ValueError("must be an RFC 3339 time such as 2025-01-02T14:30:00Z; null is for clock.kind=realtime")
            return start
        try:
            instant = datetime.fromisoformat(start.replace("Z", "+00:00"))
        except ValueError:
            instant = None
        if instant is None or instant.utcoffset() != timedelta(0):
            raise ValueError("must be an RFC 3339 time in UTC such as 2025-01-02T14:30:00Z")
        if not datetime.fromisoformat("1970-01-01T00:00:00+00:00") <= instant:
            raise ValueError("must not lie before 1970")
        return start


class EventNames(Parameters):
    """The payload's name of each field."""

    symbol: Name
    seq: Name
    event_time: Name
    price: Name
    volume: Name
    bid: Name
    ask: Name
    bid_size: Name
    ask_size: Name
    condition: Name


class Event(Parameters):
    """`conf/event`: how an event is written."""

    time_format: Literal["rfc3339", "epoch_micros", "epoch_millis"]
    names: EventNames

    @field_validator("names")
    @classmethod
    def _are_distinct(cls, names: EventNames) -> EventNames:
        values = list(names.model_dump().values())
        # Spark compares field names without regard to case.
        if len({value.casefold() for value in values}) != len(values):
            raise ValueError("must be distinct, also without regard to case")
        # Columns that the pipeline adds while it parses.
        reserved = {"_corrupt_record", "file"} & {value.lower() for value in values}
        if reserved:
            raise ValueError(f"must not be {' or '.join(sorted(reserved))}, which the pipeline uses itself")
        return names


def _flattened(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in mapping.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _with_dotted_names(conf: object) -> object:
    """`+spark.conf.spark.driver.memory=2g` reaches us as nested mappings; names of properties have dots."""
    flat = dict(_flattened(conf)) if isinstance(conf, dict) else conf
    if isinstance(flat, dict) and not all(isinstance(value, (str, int, float, bool)) for value in flat.values()):
        raise ValueError("must map names of properties to texts, numbers or true and false")
    return flat


Properties = Annotated[dict[str, str | int | float | bool], BeforeValidator(_with_dotted_names)]


class EmbeddedBroker(Parameters):
    """`conf/broker/embedded.yaml`."""

    kind: Literal["embedded"]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    port: Port | None
    keep: bool
    heap: Annotated[int, Field(ge=128, le=1_048_576)]
    timeout: Seconds
    conf: Properties


class ExternalBroker(Parameters):
    """`conf/broker/external.yaml`."""

    kind: Literal["external"]
    bootstrap_servers: Annotated[str, Field(pattern=r"^[^,\s]+:\d+(,[^,\s]+:\d+)*$")]
    timeout: Seconds
    security: Security


class KafkaSink(Parameters):
    """`conf/sink/kafka.yaml`."""

    kind: Literal["kafka"]
    topic: TopicName
    partitions: Annotated[int, Field(ge=1, le=10_000)]
    replication_factor: Annotated[int, Field(ge=1, le=100)]
    acks: Literal["all", 0, 1]
    idempotence: bool
    transactional: bool
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"]
    linger: Annotated[float, Field(ge=0, le=900_000)]
    delivery_timeout: Seconds
    workers: Annotated[int, Field(ge=1, le=1000)]

    @field_validator("topic")
    @classmethod
    def _is_no_dot(cls, topic: str) -> str:
        if topic in {".", ".."}:
            raise ValueError("is a name that Kafka refuses")
        return topic

    @field_validator("workers")
    @classmethod
    def _have_partitions(cls, workers: int, info: ValidationInfo) -> int:
        partitions = info.data.get("partitions")
        if partitions is not None and workers > partitions:
            raise ValueError(f"must not be more than sink.partitions={partitions}: a partition has one writer")
        return workers

    @field_validator("idempotence")
    @classmethod
    def _needs_all_acks(cls, idempotence: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # pydantic's signature
        if idempotence and info.data.get("acks", "all") != "all":
            raise ValueError("needs sink.acks=all; set sink.idempotence=false for weaker acknowledgements")
        return idempotence

    @field_validator("transactional")
    @classmethod
    def _needs_idempotence(cls, transactional: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # pydantic's signature
        if transactional and not info.data.get("idempotence", True):
            raise ValueError("needs sink.idempotence=true")
        return transactional

    @field_validator("delivery_timeout")
    @classmethod
    def _is_within_a_transaction(cls, timeout: float, info: ValidationInfo) -> float:
        if info.data.get("transactional") and timeout > LONGEST_TRANSACTION:
            raise ValueError(
                f"must not be more than {LONGEST_TRANSACTION} with sink.transactional=true: brokers end longer transactions"
            )
        return timeout


class FileSink(Parameters):
    """`conf/sink/file.yaml`."""

    kind: Literal["file"]
    format: Literal["ndjson", "parquet"]
    path: RunFolder
    seconds_per_file: Seconds


class StdoutSink(Parameters):
    """`conf/sink/stdout.yaml`."""

    kind: Literal["stdout"]


class LocalEngine(Parameters):
    """`conf/engine/local.yaml`."""

    kind: Literal["local"]


class SparkEngine(Parameters):
    """`conf/engine/spark.yaml`."""

    kind: Literal["spark"]
    master: Annotated[
        str, Field(pattern=r"^(local(\[(\d+|\*)(, *\d+)?\])?|local-cluster\[\d+, *\d+, *\d+\]|spark://.+|k8s://.+|yarn)$")
    ]
    workers: Annotated[int, Field(ge=1, le=1000)] | None
    span: Seconds | None
    state: Text | None
    conf: Properties

    @field_validator("state")
    @classmethod
    def _is_reached_by_all(cls, state: str | None, info: ValidationInfo) -> str | None:
        master = str(info.data.get("master", "local"))
        if state is None and not master.startswith("local"):
            raise ValueError(f"must be the URI of a folder that all executors reach, for engine.master={master}")
        if state is not None and not re.match(r"^(/|[a-z][a-z0-9+.-]*://)", state):
            raise ValueError("must be an absolute path or a URI such as file:///mnt/shared/states or hdfs://host:port/states")
        return state


class SlidingWindow(Parameters):
    """`conf/window/sliding.yaml`."""

    kind: Literal["sliding"]
    size: WindowSpan
    slide: WindowSpan
    watermark: Annotated[float, Field(ge=0, le=3_155_760_000)]
    deduplicate: bool

    @field_validator("slide")
    @classmethod
    def _leaves_no_gap(cls, slide: float, info: ValidationInfo) -> float:
        size = info.data.get("size")
        if size is not None and slide > size:
            raise ValueError(f"must not be more than window.size={size:g}, or events would fall in no window")
        if size is not None and size / slide > _MOST_WINDOWS:
            raise ValueError(f"puts an event in more than {_MOST_WINDOWS} windows of window.size={size:g}")
        return slide


class TumblingWindow(Parameters):
    """`conf/window/tumbling.yaml`."""

    kind: Literal["tumbling"]
    size: WindowSpan
    watermark: Annotated[float, Field(ge=0, le=3_155_760_000)]
    deduplicate: bool


class SessionWindow(Parameters):
    """`conf/window/session.yaml`."""

    kind: Literal["session"]
    gap: WindowSpan
    watermark: Annotated[float, Field(ge=0, le=3_155_760_000)]
    deduplicate: bool


class Metrics(Parameters):
    """`conf/metrics`: the result's columns."""

    names: Annotated[list[str], Field(min_length=1)]

    @field_validator("names")
    @classmethod
    def _are_known(cls, names: list[str]) -> list[str]:
        unknown = [f"{show(name)}{suggestion(name, METRICS)}" for name in strangers(names, METRICS)]
        if unknown:
            raise ValueError(f"holds unknown {', '.join(unknown)}; allowed: {', '.join(METRICS)}")
        if len(set(names)) != len(names):
            raise ValueError("must not name a metric twice")
        return names


class ConsoleOutput(Parameters):
    """`conf/output/console.yaml`."""

    kind: Literal["console"]
    mode: Literal["update", "append"]
    rows: PositiveInt32


class ParquetOutput(Parameters):
    """`conf/output/parquet.yaml`."""

    kind: Literal["parquet"]
    mode: Literal["update", "append"]
    path: RunFolder


class KafkaOutput(Parameters):
    """`conf/output/kafka.yaml`."""

    kind: Literal["kafka"]
    mode: Literal["update", "append"]
    topic: TopicName


class DeadLetterFiles(Parameters):
    """`conf/dead_letters/files.yaml`."""

    kind: Literal["files"]
    path: RunFolder


class DeadLetterTopic(Parameters):
    """`conf/dead_letters/kafka.yaml`."""

    kind: Literal["kafka"]
    topic: TopicName


class Spark(Parameters):
    """The section `spark` of `conf/config.yaml`."""

    master: Annotated[str, Field(pattern=r"^(local(\[(\d+|\*)(, *\d+)?\])?|spark://.+|k8s://.+|yarn)$")]
    connector: Annotated[str, Field(pattern=r"^[^:\s,]+:[^:\s,]+:[^:\s,]+$")]
    starting_offsets: Literal["earliest", "latest"]
    trigger: Annotated[float, Field(ge=0, le=3_155_760_000)] | None
    shuffle_partitions: PositiveInt32 | None
    max_offsets_per_trigger: PositiveInt64 | None
    ui: bool
    timeout: Seconds
    restarts: Annotated[int, Field(ge=0, le=1000)]
    conf: Properties


class Realism(Parameters):
    """The section `realism` of `conf/config.yaml`."""

    duration: Seconds


class Reproducer(Parameters):
    """The section `reproducer` of `conf/config.yaml`."""

    attempts: Annotated[int, Field(ge=0, le=1000)]


class VerifyColumns(Parameters):
    """The results' names of the columns that say which window a row is."""

    window_start: Text | None
    window_end: Text | None
    symbol: Text

    @field_validator("window_end")
    @classmethod
    def _is_one_of_two(cls, window_end: str | None, info: ValidationInfo) -> str | None:
        if window_end is None and info.data.get("window_start") is None:
            raise ValueError("must not be null when verify.columns.window_start is")
        return window_end


class Verify(Parameters):
    """The section `verify` of `conf/config.yaml`: anybody's results, as `mode=verify results=FILE` reads them."""

    columns: VerifyColumns
    metrics: dict[str, Text | None]
    time_unit: Literal["auto", "s", "ms", "us", "ns"]
    deduplicate: bool | None

    @field_validator("metrics")
    @classmethod
    def _are_known(cls, metrics: dict[str, str | None]) -> dict[str, str | None]:
        unknown = [f"{show(name)}{suggestion(name, METRICS)}" for name in strangers(metrics, METRICS)]
        if unknown:
            raise ValueError(f"holds unknown {', '.join(unknown)}; allowed: {', '.join(METRICS)}")
        return metrics


Mode = Literal["run", "plan", "sample", "produce", "aggregate", "broker", "verify", "reproduce", "diff", "realism"]


class Specification(Parameters):
    """The whole configuration of one run."""

    mode: Mode
    # SeedSequence takes any non-negative integer; 128 bits are all that it can tell apart.
    seed: Annotated[int, Field(ge=0, lt=2**128)]
    rate: Annotated[float, Field(gt=0, le=100_000_000)] | None
    duration: Seconds | None
    topic: TopicName
    events: PositiveInt64
    run: FilePath | None
    results: FilePath | None
    resume: FilePath | None
    objective: Literal["watermark", "batch_seconds", "lag_p99", "state_rows"] | None
    a: FilePath | None
    b: FilePath | None
    live: bool
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None
    metrics_host: Text
    symbols: Symbols
    dynamics: Annotated[Dynamics, Field(discriminator="kind")]
    correlation: Annotated[Correlation, Field(discriminator="kind")]
    arrivals: Annotated[Arrivals, Field(discriminator="kind")]
    volumes: Annotated[Volumes, Field(discriminator="kind")]
    quotes: Annotated[QuoteParameters, Field(discriminator="kind")]
    session: Annotated[Session, Field(discriminator="kind")]
    halts: Annotated[Halting, Field(discriminator="kind")]
    shocks: list[Shock]
    faults: Faults
    clock: Clock
    event: Event
    broker: Annotated[EmbeddedBroker | ExternalBroker, Field(discriminator="kind")]
    engine: Annotated[LocalEngine | SparkEngine, Field(discriminator="kind")]
    sink: Annotated[KafkaSink | FileSink | StdoutSink, Field(discriminator="kind")]
    window: Annotated[SlidingWindow | TumblingWindow | SessionWindow, Field(discriminator="kind")]
    metrics: Metrics
    output: Annotated[ConsoleOutput | ParquetOutput | KafkaOutput, Field(discriminator="kind")]
    dead_letters: Annotated[DeadLetterFiles | DeadLetterTopic, Field(discriminator="kind")]
    realism: Realism
    reproducer: Reproducer
    verify: Verify
    spark: Spark


Check = Callable[[Specification], "list[str]"]


def read_specification(config: Mapping[str, Any], checks: tuple[Check, ...] = ()) -> Specification:
    """The typed form of a composed configuration.

    Raises:
        BadConfigError: with one line per fault: the key's full path, the value, what is allowed.
    """
    try:
        specification = Specification.model_validate(config)
    except ValidationError as error:
        raise BadConfigError(describe(error, Specification)) from None
    faults = [fault for check in checks for fault in check(specification)]
    if faults:
        raise BadConfigError(faults)
    return specification


def microseconds(seconds: float) -> int:
    """Seconds as whole microseconds, rounded half to even; what the user wrote in decimals stays exact."""
    return int((Decimal(repr(seconds)) * 1_000_000).to_integral_value())


def instant(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time."""
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - _EPOCH) // timedelta(microseconds=1)


def session_hours(specification: Specification) -> SessionPlan | None:
    """The explicit opening hours of a run; None for a market that never closes.

    Raises:
        BadConfigError: the session has no trading in the run, or needs a start that is not there.
    """
    start, duration = specification.clock.start, specification.duration
    return plan_hours(
        specification.session,
        None if duration is None else max(1, microseconds(duration)),
        None if start is None else instant(start),
    )
