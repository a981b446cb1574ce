"""The compiler: specification to plan, by an ordered tuple of small pure passes.

No I/O, no clock, no Kafka, no Spark. Each pass adds one section of the plan and may read the sections before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from importlib.resources import files
from typing import Any

from simulator import sql
from simulator.market.conditions import LABELS, has_conditions
from simulator.market.exact import decimal_places, zipf_shares
from simulator.plan import PLAN_VERSION, Plan, seal
from simulator.schema import ExternalBroker, KafkaSink, Specification, instant, microseconds, session_hours
from simulator.symbols import symbol_names

Sections = dict[str, Any]
Pass = Callable[[Specification, Sections], Any]

BROKER_PORT = 9092
"""Where `mode=broker` listens when no port is given, and where everybody looks for a Kafka."""

_FILE_MANAGER = "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
_TRANSACTION_TIMEOUT_MS = 60_000
_ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
# A paced run reads at most a minute of events in a micro-batch, and never fewer than this.
_LEAST_OFFSETS_PER_TRIGGER = 1_000_000


def compile_plan(specification: Specification) -> Plan:
    """The plan of a checked specification. Pure: the same specification gives the same plan, to the byte."""
    sections: Sections = {"version": PLAN_VERSION, "seed": specification.seed}
    for name, section in PASSES:
        sections[name] = section(specification, sections)
    return seal(sections)


def set_duration(specification: Specification, _: Sections) -> int | None:
    """Simulated microseconds of the run."""
    return None if specification.duration is None else max(1, microseconds(specification.duration))


def list_symbols(specification: Specification, _: Sections) -> Sections:
    """The market: every symbol with its rate, opening price, tick and sizes as the generator needs them."""
    symbols = specification.symbols
    names = symbol_names(symbols)
    tickers = [symbols.tickers.get(name) for name in names]
    ticks = [(ticker and ticker.tick_size) or symbols.tick_size for ticker in tickers]
    decimals = max(map(decimal_places, ticks))
    rates = _rates(specification)
    rows = [
        {
            "name": name,
            "rate": rates[index],
            "opening_ticks": ((ticker and ticker.price) or symbols.price) / ticks[index],
            "tick": int(Decimal(repr(ticks[index])).scaleb(decimals)),
            "mean_volume": (ticker and ticker.mean_volume) or symbols.mean_volume,
        }
        for index, (name, ticker) in enumerate(zip(names, tickers, strict=True))
    ]
    total = specification.arrivals.rate
    return {
        "price_decimals": decimals,
        "rate": sum(rates) if total is None else total,
        "rotating": total is not None and len(set(rates)) == 1,
        "lot": symbols.lot_size,
        "tick_bands": [[_units(band.price, decimals), _units(band.tick_size, decimals)] for band in symbols.tick_bands],
        "symbols": rows,
        **{
            name: getattr(specification, name).model_dump()
            for name in ("arrivals", "dynamics", "correlation", "volumes", "quotes", "halts")
        },
        "shocks": [shock.model_dump() for shock in specification.shocks],
        "session": None if (hours := session_hours(specification)) is None else hours.model_dump(),
    }


def _rates(specification: Specification) -> list[float]:
    """Events per second of each symbol: its own rate, or its share of the market's."""
    symbols, total = specification.symbols, specification.arrivals.rate
    names = symbol_names(symbols)
    if total is None:
        return [symbols.tickers[name].rate or 0.0 for name in names]
    given = [symbols.tickers[name].weight if name in symbols.tickers else None for name in names]
    if all(weight is None for weight in given):
        if symbols.weights.kind == "equal":
            return [total / len(names)] * len(names)
        shares = zipf_shares(len(names), symbols.weights.exponent)
        return [total * share for share in shares]
    return [total * (weight or 0.0) for weight in given]


def _units(value: float, decimals: int) -> int:
    """A number of currency units as a whole number of 10^-decimals, rounded up."""
    return int(Decimal(repr(value)).scaleb(decimals).to_integral_value(rounding=ROUND_CEILING))


def declare_faults(specification: Specification, _: Sections) -> Sections:
    """What goes wrong on the way: as declared."""
    return specification.faults.model_dump()


def set_clock(specification: Specification, _: Sections) -> Sections:
    """The pace, and the first instant where it is fixed."""
    clock = specification.clock
    start = None if clock.start is None else instant(clock.start)
    return {"speed": clock.speed, "start": start, "catch_up": clock.catch_up}


def describe_event(specification: Specification, sections: Sections) -> Sections:
    """The payload: names, order and the JSON Schema, from the event's schema beside this module."""
    event = specification.event
    schema = json.loads((files("simulator") / "event.schema.json").read_text(encoding="utf-8"))
    fields = _fields(specification, sections["market"])
    names = {field: name for field, name in event.names.model_dump().items() if field in fields}
    properties = schema["properties"]
    if "condition" in names:
        properties["volume"]["minimum"] = 0
        properties["condition"]["enum"] = list(LABELS.values())
    if specification.faults.correction is not None:
        properties["volume"]["minimum"] = 0  # a cancelled trade
    if event.time_format != "rfc3339":
        unit = "microseconds" if event.time_format == "epoch_micros" else "milliseconds"
        properties["event_time"] = {"type": "integer", "description": f"when it was traded: {unit} since 1970, UTC"}
    schema["properties"] = {names[field]: properties[field] for field in names}
    schema["required"] = list(names.values())
    return {"time_format": event.time_format, "names": names, "order": list(names), "json_schema": schema}


