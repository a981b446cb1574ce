"""The runner on a real Spark: one served child runs plan after plan, as it does for the simulator."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Consumer, Message, Producer

from simulator import sql
from simulator.broker.topics import end_offsets, ensure_topic
from simulator.java import find_java_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.broker.embedded import EmbeddedBroker

    Row = tuple[Any, ...]

pytestmark = pytest.mark.integration

BASE = datetime(2024, 1, 2, 14, 30, tzinfo=timezone.utc)
PATIENCE_SECONDS = 90.0
METRICS = ("avg_price", "volume", "msg_ct")
NAMES = {field: field for field in sql.FIELDS}
WHOLE_SCHEMA = json.loads((Path(sql.__file__).parent / "event.schema.json").read_text(encoding="utf-8"))
# Of a market without quotes and conditions.
EVENT_SCHEMA = {**WHOLE_SCHEMA, "properties": {field: WHOLE_SCHEMA["properties"][field] for field in sql.FIELDS}}
PROPERTIES = {
    "spark.app.name": "test",
    "spark.master": "local[2]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.jars.packages": "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.streaming.stateStore.providerClass": ("org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"),
    "spark.ui.enabled": "false",
}
WITHOUT_KAFKA = {key: value for key, value in PROPERTIES.items() if key != "spark.jars.packages"}
CONSOLE = {
    "kind": "console",
    "mode": "update",
    "columns": ["window_start AS `window.start`", "window_end AS `window.end`", "symbol", *METRICS],
    "order": list(sql.KEYS),
    "rows": 20,
    "options": {},
}
PARQUET = {**CONSOLE, "kind": "parquet", "mode": "append", "columns": [*sql.KEYS, *METRICS], "path": "windows"}
DEAD_LETTERS = {**PARQUET, "order": [], "path": "dead-letters"}
SLIDING = "window(event_time, '10 seconds', '5 seconds')"
TUMBLING = "window(event_time, '10 seconds')"


class Served:
    """A `python -m pipelines --serve`."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines", "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment(),
            )
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._events.put(json.loads(line))

    def send(self, **command: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command, default=str) + "\n")
        self.process.stdin.flush()

    def until(self, *names: str) -> list[dict[str, Any]]:
        """All events up to the first of the given names."""
        events: list[dict[str, Any]] = []
        while not (events and events[-1]["event"] in names):
            events.append(self._events.get(timeout=PATIENCE_SECONDS))
            assert events[-1]["event"] != "error" or "error" in names, events[-1]
        return events

    def close(self) -> int:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait(20)
        self._reader.join(5)
        return code

    def java(self) -> list[int]:
        """The process ids of the JVM."""
        table = subprocess.run(["ps", "-eo", "pid,ppid,comm"], capture_output=True, text=True, check=True).stdout  # noqa: S607  # ps is where POSIX has it
        rows = [line.split(None, 2) for line in table.splitlines()[1:]]
        return [int(pid) for pid, parent, name in rows if int(parent) == self.process.pid and "java" in name]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    child = Served(tmp_path_factory.mktemp("served") / "spark.log")
    yield child
    assert child.close() == 0  # harmless when a test has closed it


def environment() -> dict[str, str]:
    return {**os.environ, "JAVA_HOME": str(find_java_home())}


