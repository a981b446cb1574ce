"""Questions and orders to any Kafka broker, each bounded in time: is it there, its topics, their offsets."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # imported there, not declared
from confluent_kafka.cimpl import NewTopic

from simulator.broker.refusals import Refusals, denial, denied, silence, unusable
from simulator.errors import BadConfigError, SimulatorError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import TopicPartitionInfo

    from simulator.broker.cluster import Cluster

_REQUEST_TIMEOUT_SECONDS = 10.0
_LEADERS_TIMEOUT_SECONDS = 10.0
# What brokers and the client's own view of them say while a new topic's leaders take up their work.
_LEADER_ERRORS = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
_POLL_SECONDS = 0.05
# Between two looks at what the client library has to say while a broker is waited for.
_LOOK_SECONDS = 0.25
# The broker's answers that only another configuration can change, and the key that each is about.
_REFUSALS = {
    KafkaError.TOPIC_EXCEPTION: "topic",
    KafkaError.POLICY_VIOLATION: "topic",
    KafkaError.INVALID_PARTITIONS: "sink.partitions",
    KafkaError.INVALID_REPLICATION_FACTOR: "sink.replication_factor",
}

# The client library reports every failed attempt to connect, on stderr unless given a logger; here they are expected.
_SILENT = logging.getLogger(f"{__name__}.client")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def await_broker(cluster: Cluster, timeout_seconds: float) -> None:
    """Wait until a broker answers.

    Args:
        cluster: Where it is, and how to connect.
        timeout_seconds: The longest wait.

    Raises:
        UnreachableError: None answered in time, or one refuses this client; one line.
    """
    deadline = time.monotonic() + timeout_seconds
    refusals = Refusals(cluster)
    admin = _admin(cluster, refusals)
    patience = _LOOK_SECONDS
    while (remaining := deadline - time.monotonic()) > 0:
        try:
            admin.list_topics(timeout=min(remaining, patience))
        except KafkaException:  # noqa: PERF203  # each turn waits for the network
            admin.poll(0)
            refusals.check()
            patience *= 2  # a broker that is far away takes its time
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        else:
            return
    if refusals.hint is not None:
        raise UnreachableError(refusals.hint)
    silent = f"no broker answered at {cluster.servers} within {timeout_seconds:g} s"
    if _takes_connections(cluster.servers):
        raise UnreachableError(f"{silent}, but {silence(cluster)}")
    raise UnreachableError(
        f"{silent}; start one "
        "(`python -m simulator mode=broker`, or `docker compose up -d --wait` for broker=external), "
        "or correct broker.port or broker.bootstrap_servers"
    )


def _takes_connections(servers: str) -> bool:
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        with suppress(OSError, ValueError, OverflowError), socket.create_connection((host.strip("[]"), int(port)), _LOOK_SECONDS):
            return True
    return False


def ensure_topic(cluster: Cluster, topic: str, partitions: int, replication_factor: int) -> int:
    """Create a topic unless it is there, and wait until all of its partitions can be written to.

    Args:
        cluster: Where it is, and how to connect.
        topic: Its name.
        partitions: How many a new topic gets, and how many an existing one must have at least.
        replication_factor: Copies of each partition of a new topic; not compared with an existing one.

    Returns:
        How many partitions the topic has.

    Raises:
        BadConfigError: The topic has fewer partitions, or the broker refuses the name or the numbers; one line.
        UnreachableError: No answer, or an answer that is not about the configuration.
    """
    admin = _admin(cluster)
    if _describe(cluster, admin, topic) is None:
        _create(cluster, admin, topic, partitions, replication_factor)
    found = _await_leaders(cluster, admin, topic)
    if found < partitions:
        raise BadConfigError(
            f"topic={topic}: it has {found} partition{'s' if found > 1 else ''} and sink.partitions={partitions} "
            f"needs {partitions}; use another topic, set sink.partitions={found}, or delete the topic"
        )
    return found


def end_offsets(cluster: Cluster, topic: str) -> dict[int, int]:
    """Return, for each partition of a topic, the offset that its next record will get.

    Raises:
        BadConfigError: There is no such topic; one line.
        UnreachableError: The broker does not answer.
    """
    return _offsets(cluster, topic, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # not declared


def begin_offsets(cluster: Cluster, topic: str) -> dict[int, int]:
    """Return, for each partition of a topic, the offset of the oldest record that it still has.

    Raises:
        BadConfigError: There is no such topic; one line.
        UnreachableError: The broker does not answer.
    """
    return _offsets(cluster, topic, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # not declared


def held_records(cluster: Cluster, topic: str) -> int:
    """Return how many records a topic holds now, of all that it was ever given.

    Raises:
        BadConfigError: There is no such topic; one line.
        UnreachableError: The broker does not answer.
    """
    earliest = begin_offsets(cluster, topic)
    return sum(end_offsets(cluster, topic).values()) - sum(earliest.values())


def _offsets(cluster: Cluster, topic: str, which: OffsetSpec) -> dict[int, int]:
    admin = _admin(cluster)
    partitions = _describe(cluster, admin, topic)
    if partitions is None:
        raise BadConfigError(f"topic={topic}: there is no such topic on broker.bootstrap_servers={cluster.servers}")
    asked = {TopicPartition(topic, partition.id): which for partition in partitions}
    with _translated(cluster, topic):
        return _asked_offsets(admin, asked)


def _asked_offsets(admin: AdminClient, asked: dict[TopicPartition, OffsetSpec]) -> dict[int, int]:
    """Ask until every leader answers: a new topic's leaders are named before they know it themselves."""
    deadline = time.monotonic() + _LEADERS_TIMEOUT_SECONDS
    while True:
        answers = admin.list_offsets(asked, request_timeout=_REQUEST_TIMEOUT_SECONDS)
        try:
            return {where.partition: answer.result().offset for where, answer in answers.items()}
        except KafkaException as error:
            if error.args[0].code() not in _LEADER_ERRORS or time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)


