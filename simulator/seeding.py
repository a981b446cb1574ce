"""Random streams keyed by name.

One stream a symbol and purpose: what one purpose draws moves no other, and a symbol's streams do not depend on which other
symbols there are. Names are hashed with BLAKE2b, never with `hash()`, which differs from process to process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import final

from numpy.random import Generator, Philox, SeedSequence

_WORDS = Struct("<4I")


@lru_cache(maxsize=65_536)
def words(name: str) -> tuple[int, ...]:
    """Four 32-bit words that stand for a name: its 128-bit BLAKE2b digest, little endian."""
    return _WORDS.unpack(blake2b(name.encode(), digest_size=16).digest())


def stream(seed: int, symbol: str, purpose: str) -> Generator:
    """The random stream of one symbol and one purpose.

    Philox4x64-10 keyed by `SeedSequence(seed, spawn_key=(words(symbol), words(purpose)))`. Drawing n numbers and then m gives
    the same values as drawing n + m at once, so batch sizes do not matter.
    """
    return Generator(Philox(SeedSequence(seed, spawn_key=words(symbol) + words(purpose))))


def streams(seed: int, symbols: list[str], purpose: str) -> list[Generator]:
    """One stream for each symbol, all for the same purpose."""
    return [stream(seed, symbol, purpose) for symbol in symbols]


@final
@dataclass(frozen=True)
class Draws:
    """The random streams of a group of names: of the market's symbols, or of its factors.

    Attributes:
        seed: of the run.
        names: the symbols or factors, in order.
        prefix: begins every purpose, so that a factor never shares a stream with a symbol of the same name.
    """

    seed: int
    names: list[str]
    prefix: str = ""

    def of(self, purpose: str) -> list[Generator]:
        """One stream for each name, each at its beginning."""
        return streams(self.seed, self.names, self.prefix + purpose)