def write_plan(folder: Path, source: dict[str, Any], window: str, **changes: object) -> Path:
    """A plan as the compiler writes it, sealed."""
    kafka = source["format"] == "kafka"
    where = ["partition", "offset", "key"] if kafka else ["file"]
    parsed = sql.parse_json(EVENT_SCHEMA, NAMES, "rfc3339", where)
    if source["format"] == "parquet":
        parsed = sql.parse_columns(NAMES, "rfc3339")
    counts = {"read": "count(*)", "rejected": "count_if(rejected)"}
    aggregation = {
        "spark": changes.get("spark", PROPERTIES),
        "source": {"options": {}, "ddl": None, "path": None, **source},
        "views": [
            {"view": "parsed", "sql": parsed, "observe": {"name": "parsed", "metrics": counts}},
            {
                "view": "events",
                "sql": sql.accepted(has_statuses=False),
                "watermark": {"column": "event_time", "delay": changes.get("watermark", "10 seconds")},
                "deduplicate": changes.get("deduplicate"),
                "observe": {"name": "events", "metrics": {"accepted": "count(*)"}},
            },
            {"view": "windows", "sql": sql.aggregate(window, METRICS)},
        ],
        "dead_letters": {
            "view": "dead_letters",
            "sql": sql.dead_letters(where),
            "observe": {"name": "parsed", "metrics": {"rejected": "count_if(rejected)"}},
            "output": changes.get("dead_letters", {**DEAD_LETTERS, "columns": ["value", "reason", *where]}),
        },
        "trigger": changes.get("trigger", "0 seconds"),
        "output": changes.get("output", CONSOLE),
    }
    content: dict[str, Any] = {"version": 1, "aggregation": aggregation}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    path = folder / "plan.json"
    path.write_text(json.dumps({**content, "hash": hashlib.sha256(text.encode()).hexdigest()}), encoding="utf-8")
    return path


