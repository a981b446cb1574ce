"""The stdout sink: one JSON line an event, nothing else."""

from __future__ import annotations

import sys
from typing import final

from simulator.encode.payload import Payloads
from simulator.faults.records import Records
from simulator.plan import Plan
from simulator.produce.sink import Integers, Items, Sink


@final
class StdoutSink(Sink):
    """Writes to standard output."""

    def __init__(self, plan: Plan, start: int) -> None:
        """`start` is the market's first instant, microseconds since 1970."""
        super().__init__()
        self._payloads = Payloads(plan, start)

    def encode(self, records: Records) -> list[bytes]:  # noqa: D102  # inherited
        return self._payloads.lines(records)

    def send(self, sent: Integers, items: Items) -> None:  # noqa: ARG002, D102  # inherited
        sys.stdout.buffer.writelines(line + b"\n" for line in items)
        sys.stdout.buffer.flush()
        self.acked += len(items)

    def flush(self) -> None:  # noqa: D102  # inherited
        sys.stdout.buffer.flush()
