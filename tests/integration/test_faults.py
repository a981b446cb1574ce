"""Faults end to end: a real broker and a real Spark, and what became of every record."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from confluent_kafka import Consumer, TopicPartition

from simulator.answers.judge import judge
from simulator.encode.payload import Payloads
from simulator.faults.model import FAULTS, Faults
from simulator.faults.stream import records_of
from simulator.partitioning import partition_of
from simulator.plan import Plan, read_plan
from simulator.rundir import RunDirectory, read_json, read_lines, write_lines

if TYPE_CHECKING:
    from simulator.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.integration

Name = tuple[str, int, int]
Report = dict[str, Any]

TOPIC = "all-faults"
ALL = [
    f"faults=[{','.join(FAULTS)}]",
    *(f"faults.{name}.rate=0.05" for name in FAULTS),
    *("faults.drift.start=3", "faults.stall.start=4", "faults.stall.end=9", "faults.corrupt.huge_bytes=2000"),
    *("faults.late.delay.mean=4", "faults.late.delay.longest=10"),
]
# However slow the machine, there are batches enough for some records to come behind the watermark.
BATCHES = ["spark.trigger=0", "spark.max_offsets_per_trigger=3500"]
RUN = [*ALL, *BATCHES, "rate=1000", "duration=20", "clock=accelerated", "clock.speed=4", "output=parquet"]


def simulate(folder: Path, *overrides: str) -> Path:
    """A run with every fault; it must match. Returns its directory."""
    run = folder / "run"
    command = [sys.executable, "-m", "simulator", f"hydra.run.dir={run}", *RUN, *overrides]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return run


def check_verdict(run: Path, *stages: str) -> None:
    """A match, with accounts that balance, and records in each of the stages named."""
    verdict = read_json(run / "verdict.json")
    audit = verdict["audit"]
    assert verdict["status"] == "match"
    assert verdict["windows"]["matched"] == verdict["windows"]["expected"] > 100
    assert verdict["audit_faults"] == []
    assert verdict["faults"].keys() == FAULTS.keys()
    parts = ("aggregated", "late_dropped", "duplicates_removed", "rejected", "status")
    assert audit["generated"] == audit["acked"] == audit["read"] == sum(audit[part] for part in parts)
    assert audit["in_topic"] in {None, audit["generated"]}
    for stage in stages:
        assert audit[stage] > 0, stage


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, broker: EmbeddedBroker) -> Path:
    """A run with all faults on a topic that is there after it."""
    external = ["broker=external", f"broker.bootstrap_servers='{broker.bootstrap_servers}'", f"topic={TOPIC}"]
    quotes = ["quotes=bid_ask", "faults.bad_tick.crossed=0.3"]
    return simulate(tmp_path_factory.mktemp("faults"), *external, *quotes, "window.deduplicate=true", "window.watermark=1")


@pytest.fixture(scope="module")
def topic(run: Path, broker: EmbeddedBroker) -> dict[tuple[int, int], tuple[bytes | None, bytes | None]]:
    """Key and value by partition and offset, as a consumer finds them."""
    count = read_json(run / "manifest.json")["counts"]["acked"]
    settings = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "test", "enable.auto.commit": False}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(4)])
    found: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = {}
    while len(found) < count:
        messages = consumer.consume(10_000, timeout=10)
        assert messages
        for message in messages:
            assert message.error() is None
            found[message.partition(), message.offset()] = (message.key(), message.value())
    assert consumer.consume(1, timeout=0.5) == []
    consumer.close()
    return found


def payloads_of(plan: Plan, start: int) -> Iterator[tuple[Name, bytes | None]]:
    """Every record that is sent, in the order of sending, with its bytes."""
    payloads = Payloads(plan, start)
    for block in records_of(plan, start):
        present = block.present
        events = present.events
        rows = zip(events.symbol.tolist(), events.seq.tolist(), present.copy.tolist(), payloads.of(present), strict=True)
        for symbol, seq, copy, payload in rows:
            yield (plan.market.symbols[symbol].name, seq, copy), payload


def test_every_fault_at_once_matches(run: Path) -> None:
    check_verdict(run, "late_dropped", "duplicates_removed", "rejected")


def test_the_brokers_partitions_are_those_that_murmur2_gives(
    topic: dict[tuple[int, int], tuple[bytes | None, bytes | None]],
) -> None:
    chosen = {key: partition for (partition, _), (key, _) in topic.items()}
    assert len(chosen) > 50
    for key, partition in chosen.items():
        assert key is not None
        assert partition == partition_of(key.decode(), 4)
    assert len({(partition, key) for (partition, _), (key, _) in topic.items()}) == len(chosen)


def test_the_ledger_tells_the_bytes_of_every_record(
    run: Path, topic: dict[tuple[int, int], tuple[bytes | None, bytes | None]]
) -> None:
    """What the ledger names is there as predicted, at the partition and offset that it says; all else is the clean line."""
    plan, manifest = read_plan(run / "plan.json"), read_json(run / "manifest.json")
    predicted = dict(payloads_of(plan, manifest["start"]))
    unharmed = plan.model_copy(update={"faults": Faults(aim="none", aim_rate=0.0)})
    meant = {name[:2]: payload for name, payload in payloads_of(unharmed, manifest["start"])}
    ledger = pl.read_parquet(run / "ledger.parquet")
    struck: dict[tuple[int, int], Name] = {}
    for row in ledger.filter(pl.col("offset").is_not_null()).to_dicts():
        name = (row["symbol"], row["seq"], row["copy"])
        assert struck.setdefault((row["partition"], row["offset"]), name) == name
    assert len(struck) > 5000
    for place, name in struck.items():
        key, value = topic[place]
        assert key == name[0].encode()
        assert value == predicted[name]
    clean = set()
    for place, (key, value) in topic.items():
        if place not in struck:
            assert key is not None
            assert value is not None
            content = json.loads(value)
            assert content["symbol"].encode() == key
            assert value == meant[content["symbol"], content["seq"]]
            clean.add((content["symbol"], content["seq"], 0))
    never_sent = ledger.filter(pl.col("offset").is_null())
    assert never_sent["actual_time"].is_null().all()
    gone = set(never_sent.select("symbol", "seq", "copy").iter_rows())
    assert len(clean) + len(struck) == len(topic)
    # Every event of the market is somewhere, once.
    firsts = [name for name in (*clean, *struck.values(), *gone) if name[2] == 0]
    assert len(firsts) == len(set(firsts)) == len(meant)


# A leak is told, with the place where it is.


def without_a_batch(reports: list[Report]) -> None:
    full = max(reports, key=lambda report: report["rows"])
    reports.remove(full)


def without_counts(reports: list[Report]) -> None:
    max(reports, key=lambda report: report["rows"])["observed"] = {}


def add_to(path: tuple[str | int, ...], amount: int) -> Callable[[list[Report]], None]:
    def tamper(reports: list[Report]) -> None:
        place: Any = max(reports, key=lambda report: report["rows"])
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] += amount

    return tamper


def with_another_watermark(reports: list[Report]) -> None:
    reports[-1]["watermark"] = "2025-01-02T14:30:00.001Z"


def with_another_offset(reports: list[Report]) -> None:
    reports.sort(key=lambda report: report["batch_id"])
    ends = [report["sources"][0]["end_offset"][TOPIC] for report in reports]
    # A batch that read from this partition, or there is no record to move.
    moved = next(end for before, end in pairwise(ends) if end["0"] > before["0"])
    moved["0"] -= 1


TAMPERED: dict[str, tuple[Callable[[list[Report]], None], str]] = {
    "a batch is missing": (without_a_batch, "in_topic=.* but read="),
    "a batch has no counts": (without_counts, "micro-batch .*: read=0, but the records give"),
    "one record less read": (add_to(("observed", "parsed", "read"), -1), "micro-batch .*: read="),
    "one more rejected": (add_to(("observed", "parsed", "rejected"), 1), "micro-batch .*: rejected="),
    "one less accepted": (add_to(("observed", "events", "accepted"), -1), "micro-batch .*: accepted="),
    "one more late": (add_to(("state", 1, "rows_dropped_by_watermark"), 1), "micro-batch .*: rows_dropped_by_watermark="),
    "one more repeat": (add_to(("state", 1, "duplicates_dropped"), 1), "micro-batch .*: duplicates_dropped="),
    "another watermark": (with_another_watermark, "micro-batch .*: watermark="),
    "a record in the next batch": (with_another_offset, "micro-batch .*: read="),
}


def told(run: Path, folder: Path, reports: list[Report], plan: Plan | None = None, **counts: int) -> list[str]:
    """What the judge says of a run with other reports, another plan, or other counts."""
    manifest = read_json(run / "manifest.json")
    manifest["counts"].update(counts)
    directory = RunDirectory(folder)
    (folder / "dead-letters").symlink_to(run / "dead-letters")
    write_lines(reports, directory.microbatches)
    in_topic = read_json(run / "verdict.json")["audit"]["in_topic"]
    return judge(plan or read_plan(run / "plan.json"), directory, manifest, in_topic).faults


def test_untouched_accounts_have_no_leak(run: Path, tmp_path: Path) -> None:
    assert told(run, tmp_path, read_lines(run / "microbatches.ndjson")) == []


@pytest.mark.parametrize("case", TAMPERED)
def test_a_leak_names_its_stage(case: str, run: Path, tmp_path: Path) -> None:
    tamper, expected = TAMPERED[case]
    reports = read_lines(run / "microbatches.ndjson")
    tamper(reports)
    found = told(run, tmp_path, reports)
    assert any(re.search(expected, line) for line in found), found


def test_an_event_that_was_not_acknowledged_is_told(run: Path, tmp_path: Path) -> None:
    acked = read_json(run / "manifest.json")["counts"]["acked"]
    found = told(run, tmp_path, read_lines(run / "microbatches.ndjson"), acked=acked - 1)
    assert f"generated={acked} but acked={acked - 1}" in found


def test_another_plan_is_another_stream(run: Path, tmp_path: Path) -> None:
    plan = read_plan(run / "plan.json")
    found = told(run, tmp_path, read_lines(run / "microbatches.ndjson"), plan.model_copy(update={"seed": plan.seed + 1}))
    assert any("rejected=" in line for line in found)


# Other ways through.

WAYS = {
    "counting repeats": (
        ["window=tumbling", "window.size=2", "window.watermark=1", "output.mode=append"],
        ("late_dropped", "rejected"),
    ),
    "sessions": (
        ["window=session", "window.gap=0.2", "window.watermark=1", "output.mode=append"],
        ("late_dropped", "rejected"),
    ),
    "files": (
        ["sink=file", "sink.seconds_per_file=1", "window=tumbling", "window.size=2", "window.watermark=1"],
        ("rejected",),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_fault_at_once_matches_on_other_ways_too(way: str, tmp_path: Path, broker: EmbeddedBroker) -> None:
    overrides, stages = WAYS[way]
    if way != "files":
        external = ["broker=external", f"broker.bootstrap_servers='{broker.bootstrap_servers}'"]
        overrides = [*overrides, *external, f"topic=faults-{way.rsplit(maxsplit=1)[-1]}"]
    run = simulate(tmp_path, *overrides)
    check_verdict(run, *stages)
    if way == "files":
        check_files(run)


def check_files(run: Path) -> None:
    """Files hold the records in the order of sending, and the ledger names them with their lines."""
    plan, manifest = read_plan(run / "plan.json"), read_json(run / "manifest.json")
    held: dict[str, list[bytes]] = {
        name: (run / "events" / name).read_bytes().split(b"\n")[:-1] for name in manifest["deliveries"]
    }
    lines = [b"null" if payload is None else payload for _, payload in payloads_of(plan, manifest["start"])]
    assert [line for rows in held.values() for line in rows] == lines
    by_name = defaultdict(list)
    for name, payload in payloads_of(plan, manifest["start"]):
        by_name[name].append(b"null" if payload is None else payload)
    ledger = pl.read_parquet(run / "ledger.parquet").filter(pl.col("offset").is_not_null())
    assert ledger["partition"].is_null().all()
    for row in ledger.to_dicts():
        assert by_name[row["symbol"], row["seq"], row["copy"]] == [held[row["file"]][row["offset"]]]