def _fields(specification: Specification, market: Sections) -> list[str]:
    """The standard fields that this market's events have."""
    quotes = ["bid", "ask", "bid_size", "ask_size"] if specification.quotes.publish else []
    return [*sql.FIELDS, *quotes, *(["condition"] if has_conditions(market["session"], market["halts"]["kind"]) else [])]


def route_events(specification: Specification, _: Sections) -> Sections:
    """Where events go, with the producer's properties.

    `skew` is half the watermark: a record is sent only when all that are older by more than that are delivered, so that no
    partition runs ahead of another so far that Spark would call the other's records late.
    """
    sink = specification.sink
    if sink.kind == "file":
        span = max(1, microseconds(sink.seconds_per_file))
        return {"kind": "file", "format": sink.format, "path": sink.path, "file_span": span}
    if sink.kind == "stdout":
        return {"kind": "stdout"}
    client = {
        "acks": str(sink.acks),
        "enable.idempotence": sink.idempotence,
        "compression.type": sink.compression,
        "linger.ms": sink.linger,
        "delivery.timeout.ms": int(sink.delivery_timeout * 1000),
        "partitioner": "murmur2_random",
        **(_transactions(sink) if sink.transactional else {}),
    }
    return {
        "kind": "kafka",
        "topic": sink.topic,
        "partitions": sink.partitions,
        "replication_factor": sink.replication_factor,
        "client": client,
        "skew": microseconds(specification.window.watermark) // 2,
    }


def _transactions(sink: KafkaSink) -> Sections:
    """Writers of one `transactional.id` put an end to each other: of a topic there is one run at a time, a worker has its own."""
    longest = max(_TRANSACTION_TIMEOUT_MS, int(sink.delivery_timeout * 1000))
    return {"transactional.id": f"market-simulator-{sink.topic}", "transaction.timeout.ms": longest}


def declare_answers(specification: Specification, _: Sections) -> Sections:
    """What the result will be compared with."""
    window = specification.window
    size = microseconds(window.gap if window.kind == "session" else window.size)
    slide = microseconds(window.slide) if window.kind == "sliding" else size
    return {
        "window": {"kind": window.kind, "size": size, "slide": slide, "watermark": microseconds(window.watermark)},
        "deduplicate": window.deduplicate,
        "output_mode": specification.output.mode,
        "metrics": specification.metrics.names,
    }


def plan_aggregation(specification: Specification, sections: Sections) -> Sections | None:
    """The Spark job: session properties, source, generated SQL, watermark, deduplication, trigger, output."""
    if specification.sink.kind == "stdout":
        return None
    where = ["partition", "offset", "key"] if specification.sink.kind == "kafka" else ["file"]
    trigger = specification.spark.trigger
    seconds = (0.0 if specification.clock.kind == "unpaced" else 1.0) if trigger is None else trigger
    return {
        "spark": _spark_properties(specification, sections),
        "source": _source(specification, sections),
        "views": _views(specification, sections, where),
        "dead_letters": {
            "view": "dead_letters",
            "sql": sql.dead_letters(where),
            "observe": {"name": "parsed", "metrics": {"rejected": "count_if(rejected)"}},
            "output": _dead_letters_output(specification, where),
        },
        "trigger": sql.interval(microseconds(seconds)),
        "output": _output(specification),
    }


def _views(specification: Specification, sections: Sections, where: list[str]) -> list[Sections]:
    event, window = sections["event"], sections["answers"]["window"]
    if specification.sink.kind == "file" and specification.sink.format == "parquet":
        parsed = sql.parse_columns(event["names"], event["time_format"])
    else:
        parsed = sql.parse_json(event["json_schema"], event["names"], event["time_format"], where)
    counts = {"read": "count(*)", "rejected": "count_if(rejected)"}
    has_statuses = "condition" in event["names"]
    if has_statuses:
        counts["status"] = "count_if(NOT rejected AND volume = 0)"
    return [
        {"view": "parsed", "sql": parsed, "observe": {"name": "parsed", "metrics": counts}},
        {
            "view": "events",
            "sql": sql.accepted(has_statuses=has_statuses),
            "watermark": {"column": "event_time", "delay": sql.interval(window["watermark"])},
            "deduplicate": ["symbol", "seq"] if specification.window.deduplicate else None,
            "observe": {"name": "events", "metrics": {"accepted": "count(*)"}},
        },
        {"view": "windows", "sql": sql.aggregate(_window_expression(window), specification.metrics.names)},
    ]


def _window_expression(window: Sections) -> str:
    size, slide = sql.interval(window["size"]), sql.interval(window["slide"])
    if window["kind"] == "session":
        return f"session_window(event_time, '{size}')"
    return f"window(event_time, '{size}')" if slide == size else f"window(event_time, '{size}', '{slide}')"


