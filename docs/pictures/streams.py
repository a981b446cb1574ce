"""Runs as the command line gives them: plans from overrides, and all events of a plan. For the modules beside."""

# ruff: noqa: INP001  # beside a script

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from simulator.checks import CHECKS
from simulator.cli import config_directory
from simulator.compiler import compile_plan
from simulator.market.events import Events, Quotes
from simulator.market.stream import events_of
from simulator.plan import Plan
from simulator.schema import read_specification

_COLUMNS = ("symbol", "seq", "time", "price", "volume")
_SIDES = ("bid", "ask", "bid_size", "ask_size")


def compiled(overrides: Sequence[str]) -> Plan:
    """The plan of a run, as the command line gives it."""
    with initialize_config_dir(config_directory(), version_base="1.3"):
        content = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    return compile_plan(read_specification(content, CHECKS))  # type: ignore[arg-type]  # a mapping


def generated(plan: Plan) -> Events:
    """All events of a run in one block."""
    blocks = list(events_of(plan))
    return blocks[0] if len(blocks) == 1 else _joined(blocks)


def _joined(blocks: list[Events]) -> Events:
    columns = {name: np.concatenate([getattr(block, name) for block in blocks]) for name in _COLUMNS}
    sides = [block.quotes for block in blocks if block.quotes is not None]
    quotes = Quotes(*(np.concatenate([getattr(each, name) for each in sides]) for name in _SIDES)) if sides else None
    codes = [block.condition for block in blocks if block.condition is not None]
    return Events(**columns, quotes=quotes, condition=np.concatenate(codes) if codes else None)
