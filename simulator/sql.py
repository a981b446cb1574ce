"""The generated Spark SQL: from raw records to windows. Pure text; nothing here runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulator.metrics import METRICS

KEYS = ("window_start", "window_end", "symbol")
FIELDS = ("symbol", "seq", "event_time", "price", "volume")

_CORRUPT = "_corrupt_record"
_SPARK_TYPES = {"string": "STRING", "integer": "BIGINT", "number": "DOUBLE"}
_TIMES = {"epoch_micros": "timestamp_micros({})", "epoch_millis": "timestamp_millis({})", "rfc3339": "{}"}


def identifier(name: str) -> str:
    """A quoted Spark SQL identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A quoted Spark SQL string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def interval(microseconds: int) -> str:
    """A duration as Spark reads it, in the largest unit that holds it whole."""
    for unit, size in (("second", 1_000_000), ("millisecond", 1_000)):
        if microseconds % size == 0:
            amount = microseconds // size
            return f"{amount} {unit}" + ("" if amount == 1 else "s")
    return f"{microseconds} microseconds"


def ddl(json_schema: Mapping[str, Any]) -> str:
    """The Spark DDL of a payload, from its JSON Schema."""
    columns = []
    for name, field in json_schema["properties"].items():
        is_time = field.get("format") == "date-time"
        columns.append(f"{identifier(name)} {'TIMESTAMP' if is_time else _SPARK_TYPES[field['type']]}")
    return ", ".join(columns)


def parse_json(json_schema: Mapping[str, Any], names: Mapping[str, str], time_format: str, where: Sequence[str]) -> str:
    """Records to typed columns; `rejected` tells the records that are no events.

    Args:
        json_schema: of the payload.
        names: standard field name to payload name.
        time_format: how the time is written.
        where: columns of the records that say where each came from.

    The reason is the first of its list that holds. Spark by itself would read U+FFFD for what is not UTF-8, so that only what is
    UTF-8 is parsed; the reason, of which it is a part, is worked out by the query of the rejected records alone.
    """
    select = _typed(names, time_format, "event.")
    complete = " AND ".join(f"event.{identifier(name)} IS NOT NULL" for name in names.values())
    schema = f"{ddl(json_schema)}, {identifier(_CORRUPT)} STRING"
    options = f"map('mode', 'PERMISSIVE', 'columnNameOfCorruptRecord', '{_CORRUPT}', 'allowNonNumericNumbers', 'false')"
    origin = ", ".join(where)
    valid = "is_valid_utf8(CAST(value AS STRING))"
    return f"""SELECT
  {select},
  event IS NULL OR event.{_CORRUPT} IS NOT NULL OR NOT ({complete}) AS rejected,
  CASE
    WHEN value IS NULL THEN 'null value'
    WHEN length(value) = 0 THEN 'empty value'
    WHEN NOT {valid} THEN 'invalid UTF-8'
    WHEN event IS NULL OR event.{_CORRUPT} IS NOT NULL THEN 'not an event: ' || {literal(ddl(json_schema))}
    ELSE 'missing field'
  END AS reason,
  value, {origin}
FROM (
  SELECT
    CASE WHEN {valid}
      THEN from_json(CAST(value AS STRING), {literal(schema)}, {options})
    END AS event,
    value, {origin}
  FROM records
)"""


def parse_columns(names: Mapping[str, str], time_format: str) -> str:
    """Typed columns of a Parquet source to the standard names; a row with a NULL is rejected."""
    select = _typed(names, time_format)
    complete = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in names.values())
    # Spark's defaults would hide the field that is NULL, and cut times to milliseconds.
    options = "map('ignoreNullFields', 'false', 'timestampFormat', 'yyyy-MM-dd\\'T\\'HH:mm:ss.SSSSSSXXX')"
    return f"""SELECT
  {select},
  NOT ({complete}) AS rejected,
  'missing field' AS reason,
  to_json(struct(* EXCEPT (file)), {options}) AS value, file
FROM records"""


def _typed(names: Mapping[str, str], time_format: str, prefix: str = "") -> str:
    """The select list from payload names to the standard columns."""
    fields = {field: prefix + identifier(names[field]) for field in FIELDS}
    fields["event_time"] = _TIMES[time_format].format(fields["event_time"])
    return ",\n  ".join(f"{expression} AS {field}" for field, expression in fields.items())


def accepted(*, has_statuses: bool) -> str:
    """The trades among the parsed records; a status event has the volume 0."""
    trades = " AND volume > 0" if has_statuses else ""
    return f"SELECT {', '.join(FIELDS)}\nFROM parsed\nWHERE NOT rejected{trades}"


def dead_letters(where: Sequence[str]) -> str:
    """The rejected records as they came, byte by byte, with the reason and where they were."""
    return f"SELECT CAST(value AS BINARY) AS value, reason, {', '.join(where)}\nFROM parsed\nWHERE rejected"


def headers(columns: Sequence[str]) -> str:
    """Columns as the headers of a Kafka record, as text."""
    pairs = [f"struct({literal(name)} AS key, CAST(CAST({name} AS STRING) AS BINARY) AS value)" for name in columns]
    return f"array({', '.join(pairs)}) AS headers"


def aggregate(window: str, metrics: Sequence[str]) -> str:
    """The windows: one row a window and symbol. `window` is Spark's window expression."""
    function = window.split("(", 1)[0]
    columns = ",\n  ".join(f"{METRICS[name].sql} AS {name}" for name in metrics)
    return f"""SELECT
  {function}.start AS window_start,
  {function}.end AS window_end,
  symbol,
  {columns}
FROM events
GROUP BY {window}, symbol"""
