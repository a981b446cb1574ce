"""`mode=plan`: compile, print the plan as a tree and the generated SQL; start nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text
from rich.tree import Tree

from simulator.errors import EXIT_OK
from simulator.modes.context import Context

# A market of a thousand symbols is not shown symbol by symbol.
_SHOWN_ITEMS = 3


def run(context: Context) -> int:
    """Print the plan."""
    plan = context.compile()
    console = Console(highlight=False, soft_wrap=True)
    content = plan.model_dump(mode="json")
    views = _take_views(content["aggregation"])
    tree = Tree(f"plan {plan.hash}")
    _grow(tree, {key: value for key, value in content.items() if key != "hash"})
    console.print(tree)
    for title, text in views:
        console.print(f"\n-- {title}", markup=False)
        console.print(Syntax(text, "sql", background_color="default") if console.is_terminal else text, markup=False)
    return EXIT_OK


def _take_views(aggregation: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Take the queries out of an aggregation; each with a title that says what else is done to its rows."""
    if aggregation is None:
        return []
    letters = aggregation["dead_letters"]
    titles = [(_title(view), view["sql"]) for view in aggregation.pop("views")]
    output = letters["output"]
    target = f"topic {output['options']['topic']}" if output["kind"] == "kafka" else f"{output['kind']} files in {output['path']}"
    return [*titles, (f"query {letters.pop('view')}: to the {target}", letters.pop("sql"))]


def _title(view: dict[str, Any]) -> str:
    watermark, keys, counts = view["watermark"], view["deduplicate"], view["observe"]
    notes = [f"watermark {watermark['delay']} behind {watermark['column']}"] if watermark else []
    notes += [f"duplicates by {', '.join(keys)} dropped within the watermark"] if keys else []
    notes += [f"counted: {', '.join(counts['metrics'])}"] if counts else []
    return f"view {view['view']}" + (f": {'; '.join(notes)}" if notes else "")


def _grow(tree: Tree, content: dict[str, Any] | list[Any]) -> None:
    items = list(content.items() if isinstance(content, dict) else enumerate(content))
    shown = items if isinstance(content, dict) else items[:_SHOWN_ITEMS]
    for key, value in shown:
        if isinstance(value, (dict, list)) and value and not _is_flat(value):
            _grow(tree.add(Text(str(key))), value)
        else:
            tree.add(Text(f"{key}: {value}"))
    if len(items) > len(shown):
        tree.add(f"… {len(items) - len(shown)} more")


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    return isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value)
