"""What clients are given of a configuration's `broker.security`: the properties of librdkafka and of Java's client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simulator.broker.cluster import Cluster
from simulator.compiler import bootstrap_servers
from simulator.security import Sasl, Security, Ssl, read_key, read_secret

if TYPE_CHECKING:
    from simulator.schema import Specification

_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
_OCTAL_BELOW = 0x20


def cluster_of(specification: Specification) -> Cluster:
    """The cluster that a configuration names, or that `mode=broker` holds open; its secrets are read now."""
    broker, servers = specification.broker, bootstrap_servers(specification)
    return Cluster(servers) if broker.kind == "embedded" else secured(servers, broker.security)


def secured(servers: str, security: Security) -> Cluster:
    """A cluster with the way to connect to it."""
    if security.protocol == "PLAINTEXT":
        return Cluster(servers)
    client: dict[str, str] = {"security.protocol": security.protocol}
    java = client
    if security.has_sasl:
        password = read_secret(security.sasl.password, security.sasl.password_file) or ""
        client, java = client | _sasl(security.sasl, password), java | _java_sasl(security.sasl, password)
    if security.has_ssl:
        password = read_secret(security.ssl.key_password, security.ssl.key_password_file) or ""
        client, java = client | _ssl(security.ssl, password), java | _java_ssl(security.ssl)
    return Cluster(servers, client, java)


def _sasl(sasl: Sasl, password: str) -> dict[str, str]:
    return {"sasl.mechanism": sasl.mechanism or "", "sasl.username": sasl.username or "", "sasl.password": password}


def _java_sasl(sasl: Sasl, password: str) -> dict[str, str]:
    mechanism = sasl.mechanism or ""
    options = f"username={_quoted(sasl.username or '')} password={_quoted(password)}"
    return {"sasl.mechanism": mechanism, "sasl.jaas.config": f"{_MODULES[mechanism]} required {options};"}


def _quoted(text: str) -> str:
    """A value of a JAAS configuration, which is read by Java's `StreamTokenizer`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\{ord(letter):03o}" if ord(letter) < _OCTAL_BELOW else letter for letter in escaped) + '"'


def _ssl(ssl: Ssl, password: str) -> dict[str, str]:
    named = {"ssl.ca.location": ssl.ca, "ssl.certificate.location": ssl.certificate, "ssl.key.location": ssl.key}
    return {key: path for key, path in named.items() if path} | ({"ssl.key.password": password} if password else {})


def _java_ssl(ssl: Ssl) -> dict[str, str]:
    """The content of the files: Spark's executors may be elsewhere, where the files are not."""
    properties: dict[str, str] = {}
    if ssl.ca is not None:
        properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": _read(ssl.ca)}
    if ssl.certificate is not None and ssl.key is not None:
        properties |= {"ssl.keystore.type": "PEM", "ssl.keystore.certificate.chain": _read(ssl.certificate)}
        properties["ssl.keystore.key"] = read_key(ssl)
    return properties


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
