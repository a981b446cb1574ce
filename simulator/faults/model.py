"""The section `faults`: which faults there are, in the order in which they strike."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from simulator.faults.aim import Aim
from simulator.faults.bad_tick import BadTick, BadTickParameters
from simulator.faults.base import Fault, FaultParameters, Setting
from simulator.faults.burst import Burst, BurstParameters
from simulator.faults.clock_skew import ClockSkew, ClockSkewParameters
from simulator.faults.correction import Correction, CorrectionParameters
from simulator.faults.corrupt import Corrupt, CorruptParameters
from simulator.faults.delayed import Delayed
from simulator.faults.disorder import Disorder, DisorderParameters
from simulator.faults.drift import Drift, DriftParameters
from simulator.faults.drop import Drop, DropParameters
from simulator.faults.duplicate import Duplicate, DuplicateParameters
from simulator.faults.late import Late, LateParameters
from simulator.faults.stall import Stall, StallParameters
from simulator.parameters import Parameters

# First what a payload says, then when it is sent and what is sent once more, then what holds up whatever is sent, last the bytes.
FAULTS: dict[str, type[Fault]] = {
    "clock_skew": ClockSkew,
    "bad_tick": BadTick,
    "drop": Drop,
    "late": Late,
    "disorder": Disorder,
    "correction": Correction,
    "duplicate": Duplicate,
    "burst": Burst,
    "stall": Stall,
    "drift": Drift,
    "corrupt": Corrupt,
}
_HOLD_UP = ("late", "disorder", "correction", "duplicate", "burst", "stall")
AIM = "window_edges"
NAMES = (AIM, *FAULTS)
"""A fault's place here is its number: its bit in `Records.faults`."""


class Faults(Parameters):
    """What goes wrong; a fault that is left out does not happen.

    Attributes:
        aim: where event times and lateness are put.
        aim_rate: share of the event times that are moved there.
    """

    aim: Literal["none", "window_edges"]
    aim_rate: Annotated[float, Field(ge=0, le=1)]
    clock_skew: ClockSkewParameters | None = None
    bad_tick: BadTickParameters | None = None
    drop: DropParameters | None = None
    late: LateParameters | None = None
    disorder: DisorderParameters | None = None
    correction: CorrectionParameters | None = None
    duplicate: DuplicateParameters | None = None
    burst: BurstParameters | None = None
    stall: StallParameters | None = None
    drift: DriftParameters | None = None
    corrupt: CorruptParameters | None = None

    @property
    def active(self) -> dict[str, FaultParameters]:
        """The faults that there are, in the order in which they strike."""
        present = {name: getattr(self, name) for name in FAULTS}
        return {name: parameters for name, parameters in present.items() if parameters is not None}

    @property
    def hold_up(self) -> bool:
        """Whether records are sent after their time, so that the last of them may come when the market is over."""
        return not self.active.keys().isdisjoint(_HOLD_UP)

    @property
    def any(self) -> bool:
        """Whether anything goes wrong."""
        return bool(self.active) or self.aim != "none"


def faults_at_work(faults: Faults, setting: Setting) -> list[Fault | Aim]:
    """The faults of a run, in the order in which they strike."""
    aim = Aim(0, faults.aim_rate, setting) if faults.aim == AIM else None
    working: list[Fault | Aim] = []
    for name, parameters in faults.active.items():
        build: Any = FAULTS[name]  # each takes the parameters of its own kind
        aimed = (aim,) if issubclass(FAULTS[name], Delayed) else ()
        working.append(build(name, NAMES.index(name), parameters, setting, *aimed))
    if aim is not None:
        # After a fast or slow clock, so that what is aimed hits; before all else, so that copies have their originals' times.
        working.insert(0 if faults.clock_skew is None else 1, aim)
    return working
