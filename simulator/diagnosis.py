"""Faults of a configuration in the user's words: one line each, with the key's full path, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from simulator.errors import printable
from simulator.parameters import FORMS
from simulator.secrecy import HIDDEN, SECTION, hidden, is_secret

# Wording of pydantic's own error types; `{name}` is filled from the error's context.
_MESSAGES = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of names to values",
    "model_attributes_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of names to values",
    "list_type": "must be a list",
    "missing": "is missing",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be {max_length} characters long at most",
    "too_long": "must hold {max_length} at most",
    "string_unicode": "must be text that can be written as UTF-8",
    "invalid_key": "no such key; keys must be text",
    "recursion_loop": "must not hold itself",
    "too_short": "must not be empty",
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "needs the key `kind`",
}

_SHOWN = 81
"""One more character of a value than are shown: a line of a terminal."""
_LONGEST_WORD, _MOST_KNOWN, _MOST_STRANGERS = 100, 1000, 20
"""Beyond them the search for what was meant would take longer than the user waits."""
_KEY = "[key]"
"""The end of pydantic's location of a key that is wrong by itself."""

NOT_SWITCHED_ON = "the fault {name} is not switched on; add it: 'faults=[{chosen}]'"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing when no known word is near. Of long words and many known ones none is looked for."""
    words = list(islice(known, _MOST_KNOWN + 1))
    if len(word) > _LONGEST_WORD or len(words) > _MOST_KNOWN:
        return ""
    near = get_close_matches(word, words, n=1, cutoff=0.5)
    return f"; did you mean {show(near[0])}?" if near else ""


def strangers(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Those of some names that are not known, each once: the first of them, where there are many."""
    there = set(known)
    return list(islice((name for name in dict.fromkeys(names) if name not in there), _MOST_STRANGERS))


def show(value: object) -> str:
    """A value as a user writes it, cut to one short line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = str(value) if isinstance(value, (str, float, int)) else repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or what is nested as deeply
        text = f"{type(value).__name__} ..."
    text = printable(text[:_SHOWN])
    return text if len(text) < _SHOWN else text[: _SHOWN - 4] + "..."


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per fault that pydantic found while reading `model`."""
    faults: dict[tuple[str, str], str] = {}
    errors = error.errors(include_url=False)
    absent = _absent_faults(errors)
    for item in errors:
        path, owners = _place(item["loc"], model)
        line = _line(path, item, owners)
        if path[:1] == ["faults"] and path[1:2] and path[1] in absent:
            path = path[:2]
            line = f"{'.'.join(path)}={show(absent[path[1]])}: {NOT_SWITCHED_ON.format(name=path[1], chosen=path[1])}"
        # `arrivals.rate: ${rate}` has the fault of `rate`: the shorter path is where the user wrote it.
        same = path[-1] if path else "", line.removeprefix(".".join(path))
        if same not in faults or len(line) < len(faults[same]):
            faults[same] = line
    return list(faults.values())


def _absent_faults(errors: Sequence[Any]) -> dict[str, object]:
    """The faults that have only some of their keys, and what they have: keys were set, and the fault was not named."""
    missing = [(str(item["loc"][1]), item["input"]) for item in errors if _is_missing_key_of_fault(item)]
    names = [name for name, _ in missing]
    # A single one was taken away by hand.
    return {name: given for name, given in missing if names.count(name) > 1}


def _is_missing_key_of_fault(item: Any) -> bool:  # noqa: ANN401  # pydantic's ErrorDetails
    return item["type"] == "missing" and item["loc"][:1] == ("faults",) and len(item["loc"]) == 3  # noqa: PLR2004  # section, fault, key


def _line(path: list[str], item: Any, owners: list[type[BaseModel]]) -> str:  # noqa: ANN401  # pydantic's ErrorDetails
    key = ".".join(path) or "config"  # a key that no text can hold has no path
    kind, context = item["type"], {name: _in_full(value) for name, value in item.get("ctx", {}).items()}
    if kind == "extra_forbidden":
        siblings = list(dict.fromkeys(key for owner in owners for key in owner.model_fields))
        allowed = f"; allowed: {', '.join(siblings)}" if siblings else ""
        return f"{key}={_shown(path, item['input'])}: no such key{suggestion(path[-1], siblings)}{allowed}"
    if kind == "missing":
        return f"{key}: is missing"
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return f"{key}.kind={show(context.get('tag'))}: {_MESSAGES[kind].format(**context)}"
    message = str(context["error"]) if kind == "value_error" else _MESSAGES.get(kind, item["msg"]).format(**context)
    return f"{key}={_shown(path, item['input'])}: {message}"


def _in_full(value: object) -> object:
    """A bound as one would write it: a whole number with all its digits."""
    return f"{value:.10g}" if isinstance(value, float) else value


def _shown(path: Sequence[str], value: object) -> str:
    """A value as a user writes it, without secrets."""
    if not path or list(path[:2]) != SECTION.split(".")[: len(path)]:
        return show(value)
    return HIDDEN if is_secret(path[-1]) else show(hidden(value))


def _place(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], list[type[BaseModel]]]:
    """The key's path, and the models that it could be a key of: of a discriminated union the one that `kind` chose.

    The path is pydantic's location without the tags that name the chosen member.
    """
    path: list[str] = []
    known: list[type[BaseModel]] = [model]
    owners = known
    for place, part in enumerate(location):
        if (part == _KEY and 0 < place == len(location) - 1) or (part in FORMS and known == []):
            continue
        tagged = [kind for kind in known if _tag(kind) == part]
        if tagged and len(known) > 1:
            known = tagged
            continue
        path.append(show(str(part)) if part != "" else "''")
        # An item of a mapping or list is no field; what is below it is a key of the item's model.
        owners = known or owners
        fields = [kind.model_fields[str(part)].annotation for kind in known if str(part) in kind.model_fields]
        known = [found for annotation in fields for found in _models(annotation)]
    return path, owners


def _models(annotation: object) -> list[type[BaseModel]]:
    """The models in a field's type: itself, a union's members, or a mapping's values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {Annotated, Union, UnionType, dict, list}:
        return [found for part in get_args(annotation) for found in _models(part)]
    return []


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    values = get_args(field.annotation) if field else ()
    return values[0] if len(values) == 1 else None
