"""Price processes: `conf/dynamics/<name>.yaml` is the module of the same name here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.market.dynamics.base import LatentPath
from simulator.market.dynamics.gbm import GeometricBrownianMotion, GeometricBrownianPath
from simulator.market.dynamics.jump import MertonJumpDiffusion, MertonPath
from simulator.market.dynamics.ou import OrnsteinUhlenbeck, OrnsteinUhlenbeckPath

Dynamics = GeometricBrownianMotion | OrnsteinUhlenbeck | MertonJumpDiffusion

DYNAMICS: dict[str, Callable[[Any, list[str], int], LatentPath]] = {
    "gbm": GeometricBrownianPath,
    "ou": OrnsteinUhlenbeckPath,
    "jump": MertonPath,
}


def latent_path(parameters: Dynamics, symbols: list[str], seed: int) -> LatentPath:
    """The process that the parameters name, at its opening state."""
    return DYNAMICS[parameters.kind](parameters, symbols, seed)