def _source(specification: Specification, sections: Sections) -> Sections:
    sink = specification.sink
    if sink.kind == "file":
        text = sink.format == "ndjson"
        ddl = None if text else sql.ddl(sections["event"]["json_schema"])
        return {"format": "text" if text else "parquet", "options": {}, "ddl": ddl, "path": sink.path}
    options = {
        "kafka.bootstrap.servers": bootstrap_servers(specification),
        "subscribe": sections["sink"]["topic"],
        "startingOffsets": specification.spark.starting_offsets,
        "failOnDataLoss": "true",
    }
    if isinstance(sink, KafkaSink) and sink.transactional:
        options["kafka.isolation.level"] = "read_committed"
    limit = _max_offsets_per_trigger(specification, sections)
    if limit is not None:
        options["maxOffsetsPerTrigger"] = str(limit)
    return {"format": "kafka", "options": options, "ddl": None, "path": None}


def bootstrap_servers(specification: Specification) -> str:
    """Where a broker that was not started by the run itself is expected."""
    broker = specification.broker
    return broker.bootstrap_servers if isinstance(broker, ExternalBroker) else f"127.0.0.1:{broker.port or BROKER_PORT}"


def _max_offsets_per_trigger(specification: Specification, sections: Sections) -> int | None:
    """A bound on a micro-batch, only where it can do no harm.

    Spark cuts a backlog in proportion to each partition's size, not by event time: a bound that is reached can let partitions
    drift apart by more than the watermark. A paced clock keeps the backlog small, so that a minute of events is a safety valve;
    unpaced, the whole backlog is one micro-batch, which partial aggregation keeps small.
    """
    if specification.spark.max_offsets_per_trigger is not None:
        return specification.spark.max_offsets_per_trigger
    if specification.clock.speed is None:
        return None
    per_minute = int(60 * sections["market"]["rate"] * specification.clock.speed)
    return max(_LEAST_OFFSETS_PER_TRIGGER, per_minute)


def _spark_properties(specification: Specification, sections: Sections) -> dict[str, str]:
    spark = specification.spark
    cores = re.match(r"local(?:\[(\d+))?", spark.master)
    # A cluster, or local[*]: the number of cores is not part of the configuration, so a small fixed number is taken.
    known_cores = int(cores.group(1) or 1) if cores and "*" not in spark.master else 4
    partitions = spark.shuffle_partitions or min(known_cores, len(sections["market"]["symbols"]))
    properties = {
        "spark.app.name": f"market-event-simulator {sections['sink'].get('topic') or sections['sink'].get('path')}",
        "spark.master": spark.master,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(partitions),
        "spark.sql.streaming.stateStore.providerClass": _ROCKSDB,
        # A micro-batch writes what it changed, not all of the state (0015).
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        "spark.ui.enabled": str(spark.ui).lower(),
    }
    if cores:
        properties |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # Checkpoints on this machine's disk: the default starts a process for the permissions of each file (0015).
            "spark.sql.streaming.checkpointFileManagerClass": _FILE_MANAGER,
        }
    if "kafka" in {specification.sink.kind, specification.output.kind, specification.dead_letters.kind}:
        properties["spark.jars.packages"] = spark.connector
    return properties | {key: _property(value) for key, value in spark.conf.items()}


def _property(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _output(specification: Specification) -> Sections:
    output, metrics = specification.output, specification.metrics.names
    columns = [*sql.KEYS, *metrics]
    plan: Sections = {
        "kind": output.kind,
        "mode": output.mode,
        "columns": columns,
        "order": list(sql.KEYS),
        "options": {},
    }
    if output.kind == "console":
        # The headings that the playground had.
        shown = ["window_start AS `window.start`", "window_end AS `window.end`", "symbol", *metrics]
        return {**plan, "columns": shown, "rows": output.rows}
    if output.kind == "parquet":
        return {**plan, "path": output.path}
    value = f"to_json(struct({', '.join(columns)})) AS value"
    options = {"kafka.bootstrap.servers": bootstrap_servers(specification), "topic": output.topic}
    return {**plan, "columns": ["symbol AS key", value], "options": options}


def _dead_letters_output(specification: Specification, where: list[str]) -> Sections:
    output = specification.dead_letters
    plan: Sections = {"mode": "append", "order": [], "options": {}}
    if output.kind == "files":
        return {**plan, "kind": "parquet", "columns": ["value", "reason", *where], "path": output.path}
    told = ["reason", *(column for column in where if column != "key")]
    columns = [*(["key"] if "key" in where else []), "value", sql.headers(told)]
    options = {"kafka.bootstrap.servers": bootstrap_servers(specification), "topic": output.topic}
    return {**plan, "kind": "kafka", "columns": columns, "options": options}


PASSES: tuple[tuple[str, Pass], ...] = (
    ("duration", set_duration),
    ("market", list_symbols),
    ("faults", declare_faults),
    ("clock", set_clock),
    ("event", describe_event),
    ("sink", route_events),
    ("answers", declare_answers),
    ("aggregation", plan_aggregation),
)
