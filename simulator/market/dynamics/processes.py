"""The price processes by name; a regime can switch the parameters of any of them."""

from __future__ import annotations

from simulator.market.dynamics.base import PriceProcess
from simulator.market.dynamics.garch import Garch, GarchProcess
from simulator.market.dynamics.gbm import GeometricBrownianMotion, GeometricBrownianProcess
from simulator.market.dynamics.heston import Heston, HestonProcess
from simulator.market.dynamics.jump import MertonJumpDiffusion, MertonProcess
from simulator.market.dynamics.kou import KouJumpDiffusion, KouProcess
from simulator.market.dynamics.ou import OrnsteinUhlenbeck, OrnsteinUhlenbeckProcess

Process = GeometricBrownianMotion | OrnsteinUhlenbeck | MertonJumpDiffusion | KouJumpDiffusion | Heston | Garch

PROCESSES: dict[str, type[PriceProcess]] = {
    "gbm": GeometricBrownianProcess,
    "ou": OrnsteinUhlenbeckProcess,
    "jump": MertonProcess,
    "kou": KouProcess,
    "heston": HestonProcess,
    "garch": GarchProcess,
}
