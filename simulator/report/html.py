"""Writes a page: figures by Bokeh, text by a template that escapes whatever it is given. It needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from bokeh.embed import file_html
from bokeh.models import LayoutDOM
from bokeh.resources import INLINE
from jinja2 import Environment, FunctionLoader

_TEMPLATE = "template.html"


def write_html(package: str, title: str, parts: Mapping[str, LayoutDOM], variables: Mapping[str, Any], path: Path) -> None:
    """Write a page; it appears whole or not at all.

    Args:
        package: whose `template.html` is filled.
        title: of the page.
        parts: figures by the name that the template knows them by; `drawn` tells it which there are.
        variables: of the template.
        path: of the page.
    """
    for name, root in parts.items():
        root.name = name
    source = (files(package) / _TEMPLATE).read_text(encoding="utf-8")
    template = Environment(autoescape=True, loader=FunctionLoader(lambda _: source)).get_template(_TEMPLATE)
    filled = {**variables, "drawn": set(parts)}
    page = file_html(list(parts.values()), INLINE, title, template=template, template_variables=filled)
    part = path.with_name(f".{path.name}.part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)
