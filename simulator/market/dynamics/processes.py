"""The price processes by name; a regime can switch the parameters of any of them."""

from __future__ import annotations

from simulator.market.dynamics.base import PriceProcess
from simulator.market.dynamics.gbm import GeometricBrownianMotion, GeometricBrownianProcess
from simulator.market.dynamics.jump import MertonJumpDiffusion, MertonProcess
from simulator.market.dynamics.ou import OrnsteinUhlenbeck, OrnsteinUhlenbeckProcess

Process = GeometricBrownianMotion | OrnsteinUhlenbeck | MertonJumpDiffusion

PROCESSES: dict[str, type[PriceProcess]] = {
    "gbm": GeometricBrownianProcess,
    "ou": OrnsteinUhlenbeckProcess,
    "jump": MertonProcess,
}
