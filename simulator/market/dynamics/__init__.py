"""Price processes: `conf/dynamics/<name>.yaml` is the module of the same name here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.market.dynamics.base import LatentPath, ProcessPath
from simulator.market.dynamics.processes import PROCESSES, Process
from simulator.market.dynamics.regime import Regime, RegimePath, state_values
from simulator.market.dynamics.replay import Replay, ReplayPath
from simulator.seeding import Draws

Dynamics = Process | Regime | Replay


def _process_path(parameters: Process, draws: Draws) -> LatentPath:
    build: Any = PROCESSES[parameters.kind]  # each takes the parameters of its own kind
    return ProcessPath(build(parameters, draws), parameters.values(draws))


DYNAMICS: dict[str, Callable[[Any, Draws], LatentPath]] = {
    **dict.fromkeys(PROCESSES, _process_path),
    "regime": RegimePath,
    "replay": ReplayPath,
}


def latent_path(parameters: Dynamics, draws: Draws) -> LatentPath:
    """The process that the parameters name, at its opening state, for the names of `draws`.

    Raises:
        BadConfigError: if a file that the parameters name cannot be used.
    """
    return DYNAMICS[parameters.kind](parameters, draws)


def faults_of(parameters: Dynamics, draws: Draws) -> list[str]:
    """What is wrong with the parameters together, for any of the names: the rule and the value, one line each."""
    if isinstance(parameters, Replay):
        return []
    if isinstance(parameters, Regime):
        return PROCESSES[parameters.process.kind].faults(parameters.process, state_values(parameters, draws))
    return PROCESSES[parameters.kind].faults(parameters, parameters.values(draws))
