"""`kafka-producer-perf-test`, the load generator that comes with Apache Kafka: random bytes, no keys."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from jgo.maven import MavenContext, PythonResolver

from simulator.broker.embedded import DEFAULT_VERSION
from simulator.broker.jars import MAVEN_VARIABLE
from simulator.cache import cache_directory
from simulator.java import find_java_home

_JAVA_NAMES = {"acks", "enable.idempotence", "compression.type", "linger.ms"}
"""Properties of librdkafka that the Java client has, too."""
_RATE = re.compile(r"([\d.]+) records/sec")


def perf_test(servers: str, topic: str, records: int, size: int, properties: Mapping[str, object]) -> float:
    """Records per second, as the tool tells for its whole run, with the given properties of librdkafka where Java has them."""
    given = [f"{name}={_text(value)}" for name, value in properties.items() if name in _JAVA_NAMES]
    command = [
        str(find_java_home() / "bin" / "java"),
        "-Xmx512m",
        "-cp",
        _classpath(),
        "org.apache.kafka.tools.ProducerPerformance",
    ]
    command += ["--topic", topic, "--num-records", str(records), "--record-size", str(size), "--throughput", "-1"]
    command += ["--producer-props", f"bootstrap.servers={servers}", *given]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # Every five seconds it tells the rate of the last ones, at the end that of all.
    return float(_RATE.findall(told)[-1])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(int(value) if isinstance(value, float) else value)


@cache
def _classpath() -> str:
    mirror = os.environ.get(MAVEN_VARIABLE)
    maven = MavenContext(
        resolver=PythonResolver(),
        repo_cache=cache_directory() / f"kafka-tools-{DEFAULT_VERSION}",
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
    )
    tools = maven.create_dependency(f"org.apache.kafka:kafka-tools:{DEFAULT_VERSION}")
    direct, transitive = maven.resolver.resolve([tools])
    needed = [*direct, *(found for found in transitive if found.scope in {"compile", "runtime"})]
    with ThreadPoolExecutor(8) as pool:
        return os.pathsep.join(pool.map(lambda dependency: str(dependency.artifact.resolve()), needed))
