"""The producer in this very process."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from simulator.offsets import Runs
from simulator.plan import Plan
from simulator.produce.clock import WallClock
from simulator.produce.horizon import Alone
from simulator.produce.producer import Outcome, Producer, Progress
from simulator.produce.production import Production, Report
from simulator.produce.signals import StopRequest
from simulator.produce.sink import Sink


@final
class LocalProduction(Production):
    """One producer with one sink.

    Args:
        plan: of the run.
        open_sink: makes the sink, given the event time of the market's first instant.
    """

    def __init__(self, plan: Plan, open_sink: Callable[[int], Sink]) -> None:
        self._plan = plan
        self._open_sink = open_sink
        self._sink: Sink | None = None
        self._producer: Producer | None = None

    def __enter__(self) -> LocalProduction:
        return self

    def __exit__(self, *error: object) -> None:
        if self._sink is not None:
            self._sink.close()

    def run(self, start: int, stop: StopRequest, report: Report) -> Outcome:  # noqa: D102  # inherited
        self._sink = self._open_sink(start)
        self._producer = Producer(self._plan, start, self._sink, WallClock())
        return self._producer.run(Alone(stop), report)

    @property
    def progress(self) -> Progress:  # noqa: D102  # inherited
        return Progress() if self._producer is None else self._producer.progress

    @property
    def deliveries(self) -> dict[str, Runs]:  # noqa: D102  # inherited
        return {} if self._sink is None else self._sink.deliveries.runs
