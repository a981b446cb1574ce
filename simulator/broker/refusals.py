"""What a broker, or the way to it, refuses for good, in the user's words: the client library goes on trying whatever it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

from confluent_kafka import KafkaError, KafkaException

from simulator.errors import BadConfigError, UnreachableError

if TYPE_CHECKING:
    from simulator.broker.cluster import Cluster

FENCED = "sink.transactional=true: another producer with the same transactional.id has begun, which ends this one"
_SECTION = "broker.security"
_DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
# Texts of librdkafka, where its codes do not tell enough.
_UNTRUSTED = "certificate verify failed"
_MECHANISMS = re.compile(r"Unsupported SASL mechanism: broker's supported mechanisms: *([^ ]*)")
_ALERT = re.compile(r"alert [a-z ]*(certificate|handshake failure|unknown ca)")
_OTHER_PROTOCOL = re.compile(r"PLAINTEXT broker listener|current SASL state|wrong version number")
_REASON = re.compile(r"SASL authentication error: (.*?)(?: \(after .*)?$")
_ADDRESS = re.compile(r"^\w+://([^/ ]+)")


@final
class Refusals:
    """Takes the errors of one client, as its `error_cb`, and keeps the first that no further attempt can mend."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.first: str | None = None
        """One line; None as long as there is none."""
        self.fatal: str | None = None
        """The text of an error after which the client does nothing any more."""
        self.hint: str | None = None
        """What may be wrong; another reason, such as a broker that is being restarted, looks the same."""

    def __call__(self, error: KafkaError) -> None:
        """Take note of an error."""
        self.first = self.first or refusal(error, self._cluster)
        if error.fatal():
            self.fatal = self.fatal or error.str()
        if _OTHER_PROTOCOL.search(error.str()):
            self.hint = f"{_protocol(self._cluster)}: is not what the listener at {_place(error, self._cluster)} speaks"

    def check(self) -> None:
        """Do nothing while nothing is refused.

        Raises:
            UnreachableError: something is; one line with the key that it is about.
        """
        if self.first is not None:
            raise UnreachableError(self.first)


def refusal(error: KafkaError, cluster: Cluster) -> str | None:
    """The line of an error that is for good, None of others."""
    if error.code() == KafkaError._FENCED:  # noqa: SLF001  # its only name
        return FENCED
    text = " ".join(error.str().split())
    place = _place(error, cluster)
    mechanisms = _MECHANISMS.search(text)
    if _UNTRUSTED in text:
        authority = cluster.client.get("ssl.ca.location", "null")
        return (
            f"{_SECTION}.ssl.ca={authority}: the certificate of the broker at {place} is not signed by it, or is for another host"
        )
    if mechanisms:
        known = mechanisms.group(1).replace(",", ", ")
        return f"{_SECTION}.sasl.mechanism={cluster.client.get('sasl.mechanism')}: the broker at {place} offers {known}"
    if _ALERT.search(text):
        return _certificate_refusal(cluster, place)
    reason = _REASON.search(text)
    if reason and "Local:" not in text:  # the connection may also have been lost meanwhile
        return f"{_SECTION}.sasl.password: the broker at {place} refuses {cluster.user}: {reason.group(1)}"
    return None


def denial(error: KafkaError, cluster: Cluster, topic: str, operation: str) -> str | None:
    """The line of an error that says that an access-control list has no entry for the user, None of others."""
    return denied(cluster, topic, operation) if error.code() in _DENIED else None


def denied(cluster: Cluster, topic: str, operation: str) -> str:
    """That an operation on a topic is not allowed."""
    return f"topic={topic}: {cluster.user} may not {operation} it: the broker's access-control list (ACL) does not allow it"


def unusable(error: KafkaException) -> BadConfigError:
    """That the client library cannot work with its properties: files of certificates and keys, as all else is checked before."""
    text = error.args[0].str()
    if "key.location" in text or "key values mismatch" in text:
        what = "is not the key of the certificate" if "mismatch" in text else "cannot be read; is key_password right?"
        return BadConfigError(f"{_SECTION}.ssl.key: {what}")
    key = "ssl.ca" if "ca.location" in text else "ssl.certificate" if "certificate.location" in text else None
    return BadConfigError(f"{_SECTION}.{key}: is no PEM file of certificates" if key else f"{_SECTION}: {text}")


def silence(cluster: Cluster) -> str:
    """Why a server that takes connections may not answer."""
    return f"something listens there: {_protocol(cluster)} may not be what it speaks"


def _certificate_refusal(cluster: Cluster, place: str) -> str:
    certificate = cluster.client.get("ssl.certificate.location")
    if certificate is None:
        return f"{_SECTION}.ssl.certificate=null: the broker at {place} wants a certificate of its clients"
    return f"{_SECTION}.ssl.certificate={certificate}: the broker at {place} refuses it; is its issuer in the truststore?"


def _protocol(cluster: Cluster) -> str:
    return f"{_SECTION}.protocol={cluster.client.get('security.protocol', 'PLAINTEXT')}"


def _place(error: KafkaError, cluster: Cluster) -> str:
    found = _ADDRESS.match(error.str())
    return found.group(1) if found else cluster.servers
