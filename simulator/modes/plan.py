"""`mode=plan`: compile, print the plan as a tree and the generated SQL; start nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.syntax import Syntax
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
    aggregation = content["aggregation"] or {}
    views = [*aggregation.pop("views", []), *([aggregation.pop("dead_letters")] if aggregation else [])]
    tree = Tree(f"plan {plan.hash}")
    _grow(tree, {key: value for key, value in content.items() if key != "hash"})
    console.print(tree)
    for view in views:
        notes = [f"watermark {view['watermark']['delay']}"] if view["watermark"] else []
        notes += [f"deduplicated by {', '.join(view['deduplicate'])}"] if view["deduplicate"] else []
        console.print(f"\n-- view {view['view']}" + (f" ({'; '.join(notes)})" if notes else ""), markup=False)
        console.print(
            Syntax(view["sql"], "sql", background_color="default") if console.is_terminal else view["sql"], markup=False
        )
    return EXIT_OK


def _grow(tree: Tree, content: dict[str, Any] | list[Any]) -> None:
    items = list(content.items() if isinstance(content, dict) else enumerate(content))
    shown = items if isinstance(content, dict) else items[:_SHOWN_ITEMS]
    for key, value in shown:
        if isinstance(value, (dict, list)) and value and not _is_flat(value):
            _grow(tree.add(str(key)), value)
        else:
            tree.add(f"{key}: {value}".replace("[", r"\["))
    if len(items) > len(shown):
        tree.add(f"… {len(items) - len(shown)} more")


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    return isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value)
