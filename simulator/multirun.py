"""What only jobs of a multirun have: topics of their own, warm services, and that they may be done already."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

from omegaconf import DictConfig, OmegaConf

from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.rundir import RunDirectory

if TYPE_CHECKING:
    from simulator.services import Services, WarmServices

_KEPT = ".hydra"


@final
class _Process:
    """What this process keeps from job to job; a launcher may use several."""

    services: ClassVar[WarmServices | None] = None


def services_of(sweep: Path) -> Services:
    """The warm services of this process, ended with it at the latest."""
    from simulator.services import WarmServices  # noqa: PLC0415  # `--help` does not wait for it

    if _Process.services is None:
        # By process: a launcher with several has as many brokers and Sparks.
        _Process.services = WarmServices(sweep / "services" / str(os.getpid()))
        # Not `atexit`: the processes of joblib's launcher end without it.
        Finalize(None, close_services, exitpriority=0)
    return _Process.services


def close_services() -> None:
    """End the warm services of this process, if there are any."""
    services, _Process.services = _Process.services, None
    if services is not None:
        services.close()


def with_own_topic(config: DictConfig, overrides: Sequence[str], job: int) -> None:
    """Give a job a topic of its own, `<topic>-<job>`, unless the command line names the topic."""
    if not any(word.lstrip("+").startswith("topic=") for word in overrides):
        OmegaConf.update(config, "topic", f"{config.topic}-{job}")


def finished(directory: RunDirectory, plan_hash: str) -> int | None:
    """The exit code of a job that has come to its end with this plan; None: it is still to be run.

    A mismatch is an end; an error, or an interruption, is none.
    """
    from simulator.plan import read_plan  # noqa: PLC0415  # jsonschema, which other jobs do not wait for

    noted = directory.path / _KEPT / "exit_code"
    if not noted.is_file() or not directory.plan.is_file() or read_plan(directory.plan).hash != plan_hash:
        return None
    said = noted.read_bytes().strip()
    return next((code for code in (EXIT_OK, EXIT_MISMATCH) if said == b"%d" % code), None)


def clear(directory: RunDirectory) -> None:
    """Remove what a job that did not come to its end has left, but for Hydra's record of it and the lock that is held."""
    (directory.path / _KEPT / "exit_code").unlink(missing_ok=True)
    for path in directory.path.iterdir():
        if path.is_dir() and path.name != _KEPT:
            shutil.rmtree(path)
        elif path.is_file() and path != directory.lock:
            path.unlink()
