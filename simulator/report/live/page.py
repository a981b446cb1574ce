"""A run as a page while it goes on: fixed HTML, pictures by BokehJS, and the figures as JSON, which the page keeps asking for.

All of it is made in the server's threads when somebody looks, and each time only what the page does not have yet.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any, final

from bokeh.util.paths import bokehjs_path
from jinja2 import Environment

from simulator.plan import Plan
from simulator.report.live.drawing import TARGET, drawing
from simulator.report.live.facts import producer_facts, run_fact, spark_facts
from simulator.report.live.figures import Figures, Reading
from simulator.report.live.microbatches import MicroBatch
from simulator.report.live.server import Answer, Route, serving
from simulator.report.live.windows import WindowResults
from simulator.report.samples import Sample

_HERE = files("simulator.report.live")
_SCRIPT = "text/javascript; charset=utf-8"
_LOOKED_AT = 3.0
"""Seconds since the last request for which a page counts as open."""
_FAREWELL = 2.0
"""Seconds that an open page is given to ask for how the run has ended."""


@contextmanager
def serving_page(figures: Figures, plan: Plan, batches: Path) -> Iterator[str]:
    """Serve the page within the context, on the loopback; gives its address.

    Args:
        figures: of the run.
        plan: of the run.
        batches: where Spark records the rows of each micro-batch.
    """
    page = LivePage(figures, plan, batches)
    with serving(page.routes) as address:
        try:
            yield f"{address}/"
        finally:
            page.say_farewell()


@final
class LivePage:
    """What the page consists of, by path in `routes`."""

    def __init__(self, figures: Figures, plan: Plan, batches: Path) -> None:
        self._figures = figures
        reading = figures.read()
        self._windows = None if reading.spark is None else WindowResults(batches, plan)
        pictures = json.dumps(drawing(paced=reading.asked is not None, aggregates=reading.spark is not None))
        self._looked_at = float("-inf")
        self._is_told = threading.Event()
        self.routes: dict[str, Route] = {
            "/": _fixed("text/html; charset=utf-8", _html(plan, reading, self._windows).encode()),
            "/live.js": _fixed(_SCRIPT, (_HERE / "live.js").read_bytes()),
            "/bokeh.js": lambda _: Answer(_SCRIPT, (bokehjs_path() / "js" / "bokeh.min.js").read_bytes()),
            "/pictures.json": _fixed("application/json", pictures.encode()),
            "/figures.json": self._news,
        }

    def say_farewell(self) -> None:
        """Wait a little until a page that is open has asked for the end of the run."""
        if time.monotonic() - self._looked_at < _LOOKED_AT:
            self._is_told.wait(_FAREWELL)

    def _news(self, query: Mapping[str, str]) -> Answer:
        """The figures now, and of samples and micro-batches those that are later than the ones that the page has."""
        self._looked_at = time.monotonic()
        reading = self._figures.read()
        content: dict[str, Any] = {
            "status": reading.status,
            "run": run_fact(reading),
            "elapsed": reading.progress.elapsed,
            "asked": reading.asked,
            "counts": reading.counts,
            "producer": producer_facts(reading),
            "spark": spark_facts(reading),
            "samples": _columns(Sample, self._figures.samples_after(_number(query, "elapsed"))),
        }
        if self._windows is not None and reading.begin is not None:
            batches = self._figures.batches_after(int(_number(query, "batch")))
            columns = _columns(MicroBatch, batches)
            columns["elapsed"] = [batch.time - reading.begin for batch in batches]
            content["batches"] = columns
            last = self._figures.last_batch
            symbol, metric = query.get("symbol", ""), query.get("metric", "")
            ends, values = self._windows.of(symbol, metric, last)
            content["windows"] = {"window_end": ends, "value": values}
            content["chosen"] = f"{metric} of {symbol}"  # when it was asked; the page may have chosen anew since
        if reading.status is not None:
            self._is_told.set()
        return Answer("application/json", json.dumps(content, allow_nan=False).encode())


def _html(plan: Plan, reading: Reading, windows: WindowResults | None) -> str:
    environment = Environment(autoescape=True)
    template = environment.from_string((_HERE / "template.html").read_text(encoding="utf-8"))
    return template.render(
        plan=plan,
        target=TARGET,
        seconds=reading.seconds,
        counts=list(reading.counts),
        symbols=[] if windows is None else windows.symbols,
        metrics=[] if windows is None else windows.metrics,
    )


def _fixed(media_type: str, content: bytes) -> Route:
    return lambda _: Answer(media_type, content)


def _columns(kind: type, rows: list[Any]) -> dict[str, list[Any]]:
    """Dataclasses as columns."""
    return {field.name: [getattr(row, field.name) for row in rows] for field in fields(kind)}


def _number(query: Mapping[str, str], name: str) -> float:
    """A number of the query; -1, which is before everything, where there is none."""
    try:
        return float(query[name])
    except (KeyError, ValueError):
        return -1.0
