"""What `mode=plan` says of the queries beside their SQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simulator.modes.plan import _take_views
from simulator.plan import Plan

DUPLICATES = "duplicates by symbol, seq dropped within the watermark"


@pytest.mark.parametrize(
    ("overrides", "titles"),
    [
        (
            (),
            [
                "view parsed: counted: read, rejected",
                "view events: watermark 10 seconds behind event_time; counted: accepted",
                "view windows",
                "query dead_letters: to the parquet files in dead-letters",
            ],
        ),
        (
            ("window.deduplicate=true", "window.watermark=1.5", "dead_letters=kafka", "topic=trades"),
            [
                "view parsed: counted: read, rejected",
                f"view events: watermark 1500 milliseconds behind event_time; {DUPLICATES}; counted: accepted",
                "view windows",
                "query dead_letters: to the topic trades-dead-letters",
            ],
        ),
    ],
)
def test_watermark_deduplication_and_dead_letters_are_in_the_titles(
    overrides: tuple[str, ...], titles: list[str], make_plan: Callable[..., Plan]
) -> None:
    aggregation = make_plan(*overrides).model_dump(mode="json")["aggregation"]
    shown = _take_views(aggregation)
    assert [title for title, _ in shown] == titles
    assert all(text.startswith("SELECT") for _, text in shown)
    assert "views" not in aggregation
    assert set(aggregation["dead_letters"]) == {"observe", "output"}, "the rest of the plan is shown as a tree"


def test_a_plan_without_an_aggregation_has_no_queries(make_plan: Callable[..., Plan]) -> None:
    assert _take_views(make_plan("sink=stdout", "mode=produce").model_dump(mode="json")["aggregation"]) == []
