"""`docker-compose.yml` is valid, pinned, local and agrees with `conf/`. There is no Docker engine in CI to start it."""

from __future__ import annotations

import json
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


def conf(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "conf" / name).read_text(encoding="utf-8"))


def test_it_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    # The schema that docker-compose 1.29.2 ships (Apache-2.0), of the Compose Specification.
    schema = json.loads((Path(__file__).parent / "compose-spec.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft201909Validator(schema)
    validator.validate(compose)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**compose, "service": {}})


def test_the_compose_client_accepts_it_where_there_is_one() -> None:
    docker = shutil.which("docker")
    client = [docker, "compose"] if docker else []
    if client and subprocess.run([*client, "version"], capture_output=True, check=False).returncode == 0:
        done = subprocess.run([*client, "-f", str(COMPOSE), "config", "-q"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_images_are_pinned_services_checked_and_ports_local(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        version = service["image"].rpartition(":")[2]
        assert version[0] == "v", name
        assert version.count(".") == 2, name
        assert service["healthcheck"]["test"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name


def test_it_serves_what_the_configuration_expects(compose: dict[str, Any]) -> None:
    redpanda = compose["services"]["redpanda"]
    host, port = conf("broker/external.yaml")["bootstrap_servers"].split(":")
    assert f"127.0.0.1:{port}:{port}" in redpanda["ports"]
    assert "127.0.0.1:9644:9644" in redpanda["ports"]
    assert any(f"external://{host}:{port}" in word for word in redpanda["command"] if "advertise" in word)
    created = redpanda["healthcheck"]["test"][1]
    assert f"rpk topic create {conf('config.yaml')['topic']} --partitions {conf('sink/kafka.yaml')['partitions']} " in created
