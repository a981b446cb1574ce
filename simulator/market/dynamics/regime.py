"""Markov switching: the market, or each symbol, changes between states with parameters of their own."""

from __future__ import annotations

from typing import Annotated, Any, Literal, final

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from simulator.diagnosis import show
from simulator.market.chain import Chain, connected, stationary
from simulator.market.dynamics.base import DynamicsParameters, Floats, Integers, Latent, LatentPath, PriceProcess
from simulator.market.dynamics.processes import PROCESSES, Process
from simulator.parameters import Name, Parameters
from simulator.seeding import Draws, stream

_COMMON = ("step", "seconds_per_year", "symbols")
_TOLERANCE = 1e-9  # probabilities are written with few digits


class State(Parameters):
    """One state: how long it lasts in the mean, and what it changes of the process."""

    name: Name
    mean_duration: Annotated[float, Field(gt=0, le=3_155_760_000)]
    overrides: dict[str, float]


class Regime(DynamicsParameters):
    """`conf/dynamics/regime.yaml`: a state lasts a geometric number of steps, and overrides keys of the process.

    Of those that may differ by symbol; transition: probabilities of the next state (column) on leaving one (row).
    """

    kind: Literal["regime"]
    process: Annotated[Process, Field(discriminator="kind")]
    states: list[State]
    transition: list[list[Annotated[float, Field(ge=0, le=1)]]] | None
    scope: Literal["market", "symbol"]

    @field_validator("symbols")
    @classmethod
    def _override_known_keys(cls, symbols: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        return symbols  # the process checks them

    @field_validator("process", mode="before")
    @classmethod
    def _shares_common_keys(cls, process: Any, info: ValidationInfo) -> Any:  # noqa: ANN401  # whatever the user wrote
        """The process lives on the same grid: it takes the keys that every option has from beside it."""
        if not isinstance(process, dict):
            return process
        given = {key: info.data[key] for key in _COMMON if key in info.data}
        inside = [key for key in given if key in process and process[key] != given[key]]
        if inside:
            raise ValueError(f"cannot have {', '.join(inside)} of its own, only those beside process")
        # Where one of them is at fault itself, anything will do.
        return process | {"step": 1.0, "seconds_per_year": 1.0, "symbols": {}} | given

    @field_validator("states")
    @classmethod
    def _are_of_the_process(cls, states: list[State], info: ValidationInfo) -> list[State]:
        if len(states) < 2:  # noqa: PLR2004  # from one there is none to change to
            raise ValueError("must be two or more")
        names = [state.name for state in states]
        faults = [f"{show(name)} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
        step, process = info.data.get("step", 0.0), info.data.get("process")
        for state in states:
            if state.mean_duration < step:
                faults.append(f"{show(state.name)}.mean_duration={state.mean_duration:g} must be at least one step, {step:g}")
            if process is not None:
                overrides = state.overrides.items()
                of_state = [(key, value, fault) for key, value in overrides for fault in process.faults_of_override(key, value)]
                keys = [f"{show(state.name)}.overrides.{show(key)}={value:g}" for key, value, _ in of_state]
                faults += [f"{key} of {process.kind} {fault}" for key, (_, _, fault) in zip(keys, of_state, strict=True)]
        if faults:
            raise ValueError(f"cannot be used: {'; '.join(faults)}")
        return states

    @field_validator("transition")
    @classmethod
    def _is_a_chain(cls, transition: list[list[float]] | None, info: ValidationInfo) -> list[list[float]] | None:
        states = info.data.get("states")
        if transition is None or states is None:
            return transition
        count = len(states)
        if len(transition) != count or any(len(row) != count for row in transition):
            raise ValueError(f"must have one row and one column for each of the {count} states")
        for number, row in enumerate(transition):
            if abs(sum(row) - 1.0) > _TOLERANCE:
                raise ValueError(f"must have rows that sum to 1, and row {number + 1} sums to {sum(row):g}")
            if row[number] != 0.0:
                raise ValueError(
                    f"must be 0 on the diagonal (mean_duration says how long a state lasts); row {number + 1} is not"
                )
        if not connected(transition):
            raise ValueError("must lead from every state to every other, or some would never come again")
        return transition

    @property
    def matrix(self) -> list[list[float]]:
        """Probabilities of the next state on leaving one; uniform where none were given."""
        count = len(self.states)
        uniform = [[0.0 if row == column else 1.0 / (count - 1) for column in range(count)] for row in range(count)]
        return self.transition or uniform


@final
class RegimePath(LatentPath):
    """A process whose parameters are those of the present state. Exact on the grid where the process is.

    With scope market one chain, from a stream of the market's own, moves all symbols, and factors with it; with scope symbol
    each has its own. Volatility is relative to its mean over the states' shares of the time.
    Source: Hamilton, A new approach to the economic analysis of nonstationary time series, Econometrica 57 (1989).
    """

    def __init__(self, parameters: Regime, draws: Draws) -> None:
        build: Any = PROCESSES[parameters.process.kind]  # each takes the parameters of its own kind
        self._process: PriceProcess = build(parameters.process, draws)
        values = state_values(parameters, draws)
        self._coefficients = self._process.coefficients(values)
        matrix, sojourns = parameters.matrix, [state.mean_duration / parameters.step for state in parameters.states]
        levels = self._process.volatility(values)
        mean = np.cumsum(levels * stationary(matrix, sojourns), axis=1)[:, -1:]  # in order, which sum() does not promise
        self._factors: Floats | None = None
        if levels.shape[1] > 1 and mean.min() > 0.0:
            self._factors = levels / mean
        # No symbol has an empty name.
        market = parameters.scope == "market"
        streams = [stream(draws.seed, "", "regime")] if market else draws.of("regime")
        self._chains = [Chain(generator, matrix, sojourns) for generator in streams]

    def advance(self, steps: int) -> Latent:  # noqa: D102  # inherited
        states = np.array([chain.advance(steps) for chain in self._chains])
        if len(states) == 1 and (states == states[0, 0]).all():
            states = states[:, :1]
        latent = self._process.advance(steps, {name: _at(column, states) for name, column in self._coefficients.items()})
        if self._factors is None:
            return latent
        factors = np.broadcast_to(_at(self._factors, states), latent.levels.shape)
        return Latent(latent.levels, factors if latent.volatility is None else factors * latent.volatility)


def state_values(parameters: Regime, draws: Draws) -> dict[str, Floats]:
    """The process' parameters, of shape (symbols, states) where a state overrides one, else (symbols, 1)."""
    values = parameters.process.values(draws)
    for key in dict.fromkeys(key for state in parameters.states for key in state.overrides):
        columns = [
            np.full_like(values[key], state.overrides[key]) if key in state.overrides else values[key]
            for state in parameters.states
        ]
        values[key] = np.concatenate(columns, axis=1)
    return values


def _at(columns: Floats, states: Integers) -> Floats:
    """A column for each step; one that all states share stays as it is."""
    if columns.shape[1] == 1:
        return columns
    found: Floats = columns[:, states[0]] if len(states) == 1 else np.take_along_axis(columns, states, axis=1)
    return found
