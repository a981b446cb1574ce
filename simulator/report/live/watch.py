"""Whoever wants to see a run while it goes on: the terminal, a page, Prometheus."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from simulator.modes.context import Context
from simulator.plan import Plan
from simulator.report.live.figures import Figures
from simulator.report.live.terminal import terminal_view


@contextmanager
def watching(context: Context, plan: Plan) -> Iterator[Figures]:
    """Show a run within the context, in each way that was asked for; gives what is to be told of it.

    Raises:
        BadConfigError: the port for the metrics cannot be had.
    """
    specification = context.specification
    figures = Figures(plan, aggregates=specification.mode == "run")
    with ExitStack() as stack:
        if specification.metrics_port is not None:
            from simulator.report.live.metrics import serving_metrics  # noqa: PLC0415  # start-up: only those who ask wait for it

            metrics = serving_metrics(figures, specification.metrics_host, specification.metrics_port)
            sys.stderr.write(f"metrics  {stack.enter_context(metrics)}\n")
        if specification.live:
            from simulator.report.live.page import serving_page  # noqa: PLC0415  # start-up: Bokeh is slow to import

            page = serving_page(figures, plan, context.directory.batches)
            sys.stderr.write(f"live     {stack.enter_context(page)}\n")
        stack.enter_context(terminal_view(figures, plan))
        try:
            yield figures
        except BaseException:  # Ctrl-C, too
            figures.end("failed")
            raise
