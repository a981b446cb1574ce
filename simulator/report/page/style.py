"""What all figures of a page share."""

from __future__ import annotations

from typing import Any

from bokeh.plotting import figure

GOOD, BAD, QUIET, INK = "#2a7f4f", "#c62828", "#9aa5b1", "#1f4e79"
PALETTE = (
    "#1f4e79",
    "#e07b39",
    "#2a7f4f",
    "#8e5ea2",
    "#c9a227",
    "#5b8db8",
    "#a05252",
    "#4f9d9d",
    "#7d7d3a",
    "#b0578d",
    "#666666",
    "#333333",
)


def canvas(title: str, y_label: str, *, height: int = 240, **settings: Any) -> figure:  # noqa: ANN401  # Bokeh's own settings
    """A figure as wide as the page, with pan and wheel zoom."""
    drawn = figure(
        title=title,
        height=height,
        sizing_mode="stretch_width",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        toolbar_location="above",
        **settings,
    )
    drawn.yaxis.axis_label = y_label
    drawn.toolbar.logo = None
    drawn.title.text_font_size = "13px"  # type: ignore[union-attr]  # a title is there
    drawn.grid.grid_line_color = "#e8ecf0"
    drawn.outline_line_color = None
    return drawn
