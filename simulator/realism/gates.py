"""The gates: what a market's stylised facts must be, each with its source, and the verdict on a stream."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from simulator.realism.bars import Bars
from simulator.realism.facts import (
    heavy_tails,
    interarrivals,
    leverage,
    no_autocorrelation,
    tail_index,
    volatility_clustering,
    volume_volatility,
)
from simulator.realism.statistics import Estimate, Floats

FACTS_FILE = "stylized_facts.csv"
NEGATIVE_CONTROL = "negative control"
LARGEST_ACF1 = 0.05
LEAST_KURTOSIS = 1.0
TAIL_INDICES = (2.0, 5.0)
CLUSTERING_SLOPES = (-0.6, -0.1)
# A sign counts when the figure is this many standard errors from the null.
CLEAR = 2.0


@dataclass(frozen=True)
class Fact:
    """A row of the published table."""

    name: str
    statistic: str
    gate: str
    source: str


@dataclass(frozen=True)
class Verdict:
    """A fact, its figure in this stream, and whether it passes; a figure that could not be measured does not."""

    fact: Fact
    estimate: Estimate
    passed: bool
    note: str


def _autocorrelation(e: Estimate) -> tuple[bool, str]:
    return abs(e.value) < LARGEST_ACF1, _with_error(e)


def _kurtosis(e: Estimate) -> tuple[bool, str]:
    """Falling: the longest interval's kurtosis is below that of one minute."""
    note = ", ".join(f"{y:.2f} at {x:g} min" for x, y in e.points)
    return e.value > LEAST_KURTOSIS and e.points[-1][1] < e.value, note


def _tail(e: Estimate) -> tuple[bool, str]:
    note = f"{e.points[-1][1]:.2f} at the top 5 %, {e.points[0][1]:.2f} at the top 1 %" if e.points else ""
    return TAIL_INDICES[0] <= e.value <= TAIL_INDICES[1], note


def _clustering(e: Estimate) -> tuple[bool, str]:
    if math.isnan(e.value):
        return False, "no clustering: acf(|r|) is not positive at all lags"
    return CLUSTERING_SLOPES[0] <= e.value <= CLUSTERING_SLOPES[1], f"acf {e.points[0][1]:.3f} to {e.points[-1][1]:.3f}"


def _negative(e: Estimate) -> tuple[bool, str]:
    return e.value + CLEAR * e.error < 0, _with_error(e)


def _positive(e: Estimate) -> tuple[bool, str]:
    return e.value - CLEAR * e.error > 0, _with_error(e)


def _below_one(e: Estimate) -> tuple[bool, str]:
    return e.value + CLEAR * e.error < 1, _with_error(e)


def _with_error(e: Estimate) -> str:
    return f"standard error {e.error:.4f}"


GATES: dict[str, tuple[Callable[[Bars], Estimate], Callable[[Estimate], tuple[bool, str]]]] = {
    "no autocorrelation": (lambda bars: no_autocorrelation(bars.returns), _autocorrelation),
    "heavy tails": (lambda bars: heavy_tails(bars.returns, bars.session), _kurtosis),
    "tail index": (lambda bars: tail_index(bars.returns), _tail),
    "volatility clustering": (lambda bars: volatility_clustering(bars.returns, bars.session), _clustering),
    "leverage": (lambda bars: leverage(bars.returns, bars.session), _negative),
    "volume-volatility": (lambda bars: volume_volatility(bars.returns, bars.volume), _positive),
    "interarrivals": (lambda bars: interarrivals(_scaled_gaps(bars)), _below_one),
}


def published_facts() -> list[Fact]:
    """The table as it was published; its negative control is a test of the gates, not a gate."""
    text = (files("simulator.realism") / FACTS_FILE).read_text(encoding="utf-8")
    rows = [Fact(row["fact"], row["statistic"], row["gate"], row["source"]) for row in csv.DictReader(text.splitlines())]
    return [fact for fact in rows if fact.name != NEGATIVE_CONTROL]


def judge(bars: Bars) -> list[Verdict]:
    """The verdict on each fact, in the table's order."""
    verdicts = []
    for fact in published_facts():
        measure, gate = GATES[fact.name]
        estimate = measure(bars)
        passed, note = gate(estimate)
        verdicts.append(Verdict(fact, estimate, bool(passed), note))
    return verdicts


def _scaled_gaps(bars: Bars) -> Floats:
    """Gaps of several symbols, each over its mean: a Weibull law's shape does not depend on the scale, but a mixture's would."""
    parts = [gaps / gaps.mean() for gaps in bars.gaps if gaps.size and gaps.mean() > 0]
    return np.concatenate(parts) if parts else np.zeros(0)
