"""Faults of a command line that Hydra itself refuses: all of them at once, each with what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from simulator.checks import CHECKS
from simulator.diagnosis import show, suggestion
from simulator.errors import BadConfigError
from simulator.schema import read_specification


def diagnose(arguments: list[str], conf: str, error: Exception) -> list[str]:
    """Every fault of the command line, and of the configuration that the rest of it gives.

    Args:
        arguments: the command line, with Hydra's own flags.
        conf: the configuration's folder.
        error: what Hydra said.
    """
    overrides, faults = _parse([argument for argument in arguments if not argument.startswith("-")])
    groups = {path.name: sorted(option.stem for option in path.glob("*.yaml")) for path in Path(conf).iterdir() if path.is_dir()}
    groups = {name: options for name, options in groups.items() if options}
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf, version_base="1.3"):
        good: list[str] = []
        for override in overrides:
            fault = _fault(override, groups, good)
            faults += [fault] if fault else []
            good += [] if fault or override.is_sweep_override() else [override.input_line or ""]
        faults += _faults_of_rest(good)
    return faults or [_first_line(error)]


def _parse(words: list[str]) -> tuple[list[Override], list[str]]:
    parsed, faults = [], []
    for word in words:
        try:
            parsed += OverridesParser.create().parse_overrides([word])
        except HydraException as error:  # noqa: PERF203  # each word is tried, to tell all faults at once
            faults.append(f"{show(word)}: is no override KEY=VALUE ({_first_line(error)})")
    return parsed, faults


def _fault(override: Override, groups: dict[str, list[str]], good: list[str]) -> str | None:
    key = override.key_or_group
    if key in groups:
        return _option_fault(key, override, groups[key])
    if override.is_sweep_override() or key.split(".")[0] == "hydra":
        return None
    try:
        compose("config", [*good, override.input_line or ""])
    except (HydraException, OmegaConfBaseException):
        return _key_fault(override, list(groups), good)
    return None


def _option_fault(group: str, override: Override, options: list[str]) -> str | None:
    value = override.value()
    chosen = [str(item) for item in value] if isinstance(value, list) else [str(value)]
    if override.is_sweep_override():
        chosen = [str(item) for item in override.sweep_string_iterator()]
    for choice in chosen:
        if choice not in options:
            return f"{group}={show(choice)}: no such option{suggestion(choice, options)}; allowed: {', '.join(options)}"
    if group in {"scenario", "sweep"} and not override.is_add():
        return f"{group}={show(value)}: is added with a plus: +{group}={show(value)}"
    return None


def _key_fault(override: Override, groups: list[str], good: list[str]) -> str:
    key, value = override.key_or_group, show(override.value())
    parts = key.split(".")
    known = _names_at(parts[:-1], OmegaConf.to_container(compose("config", good), resolve=False))
    known += groups if len(parts) == 1 else []
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
        content = OmegaConf.to_container(compose("config", good), resolve=True)
        read_specification(content, CHECKS)  # type: ignore[arg-type]  # a root that is no mapping is refused by it
    except BadConfigError as error:
        return list(error.faults)
    except (HydraException, OmegaConfBaseException) as error:
        return [_first_line(error)]
    return []


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"\s+", " ", " ".join(lines[:3])) if lines else type(error).__name__