def event(symbol: str, seq: int, second: float, price: float = 100.0, volume: int = 10) -> bytes:
    stamp = (BASE + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps({"symbol": symbol, "seq": seq, "event_time": stamp, "price": price, "volume": volume}).encode()


def add_file(folder: Path, name: str, *lines: bytes) -> None:
    """A file that appears whole, as the simulator's do."""
    target = folder / "events" / name
    target.parent.mkdir(exist_ok=True)
    part = folder / f"{name}.part"
    part.write_bytes(b"".join(line + b"\n" for line in lines))
    part.replace(target)


def send(broker: EmbeddedBroker, topic: str, *values: bytes | None, partition: int = 0, key: bytes | None = None) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for value in values:
        producer.produce(topic, value, key, partition=partition)
    assert producer.flush(20) == 0


def kafka_source(broker: EmbeddedBroker, topic: str, offsets: str = "earliest") -> dict[str, Any]:
    ensure_topic(broker.cluster, topic, 2, 1)
    servers = broker.bootstrap_servers
    options = {"kafka.bootstrap.servers": servers, "subscribe": topic, "startingOffsets": offsets}
    return {"format": "kafka", "options": {**options, "failOnDataLoss": "true"}}


TEXT = {"format": "text", "path": "events"}


def start(served: Served, folder: Path, plan: Path, **options: object) -> list[dict[str, Any]]:
    served.send(command="start", plan=plan, directory=folder, record=folder / "record", **options)
    return served.until("ready")


def drain(served: Served, ends: dict[str, dict[int, int]] | None = None) -> list[dict[str, Any]]:
    served.send(command="drain", end_offsets=ends)
    events = served.until("drained")
    assert served.java(), "the child keeps Spark warm"
    return events


def reports(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == "progress"]


def observed(events: list[dict[str, Any]], name: str, metric: str) -> int:
    return sum(report["observed"].get(name, {}).get(metric, 0) for report in reports(events))


def last_windows(folder: Path) -> dict[tuple[float, float, str], Row]:
    """The last value of each window: (start, end in seconds from the base, symbol) to (average, volume, count)."""
    rows: dict[tuple[float, float, str], Row] = {}
    for path in sorted((folder / "record").glob("batch-*.parquet")):
        for row in pq.read_table(path).to_pylist():
            start_, end = ((row[key] - BASE).total_seconds() for key in ("window_start", "window_end"))
            rows[(start_, end, row["symbol"])] = tuple(row[name] for name in METRICS)
    return rows


def test_files_become_sliding_windows_and_the_console_prints_them(served: Served, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, TEXT, SLIDING)
    events = start(served, tmp_path, plan)
    add_file(tmp_path, "a.ndjson", event("A", 0, 1, 100.0, 10), event("A", 1, 6.5, 102.0, 20), event("B", 0, 7, 50.0, 1))
    events += drain(served)
    assert last_windows(tmp_path) == {
        (-5, 5, "A"): (100.0, 10, 1),
        (0, 10, "A"): (101.0, 30, 2),
        (5, 15, "A"): (102.0, 20, 1),
        (0, 10, "B"): (50.0, 1, 1),
        (5, 15, "B"): (50.0, 1, 1),
    }
    (table,) = [event["text"] for event in events if event["event"] == "table"]
    lines = table.splitlines()
    assert lines[:3] == ["-" * 43, "Batch: 0", "-" * 43]
    assert lines[4].split("|")[1:-1] == [
        *("window.start       ", "window.end         ", "symbol", "avg_price", "volume", "msg_ct"),
    ]
    assert [line.split("|")[3].strip() for line in lines[6:-2]] == ["A", "A", "B", "A", "B"], "sorted by window"
    assert table.endswith("+\n\n")
    assert events[-1]["progress_count"] == len(reports(events))
    assert [report["batch_id"] for report in reports(events)] == list(range(len(reports(events))))
    # The batch without data, which applies the new watermark, runs in the drain.
    assert [report["rows"] for report in reports(events)] == [3, 0]
    assert reports(events)[-1]["watermark"] == "2024-01-02T14:29:57.000Z"
    schema = pq.read_schema(next((tmp_path / "record").iterdir()))
    assert schema.field("window_start").type == pa.timestamp("us", tz="UTC")


def test_kafka_from_explicit_offsets_with_rejects_set_aside(served: Served, broker: EmbeddedBroker, tmp_path: Path) -> None:
    topic = "pipelines-rejects"
    source = kafka_source(broker, topic)
    send(broker, topic, event("OTHER", 0, 0), b"somebody else's")
    plan = write_plan(tmp_path, source, SLIDING)
    events = start(served, tmp_path, plan, source_options={"startingOffsets": json.dumps({topic: {"0": 2, "1": 0}})})
    bad = b'{"symbol": "A", \xff\xfe'
    send(broker, topic, event("A", 0, 1), bad)
    send(broker, topic, event("B", 0, 2), b'{"symbol": "B"}', partition=1)
    events += drain(served, {topic: end_offsets(broker.cluster, topic)})
    assert {key[2] for key in last_windows(tmp_path)} == {"A", "B"}
    assert observed(events, "parsed", "read") == 4
    assert observed(events, "parsed", "rejected") == 2
    assert observed(events, "events", "accepted") == 2
    letters = pq.read_table(tmp_path / "dead-letters").to_pylist()
    assert {(row["partition"], row["offset"], row["value"]) for row in letters} == {
        (0, 3, bad),
        (1, 1, b'{"symbol": "B"}'),
    }
    assert {row["reason"] for row in letters} == {"invalid UTF-8", "missing field"}
    last = reports(events)[-1]["sources"][0]
    assert last["end_offset"] == {topic: {"0": 4, "1": 2}}
    for report in reports(events):
        _, metadata, offsets = (tmp_path / "checkpoint" / "offsets" / str(report["batch_id"])).read_text().splitlines()
        assert json.loads(offsets) == report["sources"][0]["end_offset"]
        assert json.loads(metadata)["batchWatermarkMs"] == _milliseconds(report["watermark"])


def _milliseconds(text: str) -> int:
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (instant - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def altered(old: bytes, new: bytes) -> bytes:
    value = event("A", 7, 1)
    assert old in value
    return value.replace(old, new)


# Of all of these, the first that holds is the reason.
BAD = [
    (None, "null value"),
    (b"", "empty value"),
    (b" ", "not an event"),
    (b"\xff", "invalid UTF-8"),
    (altered(b'"A"', b'"A\xff"'), "invalid UTF-8"),
    (altered(b"}", b', "more": "\xc0\xaf"}'), "invalid UTF-8"),
    (altered(b"}", b"}\xe2\x82"), "invalid UTF-8"),
    (altered(b"}", b""), "not an event"),
    (altered(b"100.0", b'"100.0"'), "not an event"),
    (altered(b'"volume": 10', b'"volume": "10"'), "not an event"),
    (altered(b"7", b"7.0"), "not an event"),
    *((altered(b"100.0", text), "not an event") for text in (b"NaN", b"Infinity", b"-Infinity", b'"NaN"', b'"Infinity"')),
    (b"\xef\xbb\xbf" + event("A", 7, 1), "not an event"),
    (b"[" + event("A", 7, 1) + b"]", "not an event"),
    (b"null", "not an event"),
    (b"{}", "missing field"),
    *((altered(b'"%s"' % name.encode(), b'"other"'), "missing field") for name in sql.FIELDS),
    (altered(b"100.0", b"null"), "missing field"),
]
# Odd, but each an event with the volume 10 at 100.
GOOD = [
    altered(b"}", b', "more": {"a": [1, "%s"]}}' % (b"z" * 900_000)),
    altered(b"100.0", b'"x", "price": 100.0').replace(b'"x"', b"99.0"),
    altered(b"}", b"} and more"),
    altered(b'"A"', b'"\xc3\x84"'),
]


def test_what_is_no_event_is_set_aside_as_it_came_with_a_reason(served: Served, broker: EmbeddedBroker, tmp_path: Path) -> None:
    topic, letters_topic = "pipelines-bad", "pipelines-bad-letters"
    source = kafka_source(broker, topic)
    ensure_topic(broker.cluster, letters_topic, 1, 1)
    output = {
        **DEAD_LETTERS,
        "kind": "kafka",
        "path": None,
        "columns": ["key", "value", sql.headers(["reason", "partition", "offset"])],
        "options": {"kafka.bootstrap.servers": "127.0.0.1:1", "topic": letters_topic},
    }
    plan = write_plan(tmp_path, source, TUMBLING, dead_letters=output)
    address = {"kafka.bootstrap.servers": broker.bootstrap_servers}
    start(served, tmp_path, plan, dead_letter_options=address)
    send(broker, topic, *(value for value, _ in BAD), *GOOD, partition=1, key=b"\xfe the key")
    events = drain(served, {topic: end_offsets(broker.cluster, topic)})
    assert observed(events, "parsed", "rejected") == len(BAD)
    assert last_windows(tmp_path) == {(0, 10, "A"): (100.0, 30, 3), (0, 10, "Ä"): (100.0, 10, 1)}
    letters = consume(broker, letters_topic, len(BAD))
    assert [letter.value() for letter in letters] == [value for value, _ in BAD]
    assert {letter.key() for letter in letters} == {b"\xfe the key"}
    headers = [dict(letter.headers() or ()) for letter in letters]
    assert [header["reason"].decode().split(":")[0] for header in headers] == [reason for _, reason in BAD]
    assert [(header["partition"], header["offset"]) for header in headers] == [
        (b"1", str(offset).encode()) for offset in range(len(BAD))
    ]


def consume(broker: EmbeddedBroker, topic: str, count: int) -> list[Message]:
    settings = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "test", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    try:
        consumer.subscribe([topic])
        return consumer.consume(count, 20)
    finally:
        consumer.close()


def test_dead_letters_from_files_hold_the_bytes_of_the_line(served: Served, tmp_path: Path) -> None:
    start(served, tmp_path, write_plan(tmp_path, TEXT, TUMBLING))
    add_file(tmp_path, "a.ndjson", event("A", 0, 1), b"", b"\xff\x00", b"{}")
    events = drain(served)
    assert observed(events, "parsed", "rejected") == 3
    table = pq.read_table(tmp_path / "dead-letters", partitioning=None)
    assert table.schema.field("value").type == pa.binary()
    assert {(row["value"], row["reason"], row["file"]) for row in table.to_pylist()} == {
        (b"", "empty value", "a.ndjson"),
        (b"\xff\x00", "invalid UTF-8", "a.ndjson"),
        (b"{}", "missing field", "a.ndjson"),
    }


def test_dead_letters_start_where_the_run_did(served: Served, broker: EmbeddedBroker, tmp_path: Path) -> None:
    topic = "pipelines-latest"
    source = kafka_source(broker, topic, "latest")
    send(broker, topic, b"from before")
    plan = write_plan(tmp_path, source, TUMBLING)
    start(served, tmp_path, plan)
    send(broker, topic, b"from now")
    drain(served, {topic: end_offsets(broker.cluster, topic)})
    letters = pq.read_table(tmp_path / "dead-letters").to_pylist()
    assert [row["value"] for row in letters] == [b"from now"]


def test_a_drain_to_offsets_ends_while_others_keep_writing(served: Served, broker: EmbeddedBroker, tmp_path: Path) -> None:
    topic = "pipelines-busy"
    plan = write_plan(tmp_path, kafka_source(broker, topic), TUMBLING, output=PARQUET, watermark="0 seconds")
    start(served, tmp_path, plan)
    send(broker, topic, event("A", 0, 5), event("A", 1, 25))
    ends = {topic: end_offsets(broker.cluster, topic)}
    enough = threading.Event()
    writer = threading.Thread(target=_keep_writing, args=(broker, topic, enough))
    writer.start()
    try:
        drain(served, ends)
    finally:
        enough.set()
        writer.join()
    assert last_windows(tmp_path)[(0, 10, "A")] == (100.0, 10, 1), "closed by the event at 25 s"


def _keep_writing(broker: EmbeddedBroker, topic: str, enough: threading.Event) -> None:
    seq = 0
    while not enough.wait(0.02):
        send(broker, topic, event("FOREIGN", seq, 25))
        seq += 1


def test_duplicates_and_late_events_do_not_count(served: Served, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, TEXT, TUMBLING, deduplicate=["symbol", "seq"])
    events = start(served, tmp_path, plan)
    add_file(tmp_path, "a.ndjson", event("A", 0, 1), event("A", 0, 1), event("A", 1, 2), event("A", 2, 40))
    events += _await_batches(served, 2)
    add_file(tmp_path, "b.ndjson", event("A", 3, 3), event("A", 2, 40), event("A", 4, 41))
    events += drain(served)
    assert last_windows(tmp_path) == {(0, 10, "A"): (100.0, 20, 2), (40, 50, "A"): (100.0, 20, 2)}
    operators = {state["name"]: 0 for report in reports(events) for state in report["state"]}
    duplicates, late = dict(operators), dict(operators)
    for state in (state for report in reports(events) for state in report["state"]):
        duplicates[state["name"]] += state["duplicates_dropped"]
        late[state["name"]] += state["rows_dropped_by_watermark"]
    assert sum(duplicates.values()) == 2
    assert late == {"dedupeWithinWatermark": 1, "stateStoreSave": 0}
    assert observed(events, "events", "accepted") == 4


def _await_batches(served: Served, count: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while len(reports(events)) < count:
        events += served.until("progress")
    return events


def test_append_writes_a_window_once_when_the_drain_closes_it(served: Served, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, TEXT, TUMBLING, output=PARQUET)
    events = start(served, tmp_path, plan)
    add_file(tmp_path, "a.ndjson", event("A", 0, 1), event("A", 1, 12), event("A", 2, 30))
    events += drain(served)
    closed = {(0, 10, "A"): (100.0, 10, 1), (10, 20, "A"): (100.0, 10, 1)}
    assert last_windows(tmp_path) == closed
    rows = pq.read_table(tmp_path / "windows").to_pylist()
    assert sorted((row["window_start"] - BASE).total_seconds() for row in rows) == [0, 10]
    assert {row["batch_id"] for row in rows} == {reports(events)[-1]["batch_id"]}


def test_sessions_end_after_a_pause_of_the_gap_and_not_before(served: Served, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, TEXT, "session_window(event_time, '2 seconds')", output={**CONSOLE, "mode": "append"})
    start(served, tmp_path, plan)
    seconds = (0, 1.999999, 3.999999, 10, 12.000001, 40)
    add_file(tmp_path, "a.ndjson", *(event("A", seq, second) for seq, second in enumerate(seconds)))
    drain(served)
    # An event at exactly `gap` after the one before goes with it: adjacent sessions are one.
    assert {key: row[2] for key, row in last_windows(tmp_path).items()} == {
        (0, 5.999999, "A"): 3,
        (10, 12, "A"): 1,
        (12.000001, 14.000001, "A"): 1,
    }


def test_typed_columns_from_parquet_files(served: Served, tmp_path: Path) -> None:
    source = {"format": "parquet", "path": "events", "ddl": sql.ddl(EVENT_SCHEMA)}
    plan = write_plan(tmp_path, source, TUMBLING)
    events = start(served, tmp_path, plan)
    table = pa.table(
        {
            "symbol": ["A", "A"],
            "seq": [0, 1],
            "event_time": pa.array([BASE, BASE + timedelta(microseconds=1)], pa.timestamp("us", tz="UTC")),
            "price": [1.5, None],
            "volume": [3, 4],
        }
    )
    pq.write_table(table, tmp_path / "part")
    (tmp_path / "part").replace(tmp_path / "events" / "a.parquet")
    events += drain(served)
    assert last_windows(tmp_path) == {(0, 10, "A"): (1.5, 3, 1)}
    assert observed(events, "parsed", "rejected") == 1
    (letter,) = pq.read_table(tmp_path / "dead-letters").to_pylist()
    assert letter["file"] == "a.parquet"
    assert json.loads(letter["value"]) == {
        "symbol": "A",
        "seq": 1,
        "price": None,
        "volume": 4,
        "event_time": "2024-01-02T14:30:00.000001Z",
    }


def test_windows_go_to_a_topic(served: Served, broker: EmbeddedBroker, tmp_path: Path) -> None:
    topic = "pipelines-windows"
    ensure_topic(broker.cluster, topic, 1, 1)
    output = {
        **CONSOLE,
        "kind": "kafka",
        "columns": ["symbol AS key", "to_json(struct(symbol, msg_ct)) AS value"],
        "options": {"kafka.bootstrap.servers": "127.0.0.1:1", "topic": topic},
    }
    plan = write_plan(tmp_path, TEXT, TUMBLING, output=output)
    start(served, tmp_path, plan, output_options={"kafka.bootstrap.servers": broker.bootstrap_servers})
    add_file(tmp_path, "a.ndjson", event("A", 0, 1), event("A", 1, 2))
    drain(served)
    (message,) = consume(broker, topic, 1)
    assert (message.key(), json.loads(message.value() or b"")) == (b"A", {"symbol": "A", "msg_ct": 2})
    assert last_windows(tmp_path) == {(0, 10, "A"): (100.0, 20, 2)}


def test_a_run_goes_on_from_its_checkpoint_and_stop_ends_it_at_once(served: Served, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, TEXT, TUMBLING)
    add_file(tmp_path, "a.ndjson", event("A", 0, 1))
    start(served, tmp_path, plan)
    served.send(command="stop")
    served.until("stopped")
    add_file(tmp_path, "b.ndjson", event("A", 1, 2))
    start(served, tmp_path, plan)
    drain(served)
    assert last_windows(tmp_path) == {(0, 10, "A"): (100.0, 20, 2)}


def test_faults_are_one_line_and_the_child_serves_on(served: Served, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, TEXT, TUMBLING)
    altered = tmp_path / "altered.json"
    altered.write_text(plan.read_text(encoding="utf-8").replace("10 seconds", "20 seconds"), encoding="utf-8")
    cases: list[tuple[dict[str, Any], str, int]] = [
        ({"command": "start", "plan": altered, "directory": tmp_path}, "altered", 2),
        ({"command": "start", "directory": tmp_path}, "lacks 'plan'", 2),
        ({"command": "drain", "end_offsets": None}, "nothing runs", 3),
        ({"command": "dance"}, "unknown command", 2),
        (
            {
                "command": "start",
                "directory": tmp_path / "refused",
                "plan": write_plan(tmp_path, TEXT, "window(event_time, 'ten')"),
            },
            "Spark refused the query",
            3,
        ),
    ]
    for command, message, exit_code in cases:
        served.send(**command)
        error = served.until("error")[-1]
        assert message in error["message"], error
        assert "\n" not in error["message"]
        assert error["exit_code"] == exit_code
    served.send(command="stop")
    assert served.until("stopped")[-1]["progress_count"] == 0


def test_a_query_that_fails_says_its_root_cause(served: Served, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, TEXT, "window(event_time, '10 seconds'), assert_true(price < 1000, 'too dear')")
    start(served, tmp_path, plan)
    add_file(tmp_path, "a.ndjson", event("A", 0, 1, 2000.0))
    error = served.until("error")[-1]
    assert "too dear" in error["message"]
    assert error["exit_code"] == 3
    assert error["java_ended"] is False


def test_another_set_of_properties_gets_another_spark_and_no_broker_is_told_soon(
    served: Served, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    before = served.java()
    plan = write_plan(tmp_path, TEXT, TUMBLING, spark=WITHOUT_KAFKA)
    served.send(command="warm", plan=plan)
    assert served.until("warm")[-1]["version"].startswith("4.")
    after = served.java()
    assert before != after
    assert len(after) == 1
    add_file(tmp_path, "a.ndjson", event("A", 0, 1))
    start(served, tmp_path, plan)
    drain(served)
    assert len(last_windows(tmp_path)) == 1
    began = time.monotonic()
    options = {"kafka.bootstrap.servers": "127.0.0.1:1"}
    plan = write_plan(tmp_path, kafka_source(broker, "pipelines-none"), TUMBLING, spark=WITHOUT_KAFKA)
    served.send(command="start", plan=plan, directory=tmp_path / "none", source_options=options)
    error = served.until("error")[-1]
    assert "no Kafka broker takes connections at 127.0.0.1:1" in error["message"]
    assert error["exit_code"] == 3
    assert time.monotonic() - began < 10


def test_the_end_of_stdin_ends_all_in_the_middle_of_a_drain(served: Served, tmp_path: Path) -> None:
    start(served, tmp_path, write_plan(tmp_path, TEXT, TUMBLING, spark=WITHOUT_KAFKA))
    java = served.java()
    served.send(command="drain", end_offsets={"never": {"0": 1}})
    assert served.close() == 0
    _await(lambda: not any(_runs(pid) for pid in java))


def test_a_kill_leaves_no_jvm(tmp_path: Path) -> None:
    child = Served(tmp_path / "spark.log")
    start(child, tmp_path, write_plan(tmp_path, TEXT, TUMBLING, spark=WITHOUT_KAFKA))
    java = child.java()
    assert java
    child.process.kill()
    assert child.close() == -signal.SIGKILL
    _await(lambda: not any(_runs(pid) for pid in java))


def test_in_the_foreground_only_tables_are_on_stdout(tmp_path: Path) -> None:
    plan = write_plan(tmp_path, TEXT, TUMBLING, spark=WITHOUT_KAFKA)
    add_file(tmp_path, "a.ndjson", event("A", 0, 1))
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", plan, "--master", "local[1]"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(8)]
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    with process.stdout, process.stderr:
        rest, errors = process.stdout.read(), process.stderr.read()
    process.wait(30)
    assert lines[1] == "Batch: 0\n"
    assert "|2024-01-02 14:30:00|2024-01-02 14:30:10|A     |100.0    |10    |1     |\n" in lines
    assert rest == "\n"
    assert errors == "stopped; the same command goes on from here\n"
    assert process.returncode == 130
    assert (tmp_path / "spark.log").stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "variables", "message", "exit_code"),
    [
        (["{folder}/none.json"], {}, "none.json: cannot be read (No such file or directory)", 2),
        (["{folder}/plan.json"], {"JAVA_HOME": "/none"}, "JAVA_HOME=/none has no bin/java", 3),
    ],
)
def test_what_cannot_start_is_told_in_one_line(
    arguments: list[str], variables: dict[str, str], message: str, exit_code: int, tmp_path: Path
) -> None:
    write_plan(tmp_path, TEXT, TUMBLING)
    command = [sys.executable, "-m", "pipelines", *(part.format(folder=tmp_path) for part in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**environment(), **variables})
    assert done.returncode == exit_code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _await(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.1)
