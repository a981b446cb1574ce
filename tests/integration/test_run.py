"""The main job, end to end: real Kafka, real Spark, real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from confluent_kafka import Producer

from simulator.broker.topics import ensure_topic

if TYPE_CHECKING:
    from simulator.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.integration

SMALL = ["symbols.count=5", "rate=200", "duration=4"]


def simulator(folder: Path, *overrides: str, code: int = 0, name: str = "run") -> tuple[Path, str]:
    """Run the program in a folder of its own; returns the run directory and all that it printed."""
    run = folder / name
    command = [sys.executable, "-m", "simulator", f"hydra.run.dir={run}", *overrides]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return run, done.stdout + done.stderr


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def check_balanced(run: Path) -> None:
    audit = read(run / "verdict.json")["audit"]
    generated = audit["generated"]
    assert generated > 0
    assert {audit[stage] for stage in ("acked", "read", "aggregated")} == {generated}
    assert audit["in_topic"] in {None, generated}


def test_a_run_on_kafka_matches_and_every_mode_that_looks_back_at_it_works(tmp_path: Path) -> None:
    run, said = simulator(tmp_path, *SMALL, "+scenario=volatile")
    assert said.rstrip().splitlines()[-1] == "match"
    heading = [cell.strip() for cell in next(line for line in said.splitlines() if "avg_price" in line).split("|")]
    assert heading == ["", "window.start", "window.end", "symbol", "avg_price", "volume", "msg_ct", ""]
    check_balanced(run)
    manifest = read(run / "manifest.json")
    assert manifest["status"] == "complete"
    assert manifest["plan_hash"] == read(run / "plan.json")["hash"]
    assert not (run / "broker" / "data").exists()
    assert (run / ".hydra").is_dir()
    assert pl.read_parquet(run / "answers.parquet").height == read(run / "verdict.json")["windows"]["expected"]

    _, said = simulator(tmp_path, "mode=verify", f"run={run}", name="again")
    assert said.rstrip().endswith("match")
    _, said = simulator(tmp_path, "mode=reproduce", f"run={run}", name="reproduced")
    assert said.rstrip().endswith("reproduced")

    broken = tmp_path / "broken.csv"
    results = pl.read_parquet(run / "results.parquet").with_columns(pl.col("avg_price") + 1e-6)
    results.write_csv(broken)
    _, said = simulator(tmp_path, "mode=verify", f"run={run}", f"results={broken}", code=1, name="broken")
    assert said.rstrip().endswith("mismatch")

    plan = read(run / "plan.json")
    plan["seed"] += 1
    (run / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    _, said = simulator(tmp_path, "mode=verify", f"run={run}", code=2, name="altered")
    assert "was altered since it was written" in said


@pytest.mark.parametrize(
    "overrides",
    [
        ["sink=file", "sink.seconds_per_file=1", "metrics=ohlc", "window=tumbling", "window.size=2"],
        ["sink=file", "sink.format=parquet", "event=compact", "metrics=vwap", "output=parquet", "clock=unpaced"],
        ["window=session", "window.gap=0.05", "window.watermark=1", "output=parquet", "output.mode=append", "rate=50"],
        ["event=compact", "window.size=3", "window.slide=2", "window.deduplicate=true", "arrivals=fixed", "output=kafka"],
    ],
    ids=["ndjson", "parquet", "session", "compact"],
)
def test_other_ways_through_match_too(tmp_path: Path, overrides: list[str]) -> None:
    run, _ = simulator(tmp_path, *SMALL, *overrides)
    verdict = read(run / "verdict.json")
    assert verdict["status"] == "match"
    assert verdict["windows"]["expected"] > 0
    check_balanced(run)


def test_foreign_records_from_before_do_no_harm(tmp_path: Path, broker: EmbeddedBroker) -> None:
    ensure_topic(broker.cluster, "shared", 4, 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for number in range(100):
        producer.produce("shared", key=f"k{number}", value=b"\xff not an event")
    assert producer.flush(20) == 0
    external = ["broker=external", f"broker.bootstrap_servers='{broker.bootstrap_servers}'", "topic=shared"]
    run, _ = simulator(tmp_path, *SMALL, *external, "clock=unpaced")
    assert read(run / "verdict.json")["status"] == "match"
    _, said = simulator(tmp_path, *SMALL, *external, "sink.partitions=8", code=2, name="narrow")
    assert "sink.partitions=8" in said


def start(folder: Path, name: str, *overrides: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator", f"hydra.run.dir={folder / name}", *overrides]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_three_terminals(tmp_path: Path) -> None:
    port = "broker.port=19192"
    broker = start(tmp_path, "broker", "mode=broker", port)
    try:
        assert broker.stdout is not None
        assert "listens on 127.0.0.1:19192" in broker.stdout.readline()
        _, said = simulator(tmp_path, "mode=broker", port, code=2, name="second")
        assert "broker.port=19192" in said
        producer = start(tmp_path, "producer", "mode=produce", port, "duration=null", "rate=50", "symbols.count=3")
        aggregate = start(tmp_path, "aggregate", "mode=aggregate", port)
        assert aggregate.stdout is not None
        shown = ""
        while "avg_price" not in shown:
            line = aggregate.stdout.readline()
            assert line, "the aggregation ended before it showed a table"
            shown += line
        for process in (producer, aggregate):
            process.send_signal(signal.SIGINT)
        said = producer.communicate(timeout=30)[1]
        assert producer.returncode == 130, said
        assert "sent and acknowledged" in said
        aggregate.communicate(timeout=30)
        assert aggregate.returncode == 0
        counts = read(tmp_path / "producer" / "manifest.json")["counts"]
        assert counts["generated"] == counts["acked"] > 0
    finally:
        broker.send_signal(signal.SIGINT)
        broker.communicate(timeout=30)
    assert broker.returncode == 0


def test_an_interrupted_run_is_closed_and_says_so(tmp_path: Path) -> None:
    process = start(tmp_path, "run", "rate=200", "duration=600", "symbols.count=3", "sink=file", "output=parquet")
    manifest = tmp_path / "run" / "manifest.json"
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "checkpoint" / "commits" / "1").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, said + errors
    verdict = read(tmp_path / "run" / "verdict.json")
    assert verdict["status"] == "incomplete"
    assert verdict["windows"]["matched"] == verdict["windows"]["expected"] > 0
    assert read(manifest)["status"] == "incomplete"


def test_no_broker_is_told_in_bounded_time(tmp_path: Path) -> None:
    external = ["broker=external", "broker.bootstrap_servers='127.0.0.1:1'", "broker.timeout=2"]
    begun = time.monotonic()
    _, said = simulator(tmp_path, "mode=produce", *external, code=3)
    assert time.monotonic() - begun < 20
    assert "127.0.0.1:1" in said
    assert len(said.strip().splitlines()) == 1
