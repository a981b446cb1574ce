"""What every mode is given."""

from __future__ import annotations

import time
from dataclasses import dataclass

from simulator.compiler import compile_plan
from simulator.market.recorded import fingerprint
from simulator.plan import Plan, write_plan
from simulator.rundir import RunDirectory
from simulator.schema import Specification


@dataclass(frozen=True)
class Context:
    """A checked configuration and the run's own directory."""

    specification: Specification
    directory: RunDirectory

    def compile(self) -> Plan:
        """The plan, also written to the run directory."""
        plan = compile_plan(with_fingerprints(self.specification))
        write_plan(plan, self.directory.plan)
        return plan


def with_fingerprints(specification: Specification) -> Specification:
    """The specification with the SHA-256 of the recordings that it names: the plan stands for their content, too."""
    known = {}
    for name in ("dynamics", "arrivals"):
        part = getattr(specification, name)
        if part.kind in {"replay", "trace"} and part.sha256 is None:
            known[name] = part.model_copy(update={"sha256": fingerprint(part.path)})
    return specification.model_copy(update=known)


def first_instant(plan: Plan) -> int:
    """Event time of the market's start, microseconds since 1970: the plan's, or now."""
    return plan.clock.start if plan.clock.start is not None else time.time_ns() // 1000
