"""Keeps the manifest of a run true from its first moment to its end, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simulator.manifest import manifest
from simulator.modes.context import Context, first_instant
from simulator.plan import Plan
from simulator.produce.producer import Progress
from simulator.rundir import read_json, write_json


@contextmanager
def manifest_kept(context: Context, plan: Plan) -> Iterator[None]:
    """Within it, the run has a manifest; one that is left as `running` becomes `incomplete` or `failed`."""
    path = context.directory.manifest
    if not context.is_resumed:
        content = manifest(plan, start=first_instant(plan), status="running", progress=Progress(), outcome=None, kafka=None)
        write_json({**content, "partitions": None, "begin_offsets": None, "deliveries": {}}, path)
    try:
        yield
    except KeyboardInterrupt:
        _close(path, "incomplete")
        raise
    except BaseException:
        with suppress(OSError):  # a disk that is full may be the reason; what is there stays whole
            _close(path, "failed")
        raise


def _close(path: Path, status: str) -> None:
    content = read_json(path)
    if content["status"] == "running":
        write_json({**content, "status": status}, path)
