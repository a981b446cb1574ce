"""Laws of the answers: every event is counted in exactly as many windows as it lies in."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.answers.expected import expected_answers
from simulator.market.stream import events_of
from simulator.plan import Plan

MakePlan = Callable[..., Plan]

few = settings(max_examples=10, deadline=None)
START = 1_735_828_200_123_457
spans = st.integers(1_000, 5_000_000)
MARKET = ("symbols.count=3", "rate=100", "duration=6", "metrics.names=[msg_ct,volume,low,high,open,close,avg_price]")


def seconds(microseconds: int) -> str:
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"


def totals(plan: Plan) -> tuple[int, int]:
    blocks = list(events_of(plan))
    return sum(len(events) for events in blocks), sum(int(events.volume.sum()) for events in blocks)


@few
@given(slide=spans, overlap=st.integers(1, 7), seed=st.integers(0, 100))
def test_an_event_falls_in_size_by_slide_windows(slide: int, overlap: int, seed: int, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, f"seed={seed}", f"window.slide={seconds(slide)}", f"window.size={seconds(slide * overlap)}")
    windows = expected_answers(plan, START).windows
    events, volume = totals(plan)
    assert windows["msg_ct"].sum() == events * overlap
    assert windows["volume"].sum() == volume * overlap
    lengths = (windows["window_end"] - windows["window_start"]).dt.total_microseconds()
    assert lengths.unique().to_list() == [slide * overlap]
    assert not windows["window_start"].to_physical().filter(windows["window_start"].to_physical() % slide != 0).len()


@few
@given(size=spans, seed=st.integers(0, 100))
def test_an_event_falls_in_one_tumbling_window(size: int, seed: int, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, f"seed={seed}", "window=tumbling", f"window.size={seconds(size)}")
    windows = expected_answers(plan, START).windows
    assert (windows["msg_ct"].sum(), windows["volume"].sum()) == totals(plan)
    for low, value, high in (("low", "open", "high"), ("low", "close", "high"), ("low", "avg_price", "high")):
        assert ((windows[low] <= windows[value] + 1e-9) & (windows[value] <= windows[high] + 1e-9)).all()


@few
@given(gap=spans, seed=st.integers(0, 100))
def test_an_event_falls_in_one_session(gap: int, seed: int, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET, f"seed={seed}", "window=session", "output.mode=append", f"window.gap={seconds(gap)}")
    plan = plan.model_copy(update={"answers": plan.answers.model_copy(update={"output_mode": "update"})})
    windows = expected_answers(plan, START).windows.sort("symbol", "window_start")
    assert (windows["msg_ct"].sum(), windows["volume"].sum()) == totals(plan)
    for _, sessions in windows.group_by("symbol"):
        # They do not even touch: touching sessions are one.
        assert (sessions["window_start"].shift(-1) > sessions["window_end"]).all()


@few
@given(limit=st.integers(1, 700))
def test_a_stopped_run_has_the_windows_of_its_first_events(limit: int, make_plan: MakePlan) -> None:
    plan = make_plan(*MARKET)
    assert expected_answers(plan, START, limit).windows["msg_ct"].sum() == 2 * min(limit, totals(plan)[0])
