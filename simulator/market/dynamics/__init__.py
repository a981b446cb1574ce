"""Price processes: `conf/dynamics/<name>.yaml` is the module of the same name here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.market.chain import stationary
from simulator.market.dynamics.base import Floats, LatentPath, ProcessPath
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


def mean_volatility(parameters: Dynamics, draws: Draws) -> Floats:
    """The volatility that `Latent.volatility` is relative to, per square root of a grid step; shape (names, 1).

    A process' own without its jumps; of a regime the mean over the states' shares of the time; of a replay the realised one.

    Raises:
        BadConfigError: if a file that the parameters name cannot be used.
    """
    if isinstance(parameters, Replay):
        return ReplayPath(parameters, draws).realised_volatility()
    step = math.sqrt(parameters.step_in_years)
    if isinstance(parameters, Regime):
        levels = PROCESSES[parameters.process.kind].volatility(state_values(parameters, draws))
        shares = stationary(parameters.matrix, [state.mean_duration for state in parameters.states])
        return np.cumsum(levels * shares, axis=1)[:, -1:] * step  # in order, which sum() does not promise
    return PROCESSES[parameters.kind].volatility(parameters.values(draws)) * step


def faults_of(parameters: Dynamics, draws: Draws) -> list[str]:
    """What is wrong with the parameters together, for any of the names: the rule and the value, one line each."""
    if isinstance(parameters, Replay):
        return []
    if isinstance(parameters, Regime):
        return PROCESSES[parameters.process.kind].faults(parameters.process, state_values(parameters, draws))
    return PROCESSES[parameters.kind].faults(parameters, parameters.values(draws))
