"""Faults of a command line that Hydra itself refuses: all of them at once, each with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from simulator.checks import CHECKS
from simulator.choices import (
    LISTS,
    groups_of,
    interpolation_fault,
    option_fault,
    overrides_of,
    own_folder,
    parse,
    values_of,
    written,
)
from simulator.diagnosis import NOT_SWITCHED_ON, show, suggestion
from simulator.errors import BadConfigError
from simulator.schema import read_specification

_REFUSALS = (HydraException, OmegaConfBaseException, ValueError)
"""What Hydra raises where it refuses an override; ValueError among it, where a group is given no option."""


def diagnose(arguments: list[str], conf: str, error: Exception) -> list[str]:
    """Every fault of the command line, and of the configuration that the rest of it gives.

    Args:
        arguments: the command line, with Hydra's own flags.
        conf: the configuration's folder.
        error: what Hydra said.
    """
    overrides, faults = _parse(overrides_of(arguments))
    own = own_folder(arguments)
    is_multirun = not {"-m", "--multirun"}.isdisjoint(arguments)
    groups = groups_of(conf, own)
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf, version_base="1.3"):
        good: list[str] = [] if own is None else [f"hydra.searchpath=['file://{own}']"]
        # First scenarios, then options, then their delays and keys, which are there or not whatever the command line's order.
        for override in sorted(overrides, key=lambda override: _rank(override, groups)):
            fault = _fault(override, groups, good)
            if fault is None and override.is_sweep_override() and not is_multirun:
                fault = _sweep_fault(override, good)
            faults += [fault] if fault else []
            good += _stand_in(override, groups, good)
        faults += _faults_of_rest(good)
    return faults or [_first_line(error)]


def _parse(words: list[str]) -> tuple[list[Override], list[str]]:
    parsed: list[Override] = []
    faults: list[str] = []
    for word in words:
        override = parse(word)
        if isinstance(override, str):
            faults.append(override)
        else:
            parsed.append(override)
    return parsed, faults


def _rank(override: Override, groups: Mapping[str, list[str]]) -> int:
    key = override.key_or_group
    if key not in groups:
        return 3
    return 0 if key in {"scenario", "sweep"} else 1 + int(key == "delay")


def _fault(override: Override, groups: dict[str, list[str]], good: list[str]) -> str | None:
    key = override.key_or_group
    fault = option_fault(override, groups[key]) if key in groups else None
    fault = fault or _absent_fault(override, groups["faults"], good)
    if fault or _is_hydras(key):
        return fault
    for single in _singles(override):
        try:
            compose("config", [*good, single])
        except _REFUSALS as error:  # noqa: PERF203  # each value is tried
            return _group_fault(override, error, groups, good) if key in groups else _key_fault(override, list(groups), good)
    return None


def _is_hydras(key: str) -> bool:
    return re.split("[./]", key)[0] == "hydra"


def _singles(override: Override) -> list[str]:
    """The override; of a sweep one for each value, but for patterns of options, which only Hydra can look up."""
    if isinstance(override.value(), Glob):
        return []
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key = (override.input_line or "").partition("=")[0]
    return [f"{key}={item}" for item in override.sweep_string_iterator()]


def _stand_in(override: Override, groups: Mapping[str, list[str]], good: list[str]) -> list[str]:
    """What an override adds to those that the next ones are looked at with: nothing if it is bad, of options swept the first."""
    key = override.key_or_group
    if _is_hydras(key) or isinstance(override.value(), Glob) or (override.is_sweep_override() and key not in groups):
        return []
    first = _singles(override)[:1]
    if key in LISTS and override.is_sweep_override() and not any(isinstance(value, list) for value in values_of(override)):
        first = ["{}=[{}]".format(*(override.input_line or "").split("=", 1))]
    options = groups.get(key)
    if options is not None and option_fault(override, options):
        return []
    try:
        compose("config", [*good, *first])
    except _REFUSALS:
        return []
    return first


def _sweep_fault(override: Override, good: list[str]) -> str:
    """Of several values without -m: Hydra cannot know whether a list is meant."""
    text, key = written(override), override.key_or_group
    present = OmegaConf.select(compose("config", good), key)
    if key in LISTS or OmegaConf.is_list(present):
        plus = "+" if override.is_add() else ""
        name, _, values = text.partition("=")
        return f"{text}: write '{plus}{name}=[{values}]', or -m for a sweep"
    return f"{text}: several values are for a sweep; write -m before them"


def _absent_fault(override: Override, options: list[str], good: list[str]) -> str | None:
    """Of a key of a fault that is not switched on, or that there is not."""
    key = override.package if override.key_or_group == "delay" else override.key_or_group
    section, _, rest = (key or "").partition(".")
    name, _, deeper = rest.partition(".")
    # With a plus, a whole fault may be written out; what it lacks is told when it is read.
    if section != "faults" or not name or override.is_add():
        return None
    settings = compose("config", good).faults
    if name in settings:
        return None
    if name in options:
        chosen = ",".join([fault for fault in settings if fault in options] + [name])
        return f"{written(override)}: {NOT_SWITCHED_ON.format(name=name, chosen=chosen)}"
    if deeper or override.key_or_group == "delay" or isinstance(values_of(override)[0], dict):
        names = [option for option in options if option != "none"]
        return f"{written(override)}: no such fault{suggestion(name, names)}; allowed: {', '.join(names)}"
    return None


def _group_fault(override: Override, error: Exception, groups: Mapping[str, list[str]], good: list[str]) -> str:
    """Why options that there are cannot be chosen so."""
    group, text = override.key_or_group, written(override)
    if override.is_add() and group not in {"scenario", "sweep", "delay"}:
        return f"{text}: is chosen without a plus"
    earlier = [word for word in good if word.startswith("+scenario=")]
    if group == "scenario" and earlier:
        stacked = ",".join(word.partition("=")[2].strip("[]") for word in [*earlier, text])
        return f"{text}: is the second +scenario; stack them: '+scenario=[{stacked}]'"
    if group == "faults" and earlier:
        before = [name for name in compose("config", good).faults if name in groups["faults"]]
        needed = ",".join(dict.fromkeys([*before, *(name for value in values_of(override) for name in _names(value))]))
        return f"{text}: {earlier[0]} sets keys of faults that are not named; name them too: 'faults=[{needed}]'"
    if group == "delay":
        return f"{text}: belongs to a fault: delay@faults.NAME.delay={text.partition('=')[2]}"
    return f"{text}: {_first_line(error)}"


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else [str(value)]


def _key_fault(override: Override, groups: list[str], good: list[str]) -> str:
    key, value = override.key_or_group, show(values_of(override)[0])
    parts = key.split(".")
    known = _names_at(parts[:-1], OmegaConf.to_container(compose("config", good), resolve=False))
    known += groups if len(parts) == 1 else []
    if parts[-1] in known and override.is_add():
        return f"{key}={value}: is there already; write it without the plus"
    if parts[-1] in known:
        return f"{key}={value}: has names that are not there yet; they are added with a plus: +{key}=…"
    near = suggestion(parts[-1], known)
    return f"{key}={value}: no such key{near}" + (f"; allowed: {', '.join(sorted(set(known)))}" if known else "")


def _names_at(path: list[str], node: object) -> list[str]:
    """The names that a path can go on with: keys of a mapping, numbers of a list."""
    names = _named(node)
    for part in path:
        names = _named(names.get(part))
    return list(names)


def _named(node: object) -> dict[str, Any]:
    items = enumerate(node) if isinstance(node, list) else node.items() if isinstance(node, dict) else ()
    return {str(name): item for name, item in items}


def _faults_of_rest(good: list[str]) -> list[str]:
    try:
        config = compose("config", good)
        content = OmegaConf.to_container(config, resolve=True)
        read_specification(content, CHECKS)  # type: ignore[arg-type]  # a root that is no mapping is refused by it
    except BadConfigError as error:
        return list(error.faults)
    except OmegaConfBaseException as error:
        return [interpolation_fault(config, error)]
    except _REFUSALS as error:
        return [_first_line(error)]
    return []


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"\s+", " ", " ".join(lines[:3])) if lines else type(error).__name__
