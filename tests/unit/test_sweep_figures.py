"""What the figures of a sweep say in words and numbers."""

from __future__ import annotations

import polars as pl
from bokeh.models import Text

from simulator.report.sweeps.multiples import multiples
from simulator.report.sweeps.parallel import parallel

JOBS = pl.DataFrame(
    {
        "job": [0, 1],
        "faults.late.delay.mean": ["2", "8"],
        "seed": [1, 2],
        "status": ["match", "match"],
        "rate_achieved": [999.97, 1000.02],
        "lag_p99": [0.00123456, 0.5],
    }
)


def test_both_ends_of_every_axis_have_their_number_even_if_they_read_alike() -> None:
    names = ["faults.late.delay.mean", "seed", "rate_achieved", "lag_p99"]
    drawn = parallel(JOBS, names)
    texts = [renderer for renderer in drawn.renderers if isinstance(renderer.glyph, Text)]
    said = [list(renderer.data_source.data["text"]) for renderer in texts]
    assert said == [["2", "8"], ["1", "2"], ["1,000", "1,000"], ["0.001235", "0.5"]]
    assert [list(renderer.data_source.data["y"]) for renderer in texts] == [[0.0, 1.0]] * 4
    labels = drawn.xaxis[0].major_label_overrides
    assert labels[0] == "faults.late.\ndelay.mean"
    assert all(len(line) <= 14 for label in labels.values() for line in label.splitlines())


def test_the_axis_has_room_for_the_interval() -> None:
    summed = pl.DataFrame({"rate": ["1", "2"], "lag_p99": [0.1, 0.2], "lag_p99_half": [5.0, 3.0]})
    grid = multiples(summed, ["rate"], ["lag_p99"])
    drawn = grid.children[0][0]  # type: ignore[attr-defined]  # of a GridPlot
    # A range takes in what glyphs draw; annotations it does not know.
    fields = {getattr(renderer.glyph, name, None) for renderer in drawn.renderers for name in ("y", "y0", "y1")}
    assert {"y", "low", "high"} <= fields
    source = drawn.renderers[0].data_source.data
    assert (source["low"], source["high"]) == ([-4.9, -2.8], [5.1, 3.2])
