"""The stdout sink: one JSON line an event, nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, final

from simulator.encode.json import encode
from simulator.market.events import Events
from simulator.plan import Plan
from simulator.produce.sink import Sink


@final
class StdoutSink(Sink):
    """Writes to standard output."""

    def __init__(self, plan: Plan, start: int) -> None:
        """`start` is the market's first instant, microseconds since 1970."""
        self._plan, self._start = plan, start

    def encode(self, events: Events) -> list[bytes]:  # noqa: D102  # inherited
        return encode(events, self._plan, self._start)

    def send(self, events: Events, items: Sequence[Any]) -> None:  # noqa: D102  # inherited
        sys.stdout.buffer.writelines(line + b"\n" for line in items)
        sys.stdout.buffer.flush()
        self.acked += len(events)

    def flush(self) -> None:  # noqa: D102  # inherited
        sys.stdout.buffer.flush()
