"""Hydra's callback that keeps the folder of a run or of a multirun to one process, before Hydra itself writes there."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar, final

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from simulator.errors import BadConfigError
from simulator.rundir import RunDirectory, alone_in


@final
class FolderLock(Callback):
    """Holds `run.lock` from before Hydra's record of the command until the process has ended, however it ends.

    A second process in the same folder would replace the plan and the overrides by which the first can be resumed; it ends
    with exit code 2. The jobs of a multirun, which may outlive it, hold locks of their own.
    """

    _held: ClassVar[ExitStack] = ExitStack()

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401, ARG002  # Hydra's signature
        """Be alone in the run's folder."""
        self._hold(Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401, ARG002  # Hydra's signature
        """Be alone in the multirun's folder."""
        self._hold(Path(config.hydra.sweep.dir))

    @classmethod
    def _hold(cls, folder: Path) -> None:
        with suppress(OSError):  # of a folder that cannot be made Hydra tells
            folder.mkdir(parents=True, exist_ok=True)
        try:
            cls._held.enter_context(alone_in(RunDirectory(folder)))
        except BadConfigError as error:
            sys.stderr.write(f"error: {error}\n")
            # Any other exception of a callback is a warning to Hydra, and the run would go on.
            raise SystemExit(error.exit_code) from None
