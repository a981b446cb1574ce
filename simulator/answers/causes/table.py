"""The most likely cause of a mismatch: the mistake that leaves the fewest windows different once it is taken into account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.answers.causes import miscalculations, mislabelled, misreadings, mistakes
from simulator.answers.causes.case import Case
from simulator.answers.causes.mistakes import Hypotheses
from simulator.answers.verify import Comparison, compare

SHOWN_CAUSES = 3
# What explains less is chance; unless only the first windows were looked at.
_LEAST_SHARE = 0.2


@dataclass(frozen=True)
class Cause:
    """A mistake that jobs make.

    Attributes:
        name: one word, for machines.
        sentence: what it is, for people.
        hypotheses: what answers or results would be, if it was made.
    """

    name: str
    sentence: str
    hypotheses: Callable[[Case], Hypotheses]


# Of causes that explain the same, the first is told: the narrower before the wider.
CAUSES = (
    Cause("time_zone", "The windows are shifted by whole quarters of an hour, as by a time zone.", misreadings.time_zone),
    Cause("time_unit", "Times are in another unit than they are read in (s, ms, µs, ns).", misreadings.time_unit),
    Cause("window_end", "The windows are right, but their end is not start + size.", misreadings.window_end),
    Cause("window_shape", "The windows have another size, slide or offset.", misreadings.window_shape),
    Cause("symbol_names", "Symbols are spelled otherwise: letter case, or blanks around them.", misreadings.symbol_names),
    Cause("missing_symbols", "Some symbols have no row at all.", misreadings.missing_symbols),
    Cause("repeated_rows", "A window is written more than once, as in an update stream.", misreadings.repeated_rows),
    Cause("late_counted", "Late records count that the run's own job drops.", mistakes.late_counted),
    Cause("other_watermark", "Late records are judged by another watermark than the run's own.", mistakes.other_watermark),
    Cause(
        "boundary", "An event at the edge of two windows is in the wrong one: (start, end], not [start, end).", mistakes.boundary
    ),
    Cause("both_ends", "An event at the edge of two windows is in both: [start, end], as BETWEEN has it.", mistakes.both_ends),
    Cause(
        "publish_time",
        "Events are in the window of the time when they were sent, not of their event time.",
        mistakes.publish_time,
    ),
    Cause("rounded_times", "Event times are in coarser units than they are sent in.", mistakes.rounded_times),
    Cause(
        "duplicates_counted",
        "Further reports of a trade (symbol, seq) count that should be dropped.",
        mistakes.duplicates_counted,
    ),
    Cause(
        "duplicates_removed",
        "Further reports of a trade (symbol, seq) are dropped that should count.",
        mistakes.duplicates_removed,
    ),
    Cause("last_report", "Of several reports of a trade (symbol, seq) the last one counts, not the first.", mistakes.last_report),
    Cause(
        "not_a_number_counted",
        "Records whose price is NaN or infinite are swallowed: they count, but not in the prices.",
        mistakes.not_a_number_counted,
    ),
    Cause(
        "rejected_counted",
        "Records that are no valid events count, with nulls for what cannot be read.",
        mistakes.rejected_counted,
    ),
    Cause("statuses_counted", "Changes of trading status (volume 0) count as trades.", mistakes.statuses_counted),
    Cause("order_of_arrival", "First and last prices are not taken in the order of seq.", mistakes.order_of_arrival),
    Cause("mean_of_means", "The average is an average of averages, without their weights.", miscalculations.mean_of_means),
    Cause("not_a_number", "There are NaN, infinite or empty numbers in the results.", miscalculations.not_a_number),
    Cause("other_metric", "A column holds another metric.", mislabelled.other_metric),
    Cause("constant", "A metric is off by the same factor or amount everywhere.", miscalculations.constant),
    Cause("rounded", "Numbers are rounded or cut.", miscalculations.rounded),
    Cause("not_closed", "The last windows are not written: no later event has closed them.", misreadings.not_closed),
    Cause(
        "began_late",
        "The first windows are not there: the job began too late, or makes none before its first event.",
        misreadings.began_late,
    ),
    Cause("ended_early", "The last windows are not there: the job ended too early.", misreadings.ended_early),
    Cause(
        "late_dropped", "Late records are dropped that are within the watermark's delay and must count.", mistakes.late_dropped
    ),
)


def causes_of(case: Case, comparison: Comparison) -> list[dict[str, Any]]:
    """The likeliest causes, the best first: `{cause, explains, of, sentence}`.

    `of` is how many windows differ, are missing or too many; `explains`: how many fewer they are with the mistake taken into
    account, those counted that it would make different.
    """
    if comparison.equal or case.results.is_empty() or case.evidence.records.is_empty():
        return []
    entries = [_tried(cause, case, comparison.differing) for cause in CAUSES]
    share = _LEAST_SHARE if case.evidence.horizon is None else 0.0
    found = [entry for entry in entries if entry["explains"] > 0 and entry["explains"] >= share * entry["of"]]
    whole = [entry for entry in found if entry["explains"] == entry["of"]]
    return sorted(whole or found, key=lambda entry: -entry["explains"])[:SHOWN_CAUSES]


def _tried(cause: Cause, case: Case, differing: int) -> dict[str, Any]:
    best, detail = differing, ""
    for hypothesis in cause.hypotheses(case):
        left = compare(hypothesis.right, hypothesis.results, case.metrics).differing
        if left < best:
            best, detail = left, hypothesis.detail
    sentence = f"{cause.sentence[:-1]}: {detail}." if detail else cause.sentence
    return {"cause": cause.name, "explains": differing - best, "of": differing, "sentence": sentence}
