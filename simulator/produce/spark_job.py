"""How the Spark job that generates is run: properties, environment, and the options of its source and its sink."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import final

from simulator.broker.cluster import Cluster
from simulator.plan import Plan, canonical
from simulator.schema import SparkEngine, Specification

_EVENTS_PER_BATCH = 1_000_000
# Of Java's client: it waits for an answer as long as that, or fails to start when a delivery may not take as long.
_REQUEST_TIMEOUT_MS = 30_000
# Java's client sends 16 kB at a time, librdkafka up to a million bytes.
_BATCH_BYTES = 262_144


@final
@dataclass(frozen=True)
class SparkJob:
    """What only the run knows.

    Attributes:
        properties: Spark's.
        master: of the cluster.
        workers: how many tasks share the symbols.
        span: the longest micro-batch, nanoseconds of market time.
        state: URI of a folder that all executors reach; None: this machine is all there is.
        timeout: seconds to wait for a sign of Spark.
    """

    properties: Mapping[str, str]
    master: str
    workers: int
    span: int
    state: str | None
    timeout: float

    @property
    def is_local(self) -> bool:
        """Whether all of Spark runs on this machine."""
        return self.master.startswith("local")

    @property
    def has_processes(self) -> bool:
        """Whether it runs executors in processes of their own on this machine."""
        return self.master.startswith("local-cluster")

    def environment(self, home: Path | None) -> dict[str, str]:
        """Variables of the driver; `home`: where Spark is taken from."""
        # Elsewhere, the cluster's own Python is for the user to name.
        python = {"PYSPARK_PYTHON": sys.executable} if self.is_local else {}
        return python | ({} if home is None else {"SPARK_HOME": str(home)})

    def source(self, plan: Plan, start: int, state: str, stop: Path) -> dict[str, str]:
        """Options of the source."""
        return {
            "plan": canonical(plan.model_dump(mode="json")),
            "start": str(start),
            "workers": str(self.workers),
            "span": str(self.span),
            "state": state,
            "stop": str(stop),
        }


def spark_job(specification: Specification, engine: SparkEngine, plan: Plan) -> SparkJob:
    """The job that a configuration asks for."""
    settings = specification.spark
    properties = {
        "spark.app.name": f"market-event-simulator generates {plan.sink.topic}",
        "spark.master": engine.master,
        "spark.jars.packages": settings.connector,
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
    }
    if engine.master.startswith("local"):
        properties |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        # The executors' Python starts elsewhere, and is to find the same modules as this one.
        properties["spark.executorEnv.PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    properties |= {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in engine.conf.items()}
    workers = engine.workers or plan.sink.partitions or 1
    return SparkJob(properties, engine.master, workers, _span(engine, plan), engine.state, settings.timeout)


def _span(engine: SparkEngine, plan: Plan) -> int:
    """Nanoseconds: within the skew, as no partition may run further ahead of another, which is also the first to be sent."""
    skew = (plan.sink.skew or 0) * 1000
    wanted = engine.span * 1e9 if engine.span is not None else _EVENTS_PER_BATCH / plan.market.rate * 1e9
    return max(1, min(int(wanted), skew))


def kafka_options(plan: Plan, cluster: Cluster) -> dict[str, str]:
    """Options of Spark's Kafka sink: librdkafka's properties by the names, and within the rules, of Java's client."""
    client = plan.sink.client
    linger, timeout = round(float(client.get("linger.ms", 5))), int(client.get("delivery.timeout.ms", 120_000))
    return {
        "topic": plan.sink.topic or "",
        **cluster.spark_options,
        "kafka.acks": str(client.get("acks", "all")),
        "kafka.enable.idempotence": str(client.get("enable.idempotence", True)).lower(),
        "kafka.compression.type": str(client.get("compression.type", "none")),
        "kafka.linger.ms": str(min(linger, timeout // 2)),
        "kafka.delivery.timeout.ms": str(timeout),
        # Java's client refuses a delivery timeout below the two together.
        "kafka.request.timeout.ms": str(max(1, min(_REQUEST_TIMEOUT_MS, timeout - min(linger, timeout // 2)))),
        "kafka.batch.size": str(_BATCH_BYTES),
    }


def links_to_spark(folder: Path) -> Path:
    """A folder that stands for Spark's own: executor processes of this machine write below it, where we may not write."""
    found = find_spec("pyspark")
    assert found is not None  # noqa: S101  # a dependency
    assert found.origin is not None  # noqa: S101  # it has a file
    folder.mkdir()
    for path in Path(found.origin).parent.iterdir():
        (folder / path.name).symlink_to(path)
    return folder
