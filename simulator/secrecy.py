"""Secrets come from the environment or from files; one that is written out in the configuration is refused, and never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from omegaconf import OmegaConf

from simulator.errors import BadConfigError

SECTION = "broker.security"
SECRETS = ("password", "key_password")
"""The names of keys whose values are secrets."""
HIDDEN = "***"
_FILES = ("password_file", "key_password_file")
_FROM_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}")


def is_secret(name: str) -> bool:
    """Whether a key holds a secret, or is a misspelling of one that does."""
    return name in SECRETS or (name not in _FILES and bool(get_close_matches(name.lower(), SECRETS, n=1, cutoff=0.6)))


def hidden(value: object) -> object:
    """A value to be shown: below a key of a secret there are stars."""
    if isinstance(value, dict):
        return {key: HIDDEN if is_secret(str(key)) and item is not None else hidden(item) for key, item in value.items()}
    return [hidden(item) for item in value] if isinstance(value, list) else value


def as_written(words: Any) -> list[str]:  # noqa: ANN401  # a list of Hydra's, whose elements would be resolved one by one
    """Overrides as they were typed: `${oc.env:NAME}` in one of them must not become the secret that it stands for."""
    written = OmegaConf.to_container(words, resolve=False)
    assert isinstance(written, list)  # noqa: S101  # of a list
    return [str(word) for word in written]


def check_command_line(words: Sequence[str]) -> None:
    """See that no secret stands on the command line.

    Asked before Hydra, which writes the command line to `.hydra`.

    Raises:
        BadConfigError: one does; one line without it.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: PLC0415  # only where there is need
    from hydra.errors import HydraException  # noqa: PLC0415  # as above

    for word in words:
        if word.startswith("-") or "broker" not in word:
            continue
        key = word.partition("=")[0].lstrip("+~")
        try:
            override = OverridesParser.create().parse_override(word)
            values = list(override.sweep_string_iterator()) if override.is_sweep_override() else [override.value()]
        except HydraException:
            if is_secret(key.rpartition(".")[2]) or "{" in word:
                raise BadConfigError(f"{key}: the value cannot be read; are its brackets and quotes closed?") from None
            continue
        _refuse(_secrets(value, (key,)) for value in values)


def check_secrets(content: Mapping[str, object]) -> None:
    """See that the secrets of an unresolved configuration come from the environment, and that they are there.

    Raises:
        BadConfigError: one does not, or is not; a line each, without it.
    """
    broker = content.get("broker")
    _refuse([_secrets(broker.get("security"), (SECTION,))] if isinstance(broker, dict) else [])


def _refuse(found: Iterable[Iterator[tuple[str, object]]]) -> None:
    faults = [fault for secrets in found for key, value in secrets if (fault := _fault(key, value))]
    if faults:
        raise BadConfigError(list(dict.fromkeys(faults)))


def _secrets(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """The keys of secrets in a part of the configuration, with their values."""
    key = ".".join(path)
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets(item, (*path, str(name)))
    elif key.startswith(SECTION) and is_secret(key.rpartition(".")[2]):
        yield key, value


def _fault(key: str, value: object) -> str | None:
    if value is None:
        return None
    found = _FROM_ENVIRONMENT.fullmatch(str(value).strip(" '\""))
    if found is None:
        return (
            f"{key}: a secret must not be written out: .hydra, the list of processes and the shell's history would keep it;"
            f" take it from the environment, '{key}=${{oc.env:NAME}}', or from a file, {key}_file=FILE"
        )
    name = found.group(1)
    if not os.environ.get(name):
        return f"{key}=${{oc.env:{name}}}: the environment variable {name} is {'empty' if name in os.environ else 'not set'}"
    return None
