"""The bytes of records: JSON lines, and what is left of them where they are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import final

import numpy as np

from simulator.encode.json import encode
from simulator.faults.chance import Chance
from simulator.faults.damage import Damage
from simulator.faults.records import Records
from simulator.plan import Plan

_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")


@final
class Payloads:
    """Encodes the records of a plan; a pure function of each record.

    Args:
        plan: the plan.
        start: event time of the market's first instant, microseconds since 1970.
    """

    def __init__(self, plan: Plan, start: int) -> None:
        self._plan, self._start = plan, start
        self._names = plan.event.names
        self._fields = [self._names[field] for field in plan.event.order]  # a plan that was read has its names in another order
        self._chance = Chance(plan.seed, [symbol.name for symbol in plan.market.symbols], "damage")
        corrupt, drift = plan.faults.corrupt, plan.faults.drift
        self._huge = corrupt.huge_bytes if corrupt else 0
        self._drift = (self._names[drift.field], drift.name) if drift else ("", "")
        self._ways: dict[Damage, Callable[[bytes, int], bytes | None]] = {
            Damage.TRUNCATED: self._truncated,
            Damage.WRONG_TYPE: self._wrong_type,
            Damage.MISSING_FIELD: self._missing_field,
            Damage.EXTRA_FIELD: lambda line, word: _with_member(line, self._unused("venue"), f"V{word % 10}"),
            Damage.NOT_A_NUMBER: self._not_a_number,
            Damage.INVALID_UTF8: self._invalid_utf8,
            Damage.EMPTY: lambda _line, _word: b"",
            Damage.NULL: lambda _line, _word: None,
            Damage.HUGE: lambda line, _word: _with_member(line, self._unused("padding"), "x" * self._huge),
            Damage.RENAMED_FIELD: lambda line, _word: _renamed(line, *self._drift),
            Damage.ADDED_FIELD: lambda line, word: _with_member(line, self._drift[1], word % 100),
        }

    def of(self, records: Records) -> list[bytes | None]:
        """One payload each, without line ends; None is Kafka's null value."""
        lines: list[bytes | None] = list(encode(records.events, self._plan, self._start))
        damaged = np.flatnonzero(records.damage)
        if damaged.size:
            words = self._chance.words(records.take(damaged)).tolist()
            for row, code, word in zip(damaged.tolist(), records.damage[damaged].tolist(), words, strict=True):
                line = lines[row]
                if line is not None:
                    lines[row] = self._ways[Damage(code)](line, word)
        return lines

    def lines(self, records: Records) -> list[bytes]:
        """The same for places that have lines only: there a null value is the JSON `null`."""
        return [b"null" if payload is None else payload for payload in self.of(records)]

    def _truncated(self, line: bytes, word: int) -> bytes:
        """At least one byte, and not the last one: never an object."""
        return line[: 1 + word % (len(line) - 1)]

    def _wrong_type(self, line: bytes, word: int) -> bytes:
        content = json.loads(line)
        name = self._names[("price", "volume", "seq")[word % 3]]
        return _dumped({**content, name: (f"{content[name]} units", [content[name]], {"value": content[name]})[word // 3 % 3]})

    def _missing_field(self, line: bytes, word: int) -> bytes:
        content = json.loads(line)
        del content[self._fields[word % len(self._fields)]]
        return _dumped(content)

    def _not_a_number(self, line: bytes, word: int) -> bytes:
        content = json.loads(line)
        # Python writes it as JavaScript would read it, which no JSON reader should.
        return _dumped({**content, self._names["price"]: float(_NOT_NUMBERS[word % 3])})

    def _invalid_utf8(self, line: bytes, _word: int) -> bytes:
        """The symbol begins with a byte that never occurs in UTF-8."""
        opening = json.dumps(self._names["symbol"], ensure_ascii=False).encode() + b':"'
        before, after = line.split(opening, 1)
        return before + opening + b"\xff" + after

    def _unused(self, name: str) -> str:
        """The name, or one like it that no field has, also without regard to case."""
        taken = {each.lower() for each in self._names.values()}
        while name in taken:
            name += "_"
        return name


def _with_member(line: bytes, name: str, value: str | int) -> bytes:
    return line[:-1] + b"," + _dumped({name: value})[1:]


def _renamed(line: bytes, name: str, new: str) -> bytes:
    return _dumped({(new if key == name else key): value for key, value in json.loads(line).items()})


def _dumped(content: dict[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