def delete_topic(cluster: Cluster, topic: str) -> None:
    """Delete a topic and its records; one that is not there is fine.

    Raises:
        BadConfigError: The broker refuses the name; one line.
        UnreachableError: The broker does not answer, or does not allow it.
    """
    admin = _admin(cluster)  # by a name: a client that nobody holds is closed, and its requests with it
    with _translated(cluster, topic, "DELETE", harmless=KafkaError.UNKNOWN_TOPIC_OR_PART):
        admin.delete_topics([topic], request_timeout=_REQUEST_TIMEOUT_SECONDS)[topic].result()


def delete_all_topics(cluster: Cluster) -> None:
    """Delete every topic that is not the broker's own.

    Raises:
        UnreachableError: The broker does not answer, or does not allow it.
    """
    admin = _admin(cluster)
    names: list[str] = []
    with _translated(cluster, "*"):
        names = [name for name in admin.list_topics(timeout=_REQUEST_TIMEOUT_SECONDS).topics if not name.startswith("__")]
    for name in names:
        delete_topic(cluster, name)


def check_allowed(cluster: Cluster, topic: str, *operations: str) -> None:
    """See that the user may do something with a topic, before anything is begun that would fail for it.

    Args:
        cluster: Where it is, and how to connect.
        topic: The topic, which is there.
        operations: Kafka's names: READ, WRITE.

    Raises:
        UnreachableError: An access-control list does not allow it; one line.
    """
    admin = _admin(cluster)
    with _translated(cluster, topic):
        asked = {"include_authorized_operations": True, "request_timeout": _REQUEST_TIMEOUT_SECONDS}
        allowed = admin.describe_topics(TopicCollection([topic]), **asked)[topic].result().authorized_operations
    if not allowed:  # a broker that does not tell
        return
    names = {operation.name for operation in allowed}
    for operation in operations:
        if operation not in names:
            raise UnreachableError(denied(cluster, topic, operation))


def _admin(cluster: Cluster, refusals: Refusals | None = None) -> AdminClient:
    settings: dict[str, Any] = {
        **cluster.properties,
        "client.id": "market-simulator",
        # A broker that is just starting is tried again soon.
        "reconnect.backoff.max.ms": 250,
    }
    if refusals is not None:
        settings["error_cb"] = refusals
    try:
        return AdminClient(settings, logger=_SILENT)
    except KafkaException as error:
        raise unusable(error) from None


def _describe(cluster: Cluster, admin: AdminClient, topic: str) -> list[TopicPartitionInfo] | None:
    """Return the topic's partitions, None when there is no such topic."""
    # Unlike a plain metadata request this one never creates the topic, however the broker is set.
    partitions = None
    with _translated(cluster, topic, harmless=KafkaError.UNKNOWN_TOPIC_OR_PART):
        answers = admin.describe_topics(TopicCollection([topic]), request_timeout=_REQUEST_TIMEOUT_SECONDS)
        partitions = list(answers[topic].result().partitions)
    return partitions  # noqa: RET504  # the block above may end before it assigns


def _create(cluster: Cluster, admin: AdminClient, topic: str, partitions: int, replication_factor: int) -> None:
    new = NewTopic(topic, partitions, replication_factor)
    # Another run may have created it in between.
    with _translated(cluster, topic, "CREATE", harmless=KafkaError.TOPIC_ALREADY_EXISTS):
        admin.create_topics([new], request_timeout=_REQUEST_TIMEOUT_SECONDS)[topic].result()


def _await_leaders(cluster: Cluster, admin: AdminClient, topic: str) -> int:
    deadline = time.monotonic() + _LEADERS_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        partitions = _describe(cluster, admin, topic)
        if partitions and all(partition.leader is not None for partition in partitions):
            return len(partitions)
        time.sleep(_POLL_SECONDS)
    raise UnreachableError(f"topic={topic}: not all of its partitions had a leader after {_LEADERS_TIMEOUT_SECONDS:g} s")


@contextmanager
def _translated(cluster: Cluster, topic: str, operation: str = "DESCRIBE", harmless: int | None = None) -> Iterator[None]:
    """Turn the client library's errors into the user's; one of the code `harmless` just ends the block."""
    try:
        yield
    except KafkaException as error:
        fault: KafkaError = error.args[0]
        if fault.code() != harmless:
            refused = denial(fault, cluster, topic, operation)
            raise (UnreachableError(refused) if refused else _explained(fault, topic)) from error
    except (ValueError, TypeError) as error:  # what the library itself finds wrong, as with 0 partitions
        raise BadConfigError(f"topic={topic}: {error}") from error


def _explained(fault: KafkaError, topic: str) -> SimulatorError:
    reason = " ".join(fault.str().split())
    if fault.code() == KafkaError.TOPIC_EXCEPTION:
        reason += "; a name is 1 to 249 letters, digits, dots, underscores and hyphens"
    key = _REFUSALS.get(fault.code())
    if key is None:
        return UnreachableError(f"topic={topic}: the broker did not do as asked: {reason}")
    about = "" if key == "topic" else f"{key}: "
    return BadConfigError(f"topic={topic}: {about}the broker refuses it: {reason}")
