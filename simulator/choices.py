"""Overrides that choose options of configuration groups: what they choose, and what cannot be chosen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from simulator.diagnosis import show, suggestion
from simulator.errors import BadConfigError

LISTS = ("faults", "scenario")
"""Groups of which several options may be chosen at once."""
_ADDED = ("scenario", "sweep")
# Of these keys Hydra knows no names beforehand, and would have each new one added with a plus.
_OPEN = "verify.metrics"
_REFERENCE = re.compile(r"\$\{([a-z_.]+)\}")


def with_pluses(arguments: list[str]) -> list[str]:
    """The command line with the names of an open mapping marked as new, so that nobody has to type the pluses."""
    return [f"++{word}" if word.startswith((f"{_OPEN}.", f"{_OPEN}=")) else word for word in arguments]


def overrides_of(arguments: list[str]) -> list[str]:
    """The words of a command line that are neither flags of Hydra's nor values of such flags."""
    words: list[str] = get_args_parser().parse_known_args(arguments)[0].overrides
    return words


def own_folder(arguments: list[str]) -> Path | None:
    """The folder of options of the user's own: `--config-dir`."""
    folder = get_args_parser().parse_known_args(arguments)[0].config_dir
    return None if folder is None else Path(folder).absolute()


def groups_of(conf: str, own: Path | None = None) -> dict[str, list[str]]:
    """The options of each group, with those of the user's own folder."""
    found: dict[str, set[str]] = {}
    for folder in (Path(conf), own):
        for path in folder.iterdir() if folder is not None and folder.is_dir() else ():
            if path.is_dir():
                found.setdefault(path.name, set()).update(option.stem for option in path.glob("*.yaml"))
    return {name: sorted(options) for name, options in found.items() if options}


def parse(word: str) -> Override | str:
    """An override, or what is wrong with a word that is none."""
    try:
        override = OverridesParser.create().parse_overrides([word])[0]
    except HydraException:
        what = "the value cannot be read; are its brackets and quotes closed?" if "=" in word else "is no override KEY=VALUE"
        return f"{show(word) or repr(word)}: {what}"
    except (ValueError, RecursionError):  # integers of thousands of digits, thousands of brackets
        return f"{show(word)}: the value cannot be read; it is too long or nested too deeply"
    # `=5` is read as an override of nothing.
    return override if override.key_or_group else f"{show(word)}: names no key"


def check_words(arguments: list[str]) -> None:
    """Refuse words that would end in a traceback of Hydra's; those that it refuses are left to it.

    Raises:
        BadConfigError: there are such words.
    """
    read = [parse(word) for word in overrides_of(arguments)]
    faults = [fault for fault in read if isinstance(fault, str)]
    if faults:
        raise BadConfigError(faults)


def interpolation_fault(config: DictConfig, error: OmegaConfBaseException) -> str:
    """What is wrong with a value such as `${rate}` that leads nowhere, told of the key where it ends."""
    key, seen = str(error.full_key or ""), set[str]()
    value = _as_written(config, key)
    while key not in seen and (further := _REFERENCE.fullmatch(str(value))) and _as_written(config, further[1]) is not None:
        seen.add(key)
        key = further[1]
        value = _as_written(config, key)
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{key}{'' if value is None else f'={show(value)}'}: {reason}"


def _as_written(config: DictConfig, key: str) -> object:
    """A value before it is resolved; None where there is none."""
    node: Any = config
    for part in key.split("."):
        node = node._get_node(part, validate_access=False) if OmegaConf.is_dict(node) else None  # noqa: SLF001  # not resolved
    return None if node is None else node._value()  # noqa: SLF001  # as above


def check_choices(arguments: list[str], conf: str) -> None:
    """Refuse what Hydra takes without a word, or stumbles over: an option named twice, and none at all.

    Raises:
        BadConfigError: there is such a choice.
    """
    groups = groups_of(conf, own_folder(arguments))
    for word in overrides_of(arguments):
        group = word.lstrip("+").partition("=")[0].partition("@")[0]
        override = parse(word) if group in groups else ""  # of a text Hydra will tell
        fault = None if isinstance(override, str) else option_fault(override, groups[group])
        if fault is not None:
            raise BadConfigError(fault)


def option_fault(override: Override, options: list[str]) -> str | None:
    """What is wrong with the options that are chosen of a group."""
    group = override.key_or_group
    if override.is_delete() or isinstance(override.value(), Glob):
        return None
    for value in values_of(override):
        chosen = [show(name) for name in (value if isinstance(value, list) else [value])]
        for choice in chosen:
            if choice not in options:
                return f"{group}={choice}: no such option{suggestion(choice, options)}; allowed: {', '.join(options)}"
            if chosen.count(choice) > 1:
                return f"{written(override)}: {choice} is named twice"
    if group in _ADDED and not override.is_add():
        return f"{written(override)}: is added with a plus: +{written(override)}"
    return None


def values_of(override: Override) -> list[Any]:
    """The value; of a sweep all of them."""
    if not override.is_sweep_override():
        return [override.value()]
    if isinstance(override.value(), Glob):
        return [(override.input_line or "").partition("=")[2]]  # only Hydra knows which options it stands for
    items = [f"{override.key_or_group}={item}" for item in override.sweep_string_iterator()]
    return [single.value() for single in OverridesParser.create().parse_overrides(items)]


def written(override: Override) -> str:
    """An override as the user wrote it, without pluses."""
    return show((override.input_line or "").lstrip("+"))
