"""A real broker with TLS, SASL and access-control lists, for tests; and the program as a client of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from certificates import Authority
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

if TYPE_CHECKING:
    from simulator.broker.embedded import EmbeddedBroker

PASSWORD = 'pass "word" \\ with, $igns'  # noqa: S105  # of a broker of this test's own
"""Of all users that the broker knows: with whatever has a meaning to JAAS, Hydra or YAML."""
ROOT = Path(__file__).resolve().parents[2]
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_MECHANISMS = {"SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return ports


@final
@dataclass(frozen=True)
class Security:
    """What the broker was set to, and the files for its clients."""

    folder: Path
    authority: Authority
    ports: dict[str, int]

    @classmethod
    def made(cls, folder: Path) -> Security:
        """An authority, ports, and files: ca.pem, client.pem and .key, encrypted.pem and .key, stranger.pem and .key."""
        authority, other = Authority("authority"), Authority("another authority")
        (folder / "ca.pem").write_text(authority.certificate, encoding="utf-8")
        (folder / "other.pem").write_text(other.certificate, encoding="utf-8")
        authority.issue("certified").written(folder, "client")
        authority.issue("certified", PASSWORD).written(folder, "encrypted")
        other.issue("certified").written(folder, "stranger")
        names = ["SASL_SSL", "SASL_PLAINTEXT", "SSL"]
        return cls(folder, authority, dict(zip(names, free_ports(len(names)), strict=True)))

    @property
    def properties(self) -> dict[str, str]:
        """Of the broker: three listeners beside its own, and nobody may do what no list allows."""
        own = self.authority.issue("broker")
        password = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
        return {
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": own.certificate,
            "ssl.keystore.key": own.key,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": self.authority.certificate,
            "listener.name.ssl.ssl.client.auth": "required",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": _SCRAM,
            "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": f'{_PLAIN} user_plain="{password}";',
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": _SCRAM,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def external(self, protocol: str, *security: str) -> list[str]:
        """The overrides of a client."""
        words = [f"protocol={protocol}", *security]
        if protocol.endswith("SSL"):
            words.append(f"ssl.ca={self.folder / 'ca.pem'}")
        address = f"broker.bootstrap_servers=127.0.0.1:{self.ports[protocol]}"
        return ["broker=external", address, *(f"broker.security.{word}" for word in words)]

    def scram(self, user: str = "writer") -> list[str]:
        """A client by SASL_SSL, with the password from the environment."""
        words = ("sasl.mechanism=SCRAM-SHA-512", f"sasl.username={user}", "sasl.password='${oc.env:KAFKA_PASSWORD}'")
        return self.external("SASL_SSL", *words)

    def certified(self, name: str, *words: str) -> list[str]:
        """A client by SSL, with a certificate of its own."""
        files = (f"ssl.certificate={self.folder / name}.pem", f"ssl.key={self.folder / name}.key")
        return self.external("SSL", *files, *words)


def add_user(broker: EmbeddedBroker, user: str, password: str, mechanism: str = "SCRAM-SHA-512") -> None:
    """Make a user known, or give it another password."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    change = UserScramCredentialUpsertion(user, ScramCredentialInfo(_MECHANISMS[mechanism], 4096), password.encode())
    for done in admin.alter_user_scram_credentials([change]).values():
        done.result()


def allow(broker: EmbeddedBroker, user: str, *operations: str, topic: str = "*", kind: str = "TOPIC") -> None:
    """Allow a user something with a topic, or another kind of thing, or with all of the kind."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    for operation in operations:
        pattern = (ResourceType[kind], topic, ResourcePatternType.LITERAL)
        entry = AclBinding(*pattern, f"User:{user}", "*", AclOperation[operation], AclPermissionType.ALLOW)
        for done in admin.create_acls([entry]).values():
            done.result()


def simulator(folder: Path, *overrides: str, code: int = 0, password: str = PASSWORD) -> str:
    """Run the program with a password in its environment; gives all that it printed."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "KAFKA_PASSWORD": password, "PYTHONPATH": path}
    command = [sys.executable, "-m", "simulator", *overrides]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False, env=environment)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said
