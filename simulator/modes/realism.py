"""`mode=realism`: the stylised facts of the generated stream, held against published gates. No broker, no Spark."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.market.hours import TradingHours
from simulator.market.stream import events_of
from simulator.modes.context import Context
from simulator.plan import Plan
from simulator.report.progress import working
from simulator.report.terminal import say
from simulator.rundir import write_json
from simulator.schema import Realism

if TYPE_CHECKING:
    from simulator.realism.bars import Bars
    from simulator.realism.gates import Verdict

# Events that one core generates and measures in a second, about.
_EVENTS_PER_SECOND = 3_000_000
_PIPE_WIDTH = 150


def run(context: Context) -> int:
    """Measure, print the table, write `realism.json` and `realism.svg`; 1 if a gate fails."""
    settings = context.specification.realism
    # The measured span is compiled, not cut: opening hours are part of a plan, and plan.json is what was measured.
    longer = Context(context.specification.model_copy(update={"duration": settings.duration}), context.directory)
    return report(longer.compile(), settings, context)


def report(plan: Plan, settings: Realism, context: Context) -> int:
    """The same, of a plan and settings at hand."""
    from simulator.realism.gates import judge  # noqa: PLC0415  # scipy is for this mode only

    bars = measure(plan, settings)
    verdicts = judge(bars)
    path = context.directory.path
    write_json(content(plan, settings, bars, verdicts), path / "realism.json")
    from simulator.realism.plot import draw  # noqa: PLC0415  # matplotlib is for this mode only

    draw(bars, verdicts, path / "realism.svg")
    console = Console(highlight=False)
    # A pipe has no width of its own; a terminal's is the reader's choice.
    show(verdicts, console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH))
    return EXIT_OK if all(verdict.passed for verdict in verdicts) else EXIT_MISMATCH


def measure(plan: Plan, settings: Realism) -> Bars:
    """The bars of the plan's market over the settings' duration, with a progress line where a person watches."""
    from simulator.realism.bars import BarBuilder  # noqa: PLC0415  # light, but only this mode needs it

    longer = plan.model_copy(update={"duration": round(settings.duration * 1e6)})
    end = round(settings.duration * 1e9)
    session = plan.market.session
    trading = settings.duration if session is None else TradingHours(session).trading_time_before(end) / 1e9
    expected = plan.market.rate * trading
    say(
        f"measuring {settings.duration:,.0f} simulated seconds, about {expected:,.0f} events: "
        f"some {max(1, math.ceil(expected / _EVENTS_PER_SECOND))} s"
    )
    builder = BarBuilder(len(plan.market.symbols))
    with working("measuring", end) as watch:
        done = 0
        for events in events_of(longer):
            builder.update(events)
            if len(events):
                now = int(events.time[-1])
                watch(now - done)
                done = now
    return builder.bars(end)


def content(plan: Plan, settings: Realism, bars: Bars, verdicts: list[Verdict]) -> dict[str, Any]:
    """What `realism.json` holds; null stands for what could not be measured."""
    return {
        "plan": plan.hash,
        "seed": plan.seed,
        "settings": settings.model_dump(),
        "symbols": int(bars.price.shape[0]),
        "minutes": int(bars.price.shape[1]),
        "sessions": int(bars.session[-1]) + 1 if bars.session.size else 0,
        "trades": int(bars.trades.sum()),
        "status": "pass" if all(verdict.passed for verdict in verdicts) else "fail",
        "facts": [
            {
                **asdict(verdict.fact),
                "value": _number(verdict.estimate.value),
                "standard_error": _number(verdict.estimate.error),
                "points": [[_number(x), _number(y)] for x, y in verdict.estimate.points],
                "verdict": "pass" if verdict.passed else "fail",
                "note": verdict.note,
            }
            for verdict in verdicts
        ],
    }


def facts_of(plan: Plan, settings: Realism) -> list[dict[str, Any]]:
    """The stylised facts of a plan's market, as `realism.json` has them."""
    from simulator.realism.gates import judge  # noqa: PLC0415  # scipy is for those who ask

    bars = measure(plan, settings)
    facts: list[dict[str, Any]] = content(plan, settings, bars, judge(bars))["facts"]
    return facts


def show(verdicts: list[Verdict], console: Console) -> None:
    """The table, a row a fact, and the count of the gates that hold as the last line."""
    table = Table(title="stylised facts", title_justify="left")
    for heading in ("fact", "value", "gate", "verdict", "note", "source"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "fact", justify="right" if heading == "value" else "left")
    for verdict in verdicts:
        style = "green" if verdict.passed else "bold red"
        value = "-" if math.isnan(verdict.estimate.value) else f"{verdict.estimate.value:.3f}"
        word = f"[{style}]{'pass' if verdict.passed else 'FAIL'}[/{style}]"
        table.add_row(verdict.fact.name, value, verdict.fact.gate, word, verdict.note, verdict.fact.source)
    console.print(table)
    passed = sum(verdict.passed for verdict in verdicts)
    console.print(f"{passed} of {len(verdicts)} gates pass", style="bold green" if passed == len(verdicts) else "bold red")


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
