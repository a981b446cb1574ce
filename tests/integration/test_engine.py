"""The Spark engine on real executor processes: each partition of the topic is that of the local engine, to the byte."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from waiting import begun

from pipelines.generation import Generation
from pipelines.market import MarketSource
from pipelines.protocol import Channel
from pipelines.session import Sessions
from simulator.broker.embedded import EmbeddedBroker
from simulator.broker.topics import end_offsets, ensure_topic
from simulator.errors import DeliveryError
from simulator.java import find_java_home
from simulator.market.digest import combined
from simulator.modes.reproduce import digest_of
from simulator.plan import Plan, read_plan
from simulator.produce.kafka import KafkaSink
from simulator.produce.local import LocalProduction
from simulator.produce.signals import StopRequest
from simulator.produce.spark import SparkProduction
from simulator.produce.spark_job import SparkJob, kafka_options, links_to_spark, spark_job
from simulator.schema import Specification

Contents = dict[int, list[tuple[bytes | None, bytes | None]]]
ContentsOf = Callable[[EmbeddedBroker, str], Contents]
MakePlan = Callable[..., Plan]
Cluster = tuple[SparkSession, SparkJob]
FAULTS = "faults=[late,disorder,duplicate,drop,corrupt,correction,stall,drift,burst]"
CLUSTER = ("engine=spark", 'engine.master="local-cluster[2,1,2048]"', "engine.workers=3", "engine.span=2")
PARTITIONS = 6


@pytest.fixture(scope="module")
def job(make_specification: Callable[..., Specification], make_plan: MakePlan) -> SparkJob:
    common = ("clock=unpaced", f"sink.partitions={PARTITIONS}")
    specification = make_specification(*CLUSTER, *common)
    assert specification.engine.kind == "spark"
    return spark_job(specification, specification.engine, make_plan(*common))


@pytest.fixture(scope="module")
def cluster(job: SparkJob, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of a master and two workers with an executor each, all processes of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(find_java_home()))
        for name, value in job.environment(links_to_spark(tmp_path_factory.mktemp("cluster") / "spark")).items():
            patch.setenv(name, value)
        sessions = Sessions()
        yield sessions.get(job.properties), job
        sessions.stop()


def plan_for(make_plan: MakePlan, topic: str, broker: EmbeddedBroker, *overrides: str) -> Plan:
    plan = make_plan("clock=unpaced", "rate=1500", "duration=9", f"sink.partitions={PARTITIONS}", f"topic={topic}", *overrides)
    ensure_topic(broker.cluster, topic, PARTITIONS, 1)
    return plan


def of_the_local_engine(make_plan: MakePlan, broker: EmbeddedBroker, *overrides: str) -> tuple[str, str]:
    """The topic that the local engine fills, and the digest."""
    topic = f"local-{abs(hash(overrides))}"
    plan = plan_for(make_plan, topic, broker, *overrides)
    cluster = broker.cluster
    with LocalProduction(plan, lambda start: KafkaSink(plan, start, cluster, PARTITIONS)) as production:
        outcome = production.run(plan.clock.start or 0, StopRequest(), lambda _: None)
    return topic, outcome.digest


def generation(cluster: Cluster, plan: Plan, broker: EmbeddedBroker, folder: Path) -> tuple[Generation, io.StringIO]:
    spark, job = cluster
    folder.mkdir(exist_ok=True)
    options = job.source(plan, plan.clock.start or 0, str(folder / "states"), folder / "stop")
    kafka = kafka_options(plan, broker.cluster)
    said = io.StringIO()
    start = {"options": options, "kafka": kafka, "checkpoint": (folder / "checkpoint").as_uri()}
    return Generation(spark, start, Channel(said)), said


def done(running: tuple[Generation, io.StringIO]) -> dict[str, Any]:
    """What it says at its end."""
    deadline = time.monotonic() + 100
    while not running[0].advance():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    content: dict[str, Any] = json.loads(running[1].getvalue().splitlines()[-1])
    assert content["event"] == "done"
    return content


@pytest.mark.parametrize("faults", ["faults=none", FAULTS])
def test_the_topic_is_that_of_the_local_engine(
    faults: str, cluster: Cluster, broker: EmbeddedBroker, make_plan: MakePlan, contents: ContentsOf, tmp_path: Path
) -> None:
    spark, job = cluster
    topic, digest = of_the_local_engine(make_plan, broker, faults)
    right = contents(broker, topic)
    assert sum(map(len, right.values())) > 10_000

    plan = plan_for(make_plan, f"stream-{topic}", broker, faults)
    end = done(generation(cluster, plan, broker, tmp_path))
    assert contents(broker, f"stream-{topic}") == right
    assert combined({name: chain for name, _, _, chain in end["symbols"]}) == digest
    made: Counter[int] = Counter()
    for _, partition, records, _ in end["symbols"]:
        made[partition] += records
    assert {partition: made[partition] for partition in right} == {partition: len(rows) for partition, rows in right.items()}

    batch = plan_for(make_plan, f"batch-{topic}", broker, faults)
    spark.dataSource.register(MarketSource)
    options = job.source(batch, batch.clock.start or 0, "", tmp_path / "none")
    records = spark.read.format("market").options(**{key: options[key] for key in ("plan", "start", "workers")}).load()
    records.write.format("kafka").options(**kafka_options(batch, broker.cluster)).save()
    assert contents(broker, f"batch-{topic}") == right

    tasks = spark.sparkContext._jsc.sc().statusStore().executorList(True)  # noqa: FBT003  # Java's
    of_executors = {tasks.apply(n).id(): tasks.apply(n).totalTasks() for n in range(tasks.size())}
    assert {name for name, count in of_executors.items() if count} == {"0", "1"}


def test_a_query_that_was_stopped_goes_on(
    cluster: Cluster, broker: EmbeddedBroker, make_plan: MakePlan, contents: ContentsOf, tmp_path: Path
) -> None:
    topic, digest = of_the_local_engine(make_plan, broker, FAULTS, "seed=7")
    plan = plan_for(make_plan, f"resumed-{topic}", broker, FAULTS, "seed=7")
    first = generation(cluster, plan, broker, tmp_path)
    while '"progress"' not in first[1].getvalue():
        first[0].advance()
        time.sleep(0.05)
    first[0].request_stop()
    stopped = done(first)
    assert stopped["stopped"]
    count = sum(records for _, _, records, _ in stopped["symbols"])
    assert 0 < stopped["instant"] < 9_000_000_000
    assert combined({name: chain for name, _, _, chain in stopped["symbols"]}) == digest_of(plan, plan.clock.start or 0, count)
    assert sum(map(len, contents(broker, f"resumed-{topic}").values())) == count
    (tmp_path / "stop").unlink()
    end = done(generation(cluster, plan, broker, tmp_path))
    assert not end["stopped"]
    assert combined({name: chain for name, _, _, chain in end["symbols"]}) == digest
    assert contents(broker, f"resumed-{topic}") == contents(broker, topic)


def simulator(broker: EmbeddedBroker, folder: Path, *overrides: str) -> list[str]:
    words = ["broker=external", f"broker.bootstrap_servers={broker.bootstrap_servers}", f"hydra.run.dir={folder}", *overrides]
    return [sys.executable, "-m", "simulator", "engine=spark", *words]


def test_a_run_with_faults_matches(broker: EmbeddedBroker, tmp_path: Path) -> None:
    # A wide watermark lets a micro-batch span as much: two, and not six, until the last late record is sent.
    words = ("+scenario=dirty_feed", "clock=unpaced", "rate=600", "duration=10", "window.watermark=36", "topic=run-on-spark")
    ran = subprocess.run(simulator(broker, tmp_path, *words), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    verdict, manifest = (json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8")) for name in ("verdict", "manifest"))
    assert verdict["status"] == "match"
    assert verdict["audit"]["generated"] == verdict["audit"]["in_topic"] == manifest["counts"]["acked"] > 5000
    assert verdict["audit"]["rejected"] > 0
    plan = read_plan(tmp_path / "plan.json")
    assert manifest["stream_digest"] == digest_of(plan, manifest["start"], manifest["counts"]["generated"])
    ends = end_offsets(broker.cluster, "run-on-spark")
    assert manifest["deliveries"] == {str(partition): [[0, count]] for partition, count in ends.items() if count}


def test_a_stop_leaves_the_beginning_of_the_stream(broker: EmbeddedBroker, tmp_path: Path) -> None:
    words = ("mode=produce", "clock=accelerated", "rate=2000", "duration=null", "topic=stopped-on-spark", "window.watermark=4")
    process = subprocess.Popen(simulator(broker, tmp_path, *words), stderr=subprocess.PIPE, text=True, process_group=0)
    deadline = time.monotonic() + 100
    while not sum(end_offsets(broker.cluster, "stopped-on-spark").values() if begun(tmp_path / "manifest.json") else [0]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: to all processes
    _, told = process.communicate(timeout=100)
    assert process.returncode == 130, told
    assert "interrupted: sent and acknowledged" in told
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    count = manifest["counts"]["generated"]
    assert manifest["status"] == "incomplete"
    assert count == manifest["counts"]["acked"] == sum(end_offsets(broker.cluster, "stopped-on-spark").values()) > 0
    assert manifest["stream_digest"] == digest_of(read_plan(tmp_path / "plan.json"), manifest["start"], count)


def test_records_that_were_sent_twice_are_told(
    job: SparkJob, broker: EmbeddedBroker, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = plan_for(make_plan, "twice", broker)
    sink = KafkaSink(plan, plan.clock.start or 0, broker.cluster, PARTITIONS)
    before = end_offsets(broker.cluster, "twice")
    sink._producer.produce("twice", b"again", partition=2)
    sink.flush()
    production = SparkProduction(plan, broker.cluster, job, tmp_path / "log")
    assert production._delivered(before, Counter({2: 1})) == {"2": [[0, 1]]}
    line = "topic twice: partition 2 has gained 1 records, not the 0 that were made; a task was run again, or somebody else has"
    with pytest.raises(DeliveryError, match=line):
        production._delivered(before, Counter())
