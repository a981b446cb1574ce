"""Which partition a key goes to: the murmur2 hash of Java's clients, which `murmur2_random` of librdkafka shares."""

from __future__ import annotations

_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The 32-bit hash of a key, as an unsigned integer. Source: `org.apache.kafka.common.utils.Utils.murmur2`."""
    size = len(key)
    hashed = _SEED ^ size
    for position in range(0, size - size % 4, 4):
        word = int.from_bytes(key[position : position + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        hashed = hashed * _MULTIPLIER & _MASK ^ word
    rest = key[size - size % 4 :]
    if rest:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _MASK
    hashed = (hashed ^ hashed >> 13) * _MULTIPLIER & _MASK
    return hashed ^ hashed >> 15


def partition_of(symbol: str, partitions: int) -> int:
    """The partition that a symbol's records go to, of so many."""
    return (murmur2(symbol.encode()) & 0x7FFFFFFF) % partitions
