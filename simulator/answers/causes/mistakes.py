"""Mistakes in which records count, and in which window: what the answers would be after each.

Every function is pure: from a case to the hypotheses that are worth a look, none where the mistake could change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from simulator.answers.bounds import OPTIONAL
from simulator.answers.causes.case import Case, without_watermark
from simulator.answers.causes.lateness import explains_nearly_all, held_to_late_records
from simulator.answers.known import EVENT, WATERMARK
from simulator.faults.damage import Damage
from simulator.plan import AnswersPlan, WindowPlan

_TIME, _ROW = pl.col("event_time"), "_row"
_CONSIDERED = [*EVENT, WATERMARK]


@dataclass(frozen=True)
class Hypothesis:
    """What the answers or the results would be if a mistake were taken into account.

    Attributes:
        right: the answers.
        results: the results.
        detail: what is known of the mistake, for the user.
    """

    right: pl.DataFrame
    results: pl.DataFrame
    detail: str = ""


Hypotheses = Iterator[Hypothesis]


def boundary(case: Case) -> Hypotheses:
    """Windows (start, end]; of sessions: a pause of exactly the gap parts them."""
    window = case.plan.answers.window
    if window.kind == "session":
        shorter = case.windows(case.counted, _answers(case, window.model_copy(update={"size": window.size - 1})))
        yield Hypothesis(_with_end_moved(shorter, 1), case.results)
    else:
        yield Hypothesis(case.windows(case.counted.with_columns(_TIME - 1)), case.results)


def both_ends(case: Case) -> Hypotheses:
    """Windows [start, end], as SQL's BETWEEN has them."""
    window = case.plan.answers.window
    if window.kind != "session":
        wider = WindowPlan(kind="sliding", size=window.size + 1, slide=window.slide, watermark=window.watermark)
        yield Hypothesis(_with_end_moved(case.windows(case.counted, _answers(case, wider)), -1), case.results)


def publish_time(case: Case) -> Hypotheses:
    """Windows by the time at which a record was sent."""
    counted = case.counted
    if (counted["sent"] != counted["event_time"]).any():
        yield Hypothesis(case.windows(without_watermark(counted.with_columns(event_time="sent"))), case.results)


def rounded_times(case: Case) -> Hypotheses:
    """Event times in whole seconds or milliseconds, cut or rounded."""
    counted = case.counted
    for unit, size in (("seconds", 1_000_000), ("milliseconds", 1_000)):
        for how, time in (("cut to", _TIME // size * size), ("rounded to", (_TIME + size // 2) // size * size)):
            yield Hypothesis(case.windows(counted.with_columns(time)), case.results, f"{how} whole {unit}")


def duplicates_counted(case: Case) -> Hypotheses:
    """Further reports of a trade counted, though they should be dropped."""
    records = case.evidence.records
    if case.drops_repeats and (records["trade"] & ~records["first"]).any():
        ordered = case.plan.faults.correction is None
        yield Hypothesis(case.windows(records.filter("trade"), drops_by_event=False, one_order=ordered), case.results)


def duplicates_removed(case: Case) -> Hypotheses:
    """Further reports of a trade dropped, though they should count."""
    records = case.evidence.records
    if not case.drops_repeats and (records["trade"] & ~records["first"]).any():
        yield Hypothesis(case.windows(records.filter("first"), drops_by_event=True, one_order=True), case.results)


def last_report(case: Case) -> Hypotheses:
    """Of several reports of a trade the last one counted, not the first."""
    trades = case.evidence.records.filter("trade")
    last = trades.unique(["symbol", "seq"], keep="last", maintain_order=True)
    if last.height < trades.height:
        yield Hypothesis(case.windows(last, drops_by_event=True, one_order=True), case.results)


def rejected_counted(case: Case) -> Hypotheses:
    """Records that are no events counted all the same, with nulls for what cannot be read."""
    lenient = case.evidence.lenient
    not_a_number = Damage.NOT_A_NUMBER.label
    others = lenient.filter(pl.col("damage") != not_a_number)
    for rows, detail in ((others, "those whose price is NaN or infinite left out"), (lenient, "")):
        if rows.height and others.height:
            yield Hypothesis(case.windows(_counted_with(case, rows)), case.results, detail)


def not_a_number_counted(case: Case) -> Hypotheses:
    """Records whose price is NaN or infinite counted in the counts and sums, and left out of averages and extremes."""
    rows = case.evidence.lenient.filter(pl.col("damage") == Damage.NOT_A_NUMBER.label)
    if rows.height:
        yield Hypothesis(case.windows(_counted_with(case, rows)), case.results)


def statuses_counted(case: Case) -> Hypotheses:
    """Changes of trading status counted as trades."""
    records = case.evidence.records
    if records["status"].any():
        rows = pl.concat([case.counted, records.filter("status")]).select(_CONSIDERED)
        yield Hypothesis(case.windows(rows), case.results)


def order_of_arrival(case: Case) -> Hypotheses:
    """First and last prices by the order of arrival, or by event time, not by `seq`."""
    if {"open", "close"} & set(case.metrics):
        counted = case.counted
        for detail, rows in (("by arrival", counted), ("by event time", counted.sort("event_time", maintain_order=True))):
            numbered = rows.drop("seq").with_row_index("seq").with_columns(pl.col("seq").cast(pl.Int64))
            yield Hypothesis(case.windows(numbered.select(_CONSIDERED)), case.results, detail)


def late_counted(case: Case) -> Hypotheses:
    """Late records counted that this run's job drops."""
    if OPTIONAL not in case.right.columns:
        yield Hypothesis(case.windows(without_watermark(case.counted)), case.results)


def other_watermark(case: Case) -> Hypotheses:
    """What another engine could have made of late records; only of a run whose own watermarks are known."""
    if OPTIONAL not in case.right.columns:
        yield Hypothesis(case.windows(case.counted), case.results)


def late_dropped(case: Case) -> Hypotheses:
    """Records dropped that are later than others, but not too late: at most all that any newer record has overtaken.

    Where half of the records are overtaken, half of what any other mistake drops is, too: of such a mistake a large part would be
    explained. One that is about lateness has no windows that are not.
    """
    delay = case.plan.answers.window.watermark
    strict = case.counted.with_columns(pl.col(WATERMARK) + delay)
    if (strict["event_time"] <= strict[WATERMARK]).any():
        windows = case.windows(strict, drops_by_event=True)
        held = held_to_late_records(windows, case.results, strict, case.plan.answers.window, case.metrics)
        if explains_nearly_all(case, held):
            yield Hypothesis(held, case.results)


def _answers(case: Case, window: WindowPlan) -> AnswersPlan:
    return case.plan.answers.model_copy(update={"window": window})


def _with_end_moved(windows: pl.DataFrame, microseconds: int) -> pl.DataFrame:
    return windows.with_columns(pl.col("window_end") + pl.duration(microseconds=microseconds))


def _counted_with(case: Case, rows: pl.DataFrame) -> pl.DataFrame:
    """What should count, and rows that should not, with repeats dropped where they should be."""
    together = pl.concat([case.counted.select(_CONSIDERED), rows.select(_CONSIDERED)])
    return together.unique(["symbol", "seq"], keep="first", maintain_order=True) if case.drops_repeats else together
