"""The page of a run: its figures, and what its template is filled with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bokeh.models import LayoutDOM

from simulator.report.html import write_html
from simulator.report.page.content import Content, plan_text
from simulator.report.page.events import batches, faults, flow
from simulator.report.page.pace import pace
from simulator.report.page.prices import prices


def write_page(content: Content, path: Path, realism: list[dict[str, Any]] | None = None) -> None:
    """Write a run's page; it appears whole or not at all, and needs no network.

    Args:
        content: the run.
        path: of the page.
        realism: stylised facts as `realism.json` has them, where they have been measured.
    """
    parts: dict[str, LayoutDOM | None] = {
        "prices": prices(content),
        "flow": flow(content),
        "pace": pace(content),
        "faults": faults(content),
        "batches": batches(content),
    }
    roots = {name: part for name, part in parts.items() if part is not None}
    variables = {
        "plan": content.plan,
        "plan_text": plan_text(content.plan),
        "manifest": content.manifest,
        "manifest_text": json.dumps(content.manifest, indent=1, ensure_ascii=False),
        "verdict": content.verdict,
        "command": content.command,
        "symbols": content.symbols,
        "realism": realism,
    }
    write_html("simulator.report.page", "run", roots, variables, path)
