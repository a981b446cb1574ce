"""What a checkpoint was made for: a file in it says so, and another plan is refused rather than run on foreign state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipelines.errors import BadPlanError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipelines.plan import Plan, Source

FILE = "made-for.json"
"""Spark passes over what it does not know in a checkpoint's folder; removed with it, the file is never out of date."""

_SQL_PROPERTIES = "spark.sql."
# May differ from start to start: where the broker is, how much is read at once; where to start is the checkpoint's to say.
_FREE_PREFIX = "kafka."
_FREE_OPTIONS = frozenset(
    option.lower()
    for option in (
        *("startingOffsets", "startingOffsetsByTimestamp", "startingTimestamp", "failOnDataLoss", "minPartitions"),
        *("maxOffsetsPerTrigger", "minOffsetsPerTrigger", "maxTriggerDelay", "maxFilesPerTrigger", "maxBytesPerTrigger"),
        *("fetchOffset.numRetries", "fetchOffset.retryIntervalMs", "kafkaConsumer.pollTimeoutMs", "groupIdPrefix"),
    )
)
_LONGEST_VALUE = 40


def claim_checkpoint(plan: Plan, checkpoint: Path) -> None:
    """Note what a checkpoint that is about to be made is for; see that one that is there was made for the same.

    Raises:
        BadPlanError: it was made for another plan, or nobody knows for which; one line with what differs.
    """
    wanted, path = identity(plan), checkpoint / FILE
    if not _is_begun(checkpoint):
        checkpoint.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
        return
    try:
        present: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BadPlanError(
            f"checkpoint {checkpoint}: does not say what plan it was made with ({FILE} cannot be read);"
            " remove the folder to start from the beginning"
        ) from None
    different = list(_differences(present, wanted))
    if different:
        raise BadPlanError(
            f"checkpoint {checkpoint}: was made with another plan: {'; '.join(different)}."
            " Take the plan that it was made with, or remove the folder to start from the beginning"
        )


def identity(plan: Plan) -> dict[str, Any]:
    """What a query's state depends on: key of the plan's section `aggregation` to value."""
    content: dict[str, Any] = {f"spark.{key}": value for key, value in plan.spark.items() if key.startswith(_SQL_PROPERTIES)}
    content |= _source(plan.source)
    for view in plan.views:
        key = f"views.{view.view}"
        content[f"{key}.sql"] = view.sql
        content[f"{key}.deduplicate"] = list(view.deduplicate)
        content[f"{key}.watermark"] = None if view.watermark is None else f"{view.watermark.column} {view.watermark.delay}"
    return content | {"output.mode": plan.output.mode}


def _source(source: Source) -> dict[str, Any]:
    options = {
        f"source.options.{key}": value
        for key, value in source.options.items()
        if not key.startswith(_FREE_PREFIX) and key.lower() not in _FREE_OPTIONS
    }
    return {"source.format": source.format, "source.ddl": source.ddl, "source.path": source.path, **options}


def _is_begun(checkpoint: Path) -> bool:
    """Whether Spark has made something of it: the query's identity is the first that it writes."""
    return (checkpoint / "metadata").exists() or (checkpoint / "offsets").exists()


def _differences(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*present, *wanted]):
        before, now = present.get(key), wanted.get(key)
        if before != now:
            texts = ["none" if value is None else str(value) for value in (before, now)]
            is_short = all(len(text) <= _LONGEST_VALUE and "\n" not in text for text in texts)
            yield f"aggregation.{key}" + (f"={texts[0]}, now {texts[1]}" if is_short else "")
