"""The memory sink: keeps the lines, for tests and for users who embed the market in their own."""

from __future__ import annotations

from typing import final

from simulator.encode.payload import Payloads
from simulator.faults.records import Records
from simulator.plan import Plan
from simulator.produce.sink import Integers, Items, Sink


@final
class MemorySink(Sink):
    """Keeps every line in `lines`."""

    def __init__(self, plan: Plan, start: int) -> None:
        """`start` is the market's first instant, microseconds since 1970."""
        super().__init__()
        self._payloads = Payloads(plan, start)
        self.lines: list[bytes] = []
        self.flushes = 0

    def encode(self, records: Records) -> list[bytes]:  # noqa: D102  # inherited
        return self._payloads.lines(records)

    def send(self, sent: Integers, items: Items) -> None:  # noqa: ARG002, D102  # inherited
        self.lines.extend(items)
        self.acked += len(items)

    def flush(self) -> None:  # noqa: D102  # inherited
        self.flushes += 1
