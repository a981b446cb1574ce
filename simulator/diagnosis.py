"""Faults of a configuration in the user's words: one line each, with the key's full path, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from simulator.parameters import FORMS
from simulator.secrecy import HIDDEN, SECTION, hidden, is_secret

# Wording of pydantic's own error types; `{name}` is filled from the error's context.
_MESSAGES = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
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
    "too_short": "must not be empty",
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "needs the key `kind`",
}

NOT_SWITCHED_ON = "the fault {name} is not switched on; add it: 'faults=[{chosen}]'"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing when no known word is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def show(value: object) -> str:
    """A value as a user writes it, cut to one short line."""
    text = str(value) if isinstance(value, (str, float, int)) else repr(value)
    if value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004  # one line of a terminal


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
    return item["type"] == "missing" and item["loc"][0] == "faults" and len(item["loc"]) == 3  # noqa: PLR2004  # section, fault, key


def _line(path: list[str], item: Any, owners: list[type[BaseModel]]) -> str:  # noqa: ANN401  # pydantic's ErrorDetails
    key = ".".join(path)
    kind, context = item["type"], item.get("ctx", {})
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


def _shown(path: Sequence[str], value: object) -> str:
    """A value as a user writes it, without secrets."""
    if list(path[:2]) != SECTION.split(".")[: len(path)]:
        return show(value)
    return HIDDEN if is_secret(path[-1]) else show(hidden(value))


def _place(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], list[type[BaseModel]]]:
    """The key's path, and the models that it could be a key of: of a discriminated union the one that `kind` chose.

    The path is pydantic's location without the tags that name the chosen member.
    """
    path: list[str] = []
    known: list[type[BaseModel]] = [model]
    owners = known
    for part in location:
        if part in FORMS and known == []:
            continue
        tagged = [kind for kind in known if _tag(kind) == part]
        if tagged and len(known) > 1:
            known = tagged
            continue
        path.append(str(part))
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
