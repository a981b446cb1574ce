"""Chance by name and number: the draws of an event depend on its symbol and number alone, not on blocks, workers or other events.

SplitMix64 (Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014) as a function of a key and a
counter: unlike a generator it has no state, so that all events of a block are drawn at once, whatever their symbols.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.records import Records

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
# A symbol never has 2^56 events.
_COPY_SHIFT = np.uint64(56)


@final
class Chance:
    """Random numbers for one purpose, keyed by (seed, purpose, symbol) and counted by (seq, copy).

    Args:
        seed: of the run.
        names: the market's symbols, in the plan's order.
        purpose: what is drawn; each purpose is independent of all others.
    """

    def __init__(self, seed: int, names: list[str], purpose: str) -> None:
        self._keys: Words = np.array([_key(seed, purpose, name) for name in names], dtype=np.uint64)

    def words(self, records: Records) -> Words:
        """64 random bits for each record."""
        counters = records.events.seq.astype(np.uint64) | records.copy.astype(np.uint64) << _COPY_SHIFT
        keys: Words = self._keys[records.events.symbol]
        return mixed(np.add(keys, counters * _GAMMA))

    def below(self, records: Records, rate: float) -> NDArray[np.bool_]:
        """True for each record with probability `rate`, to 2^-63."""
        return self.words(records) >> np.uint64(1) < np.uint64(round(rate * 2.0**63))

    def uniform(self, records: Records) -> Floats:
        """A number from [0, 1) for each record, multiples of 2^-53."""
        return _unit(self.words(records))

    def uniform_by_symbol(self) -> Floats:
        """A number from [0, 1) for each symbol."""
        keys: Words = self._keys
        return _unit(mixed(keys))


def _key(seed: int, purpose: str, name: str) -> int:
    return int.from_bytes(blake2b(f"{seed}\t{purpose}\t{name}".encode(), digest_size=8).digest(), "little")


def mixed(words: Words) -> Words:
    """SplitMix64's finaliser: each bit of the result depends on all of the word's."""
    words = words + _GAMMA
    words = (words ^ words >> np.uint64(30)) * _FIRST
    words = (words ^ words >> np.uint64(27)) * _SECOND
    result: Words = words ^ words >> np.uint64(31)
    return result


def _unit(words: Words) -> Floats:
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
