"""Writes the page: figures by Bokeh, text by a template that escapes whatever it is given."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from bokeh.embed import file_html
from bokeh.models import LayoutDOM
from bokeh.resources import INLINE
from jinja2 import Environment, FunctionLoader

from simulator.report.page.content import Content, plan_text
from simulator.report.page.events import batches, faults, flow
from simulator.report.page.pace import pace
from simulator.report.page.prices import prices

_TEMPLATE = "template.html"


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
    for name, root in roots.items():
        root.name = name
    variables = {
        "plan": content.plan,
        "plan_text": plan_text(content.plan),
        "manifest": content.manifest,
        "manifest_text": json.dumps(content.manifest, indent=1, ensure_ascii=False),
        "verdict": content.verdict,
        "command": content.command,
        "symbols": content.symbols,
        "realism": realism,
        "drawn": set(roots),
    }
    page = file_html(list(roots.values()), INLINE, "run", template=_template(), template_variables=variables)
    part = path.with_name(f".{path.name}.part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def _template() -> Any:  # noqa: ANN401  # Jinja's template
    source = (files("simulator.report.page") / _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, loader=FunctionLoader(lambda _: source))
    return environment.get_template(_TEMPLATE)
