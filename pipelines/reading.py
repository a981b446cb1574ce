"""Reads and checks a plan file, without Spark: what is wrong with a plan is told before Spark is started."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema

from pipelines.errors import BadPlanError
from pipelines.plan import DeadLetters, Observation, Output, Plan, Source, View, Watermark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA_FILE = "aggregation.schema.json"

_LONGEST_FAULT = 200


def read_plan(path: Path) -> Plan:
    """Read a plan file and check that it is whole and unaltered.

    Raises:
        BadPlanError: no such file, no JSON, no aggregation, not of the schema, or changed since it was written.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadPlanError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise BadPlanError(f"{path}: is not a plan (no valid JSON: {error})") from None
    if not isinstance(content, dict) or "hash" not in content:
        raise BadPlanError(f"{path}: is not a plan (it has no hash)")
    if content["hash"] != content_hash(content):
        raise BadPlanError(f"{path}: was altered since it was written (its content does not have its hash)")
    aggregation = content.get("aggregation")
    if aggregation is None:
        raise BadPlanError(f"{path}: has no aggregation: its events go where no pipeline reads them")
    schema = json.loads((files("pipelines") / SCHEMA_FILE).read_text(encoding="utf-8"))
    fault = next(jsonschema.Draft202012Validator(schema).iter_errors(aggregation), None)
    if fault is not None:
        raise BadPlanError(f"{path}: aggregation{fault.json_path[1:]}: {fault.message[:_LONGEST_FAULT]}")
    return _plan(aggregation)


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces) of everything but `hash`."""
    rest = {key: value for key, value in content.items() if key != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # A lone surrogate, which JSON can write as an escape, has no UTF-8: such a file has no hash that could be right.
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _plan(content: Mapping[str, Any]) -> Plan:
    return Plan(
        spark=content["spark"],
        source=Source(**content["source"]),
        views=tuple(_view(view) for view in content["views"]),
        dead_letters=DeadLetters(
            sql=content["dead_letters"]["sql"],
            observe=Observation(**content["dead_letters"]["observe"]),
            output=_output(content["dead_letters"]["output"]),
        ),
        trigger=content["trigger"],
        output=_output(content["output"]),
    )


def _output(content: Mapping[str, Any]) -> Output:
    output = {"rows": None, "path": None, **content}
    return Output(**{**output, "columns": tuple(output["columns"]), "order": tuple(output["order"])})


def _view(content: Mapping[str, Any]) -> View:
    watermark, observe = content.get("watermark"), content.get("observe")
    return View(
        view=content["view"],
        sql=content["sql"],
        watermark=Watermark(**watermark) if watermark else None,
        deduplicate=tuple(content.get("deduplicate") or ()),
        observe=Observation(**observe) if observe else None,
    )
