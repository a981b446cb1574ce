"""Mistakes in how windows are written: what the results would be without each. Pure functions, as in `mistakes.py`."""

from __future__ import annotations

from itertools import pairwise

import polars as pl

from simulator.answers.causes.case import Case
from simulator.answers.causes.mistakes import Hypotheses, Hypothesis
from simulator.answers.differences import instant_text
from simulator.answers.expected import final_watermark
from simulator.answers.known import WATERMARK
from simulator.answers.windows import KEYS
from simulator.plan import WindowPlan

_QUARTER = 15 * 60 * 1_000_000
_FARTHEST = 26 * 60 * 60 * 1_000_000
_TIME = pl.Datetime("us", "UTC")
_TIMES = ("window_start", "window_end")


def time_zone(case: Case) -> Hypotheses:
    """All windows shifted by a multiple of 15 minutes."""
    right, results = _microseconds(case.right), _microseconds(case.results)
    candidates = {
        int(found - wanted)
        for name in ("min", "max", "median")
        if (found := getattr(results["window_start"], name)()) is not None
        and (wanted := getattr(right["window_start"], name)()) is not None
    }
    for shift in sorted({round(candidate / _QUARTER) * _QUARTER for candidate in candidates}):
        if shift and abs(shift) <= _FARTHEST:
            hours = f"{abs(shift) / 3.6e9:g} h {'too late' if shift > 0 else 'too early'}"
            yield Hypothesis(case.right, _moved(case.results, -shift, -shift), f"they are {hours}")


def time_unit(case: Case) -> Hypotheses:
    """Times in seconds read as milliseconds, and the like: too small or too large by a power of 1000."""
    right, results = _microseconds(case.right), _microseconds(case.results)
    wanted, found = right["window_start"].median(), results["window_start"].median()
    if not isinstance(wanted, float) or not isinstance(found, float) or wanted <= 0 or found <= 0:
        return
    for power in (1, 2, 3):
        factor = 1000**power
        if 0.5 < wanted / found / factor < 2:  # noqa: PLR2004  # times of one year or so
            scaled = [(pl.col(name) * factor).cast(_TIME) for name in _TIMES]
            yield Hypothesis(case.right, results.with_columns(scaled), f"they are {factor:,} times too small")
        if 0.5 < found / wanted / factor < 2:  # noqa: PLR2004
            scaled = [(pl.col(name) // factor).cast(_TIME) for name in _TIMES]
            yield Hypothesis(case.right, results.with_columns(scaled), f"they are {factor:,} times too large")


def window_end(case: Case) -> Hypotheses:
    """The start is right, and the end is not start + size: a last instant, for example, that is still in the window."""
    window, results = case.plan.answers.window, _microseconds(case.results)
    off = (results["window_end"] - results["window_start"] - window.size).drop_nulls().mode()
    if window.kind != "session" and off.len() and int(off[0]):
        seconds = f"the end is {int(off[0]) / 1e6:+g} s off"
        yield Hypothesis(case.right, _moved(case.results, 0, -int(off[0])), seconds)


def window_shape(case: Case) -> Hypotheses:
    """Windows of another size, slide or offset, as the results' own keys tell."""
    window = case.plan.answers.window
    if window.kind == "session" or not case.results.height:
        return
    results = _microseconds(case.results)
    sizes = (results["window_end"] - results["window_start"]).drop_nulls().mode().sort()
    starts = results["window_start"].drop_nulls().unique().sort().to_list()
    gaps = pl.Series([after - before for before, after in pairwise(starts)], dtype=pl.Int64).mode().sort()
    if not sizes.len() or not gaps.len():
        return
    size, slide = int(sizes[0]), int(gaps[0])
    offset = int(pl.Series([start % slide for start in starts]).mode().sort()[0]) if slide else 0
    if not 0 < slide <= size or (size, slide, offset) == (window.size, window.slide, 0):
        return
    shape = WindowPlan(kind="sliding", size=size, slide=slide, watermark=window.watermark)
    answers = case.plan.answers.model_copy(update={"window": shape})
    moved = case.counted.with_columns(pl.col("event_time", WATERMARK) - offset)
    detail = f"they are {size / 1e6:g} s every {slide / 1e6:g} s" + (f" from {offset / 1e6:g} s" if offset else "")
    yield Hypothesis(_moved(case.windows(moved, answers), offset, offset), case.results, detail)


def symbol_names(case: Case) -> Hypotheses:
    """Symbols in another letter case, or with blanks around them."""
    names = {symbol.name.strip().casefold(): symbol.name for symbol in case.plan.market.symbols}
    plain = {found: names.get(found.strip().casefold(), found) for found in case.results["symbol"].drop_nulls().unique()}
    if any(found != name for found, name in plain.items()):
        yield Hypothesis(case.right, case.results.with_columns(pl.col("symbol").replace(plain)))


def missing_symbols(case: Case) -> Hypotheses:
    """Symbols of which there is no row at all."""
    lost = sorted(set(case.right["symbol"]) - set(case.results["symbol"]))
    if lost and case.results.height:
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")  # noqa: PLR2004
        yield Hypothesis(case.right.filter(~pl.col("symbol").is_in(lost)), case.results, shown)


def repeated_rows(case: Case) -> Hypotheses:
    """A window written several times, as it grew: only its last row, or its first, is right."""
    repeated = pl.struct(KEYS).is_duplicated()
    if case.results.select(repeated.any()).item():
        for keep in ("last", "first"):
            kept = case.results.unique(KEYS, keep=keep, maintain_order=True)
            yield Hypothesis(case.right, kept, f"the {keep} row of each is the one to keep")


def not_closed(case: Case) -> Hypotheses:
    """The last windows not written, which no later event has closed."""
    newest, last = case.counted["event_time"].max(), _ends(case.results).max()
    if isinstance(newest, int) and isinstance(last, int) and case.evidence.horizon is None:
        closed = final_watermark(newest, case.plan.answers.window.watermark)
        yield Hypothesis(case.right.filter(_ends(case.right) <= max(closed, last)), case.results)


def began_late(case: Case) -> Hypotheses:
    """No window before some time."""
    first = _microseconds(case.results)["window_start"].min()
    if isinstance(first, int):
        kept = case.right.filter(pl.col("window_start").cast(pl.Int64) >= first)
        yield Hypothesis(kept, case.results, f"the first starts at {instant_text(first)}")


def ended_early(case: Case) -> Hypotheses:
    """No window after some time."""
    last = _microseconds(case.results)["window_start"].max()
    if isinstance(last, int):
        kept = case.right.filter(pl.col("window_start").cast(pl.Int64) <= last)
        yield Hypothesis(kept, case.results, f"the last starts at {instant_text(last)}")


def _ends(windows: pl.DataFrame) -> pl.Series:
    return _microseconds(windows)["window_end"]


def _microseconds(windows: pl.DataFrame) -> pl.DataFrame:
    return windows.with_columns(pl.col(*_TIMES).cast(_TIME).cast(pl.Int64))


def _moved(windows: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    by = {"window_start": start, "window_end": end}
    return windows.with_columns(pl.col(name) + pl.duration(microseconds=microseconds) for name, microseconds in by.items())
