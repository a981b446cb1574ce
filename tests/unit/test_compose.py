"""`docker-compose.yml` is valid, pinned, local and agrees with `conf/`. There is no Docker engine in CI to start it."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def validator() -> jsonschema.protocols.Validator:
    # The schema that docker-compose 1.29.2 ships (Apache-2.0), of the Compose Specification.
    schema = json.loads((Path(__file__).parent / "compose-spec.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft201909Validator(schema)


def conf(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "conf" / name).read_text(encoding="utf-8"))


def compose_client() -> list[str] | None:
    """The command of a Compose client, as Docker's plugin or by itself; neither needs an engine to check a file."""
    for client in (["docker", "compose"], ["docker-compose"]):
        program = shutil.which(client[0])
        if program and subprocess.run([program, *client[1:], "version"], capture_output=True, check=False).returncode == 0:
            return [program, *client[1:]]
    return None


def test_the_compose_client_accepts_it() -> None:
    client = compose_client()
    if client is None:
        pytest.skip("no Compose client on this machine; the other tests here hold the file against the Compose Specification")
    done = subprocess.run([*client, "-f", str(COMPOSE), "config", "-q"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_follows_the_compose_specification(compose: dict[str, Any], validator: jsonschema.protocols.Validator) -> None:
    validator.validate(compose)


@pytest.mark.parametrize(("path", "value"), [(("service",), {}), (("services", "topic", "helthcheck"), {})])
def test_the_specification_refuses_misspelt_keys(
    compose: dict[str, Any], validator: jsonschema.protocols.Validator, path: tuple[str, ...], value: object
) -> None:
    wrong = copy.deepcopy(compose)
    place = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not validator.is_valid(wrong)


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in [COMPOSE, *(ROOT / "monitoring").rglob("*.y*ml")])
    assert ":latest" not in text
    for name, service in compose["services"].items():
        images = r"(redpandadata/(redpanda|console):v|prom/prometheus:v|grafana/grafana:)\d+\.\d+\.\d+"
        assert re.fullmatch(images, service["image"]), name


def test_ports_are_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert sorted(ports) == [f"127.0.0.1:{port}:{port}" for port in (3000, 8080, 9090, 9092, 9644)]


def test_monitoring_is_started_only_when_it_is_asked_for(compose: dict[str, Any]) -> None:
    profiles = {name: service["profiles"] for name, service in compose["services"].items() if "profiles" in service}
    assert profiles == {"prometheus": ["monitoring"], "grafana": ["monitoring"]}


def test_what_is_mounted_is_there(compose: dict[str, Any]) -> None:
    mounted = [volume for service in compose["services"].values() for volume in service.get("volumes", [])]
    folders = [volume.split(":")[0] for volume in mounted if volume.startswith("./")]
    assert len(folders) == 3
    assert all((ROOT / folder).exists() for folder in folders)
    assert all(volume.endswith(":ro") for volume in mounted if volume.startswith("./"))


def test_every_service_stays_and_says_when_it_is_ready(compose: dict[str, Any]) -> None:
    # What `docker compose up --wait` needs: it counts a service that has exited as failed.
    services = compose["services"]
    assert all(service["healthcheck"]["test"] for service in services.values())
    assert services["topic"]["command"][0].rstrip().endswith("exec sleep infinity")
    for name in ("topic", "console"):
        assert services[name]["depends_on"] == {"redpanda": {"condition": "service_healthy"}}


def test_the_topic_is_the_one_of_the_configuration(compose: dict[str, Any]) -> None:
    topic, sink = conf("config.yaml")["topic"], conf("sink/kafka.yaml")
    assert sink["topic"] == "${topic}"
    service = compose["services"]["topic"]
    create = f"rpk topic create {topic} --partitions {sink['partitions']} --replicas {sink['replication_factor']} "
    assert create in service["command"][0]
    look = rf"grep -qE '^{topic}[[:space:]]'"
    assert look in service["command"][0]
    assert look in service["healthcheck"]["test"][1]


def test_clients_find_the_broker_where_the_configuration_looks(compose: dict[str, Any]) -> None:
    host, port = conf("broker/external.yaml")["bootstrap_servers"].split(":")
    redpanda = compose["services"]["redpanda"]
    options = dict(word.split("=", 1) for word in redpanda["command"] if "=" in word)
    assert f"external://{host}:{port}" in options["--advertise-kafka-addr"].split(",")
    assert f"external://0.0.0.0:{port}" in options["--kafka-addr"].split(",")
    assert f"127.0.0.1:{port}:{port}" in redpanda["ports"]
    inside = options["--advertise-kafka-addr"].split(",")[0].removeprefix("internal://")
    assert compose["services"]["console"]["environment"]["KAFKA_BROKERS"] == inside
    assert f"-X brokers={inside}" in compose["services"]["topic"]["command"][0]
