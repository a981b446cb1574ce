"""Hydra's callback around a multirun: says which job it is at, and closes the multirun with its table, data and page."""

from __future__ import annotations

import math
import shlex
import sys
import time
from pathlib import Path
from typing import Any, ClassVar, final

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from simulator.errors import EXIT_MISMATCH, EXIT_OK
from simulator.report.terminal import say
from simulator.secrecy import as_written


@final
class SweepComparison(Callback):
    """Before each job a line for people; after the last a comparison of all, as table, `sweep.parquet` and `sweep.html`.

    Attributes:
        exit_code: of the multirun: 1 if one of its jobs failed or did not match.
    """

    exit_code: ClassVar[int] = EXIT_OK
    _open: ClassVar[Path | None] = None
    _begun: ClassVar[float] = 0.0
    _jobs: ClassVar[int | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401, ARG002  # Hydra's signature
        """Note where the multirun is kept, and how many jobs it has."""
        SweepComparison._open = Path(config.hydra.sweep.dir).absolute()
        SweepComparison._begun, SweepComparison._jobs = time.monotonic(), jobs_asked(config)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401, ARG002  # Hydra's signature
        """Say which job begins, of how many, and how long it may still take."""
        if self._open is not None:  # not in a launcher's own processes, which do not know of each other
            job = HydraConfig.get()
            say(job_line(int(job.job.num), self._jobs, time.monotonic() - self._begun, " ".join(as_written(job.overrides.task))))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401, ARG002  # Hydra's signature
        """Compare the jobs."""
        SweepComparison._open = Path(config.hydra.sweep.dir).absolute()
        self.close()

    @classmethod
    def close(cls) -> None:
        """Compare the jobs of the open multirun, however it ended; nothing, if there is none."""
        sweep, cls._open = cls._open, None
        if sweep is None or not list(sweep.glob("*/.hydra")):
            return
        from simulator.report.sweeps.close import close_sweep  # noqa: PLC0415  # Bokeh and polars, at a multirun's end only

        if not close_sweep(sweep, shlex.join(["python", "-m", "simulator", *sys.argv[1:]])):
            cls.exit_code = EXIT_MISMATCH


def jobs_asked(config: DictConfig) -> int | None:
    """How many jobs the sweep's overrides make together; None where only the sweeper can tell."""
    if not str(config.hydra.sweeper.get("_target_", "")).endswith("BasicSweeper"):
        return None
    params = config.hydra.sweeper.get("params") or {}
    words = [*(f"{key}={value}" for key, value in params.items()), *as_written(config.hydra.overrides.task)]
    overrides = [override for override in OverridesParser.create().parse_overrides(words) if override.is_sweep_override()]
    if any(isinstance(override.value(), Glob) for override in overrides):
        return None
    return math.prod(sum(1 for _ in override.sweep_iterator()) for override in overrides)


def job_line(number: int, jobs: int | None, spent: float, overrides: str) -> str:
    """Which job begins, of how many, and about how long the rest will take, by the jobs before it.

    Args:
        number: of the job, from 0.
        jobs: how many there are, if it is known.
        spent: seconds since the first began.
        overrides: the job's.
    """
    if jobs is None:
        return f"job {number + 1}: {overrides}"
    left = f"; about {_duration(spent / number * (jobs - number))} left" if number else ""
    return f"job {number + 1} of {jobs}: {overrides}{left}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"  # noqa: PLR2004  # a minute and a half


def note_exit_code(job: Path, code: int) -> None:
    """Keep a job's exit code in its folder: it may run in another process, and not every mode has a verdict."""
    (job / ".hydra" / "exit_code").write_text(f"{code}\n", encoding="utf-8")
