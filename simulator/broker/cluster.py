"""Where a Kafka cluster is and how its clients connect to it: what every client of a run is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True)
class Cluster:
    """A Kafka cluster as its clients see it. It is printed without the properties, which hold the secrets.

    Attributes:
        servers: comma-separated `host:port`.
        client: properties of librdkafka that are about TLS and SASL.
        java: the same for Java's client, which Spark uses.
    """

    servers: str
    client: Mapping[str, str] = field(default_factory=dict, repr=False)
    java: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def properties(self) -> dict[str, str]:
        """What a client of librdkafka needs to connect."""
        return {"bootstrap.servers": self.servers, **self.client}

    @property
    def spark_options(self) -> dict[str, str]:
        """What a source or an output of Spark needs to connect."""
        return {"kafka.bootstrap.servers": self.servers, **{f"kafka.{name}": value for name, value in self.java.items()}}

    @property
    def user(self) -> str:
        """Who the clients are, for messages."""
        name = self.client.get("sasl.username")
        if name is not None:
            return f"the user {name}"
        return "this client's certificate" if "ssl.certificate.location" in self.client else "a client without a name"
