"""What every mode is given."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeVar

from simulator.compiler import compile_plan
from simulator.market.arrivals.trace import Trace
from simulator.market.dynamics.replay import Replay
from simulator.market.recorded import fingerprint
from simulator.parameters import Parameters
from simulator.plan import Plan, write_plan
from simulator.rundir import RunDirectory
from simulator.schema import Specification
from simulator.services import OwnServices, Services

Part = TypeVar("Part", bound=Parameters)


@dataclass(frozen=True)
class Context:
    """A checked configuration and the run's own directory."""

    specification: Specification
    directory: RunDirectory
    overrides: list[str] = field(default_factory=list)
    """The command line's."""
    services: Services = field(default_factory=OwnServices)
    is_resumed: bool = False
    """Whether it goes on with the run that is in the directory."""

    def compile(self) -> Plan:
        """The plan, also written to the run directory."""
        plan = self._plan()
        write_plan(plan, self.directory.plan)
        return plan

    def plan_hash(self) -> str:
        """What the plan would be known by; nothing is written."""
        return self._plan().hash

    def _plan(self) -> Plan:
        return compile_plan(with_fingerprints(self.specification))


def with_fingerprints(specification: Specification) -> Specification:
    """The specification with the SHA-256 of the recordings that it names: the plan stands for their content, too."""
    model = specification.correlation
    if model.kind == "factor":
        factors = {name: getattr(model, name) for name in ("market", "sectors")}
        known = {name: part.model_copy(update={"dynamics": _fingerprinted(part.dynamics)}) for name, part in factors.items()}
        model = model.model_copy(update=known)
    return specification.model_copy(
        update={
            "correlation": model,
            "dynamics": _fingerprinted(specification.dynamics),
            "arrivals": _fingerprinted(specification.arrivals),
        }
    )


def _fingerprinted(part: Part) -> Part:
    is_recording = isinstance(part, (Replay, Trace)) and part.sha256 is None
    return part.model_copy(update={"sha256": fingerprint(part.path)}) if is_recording else part  # type: ignore[attr-defined]  # asked above


def first_instant(plan: Plan) -> int:
    """Event time of the market's start, microseconds since 1970: the plan's, or now."""
    return plan.clock.start if plan.clock.start is not None else time.time_ns() // 1000
