"""The command line of what is resumed: Hydra keeps the overrides of each run and of each multirun, so that nobody has to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from simulator.errors import BadConfigError
from simulator.secrecy import as_written

_FLAGS = {"-m", "--multirun"}
_RESUME = "resume="
_SAVED_RUN = Path(".hydra", "overrides.yaml")
_SAVED_HYDRA = Path(".hydra", "hydra.yaml")
_SAVED_MULTIRUN = Path("multirun.yaml")
_NOT_AGAIN = ("hydra.run.dir=", "hydra.sweep.dir=", "hydra.mode=", _RESUME)


def with_saved_overrides(arguments: list[str]) -> list[str]:
    """The command line with the overrides of the run or the multirun that it resumes, and its folder.

    Raises:
        BadConfigError: it resumes what is none, or changes what a multirun was asked for.
    """
    resumed = [word for word in arguments if word.startswith(_RESUME)]
    if not resumed or resumed[-1] == f"{_RESUME}null":
        return arguments
    folder = Path(resumed[-1].removeprefix(_RESUME))
    return _of_run(arguments, folder) if _FLAGS.isdisjoint(arguments) else _of_multirun(arguments, folder)


def _of_run(arguments: list[str], folder: Path) -> list[str]:
    """What is said now comes after what was said then; the plan's hash shows whether it is still the same run."""
    saved = folder / _SAVED_RUN
    if not saved.is_file():
        raise BadConfigError(f"resume={folder}: must be the directory of a run; there is no {_SAVED_RUN}")

    def words_of(task: Any) -> list[str]:  # noqa: ANN401  # whatever the file holds
        hydra = _load(folder / _SAVED_HYDRA).hydra
        if hydra.mode == "MULTIRUN":
            sweep = next((parent for parent in folder.parents if (parent / _SAVED_MULTIRUN).is_file()), "DIR")
            raise BadConfigError(f"resume={folder}: is a job of a multirun, which is resumed as a whole: resume={sweep} -m")
        return [*as_written(hydra.overrides.hydra), *as_written(task)]

    words = _read(folder, saved, words_of)
    return [*_again(words), *arguments, f"hydra.run.dir={folder}"]


def _of_multirun(arguments: list[str], folder: Path) -> list[str]:
    more = [word for word in arguments if word not in _FLAGS and not word.startswith((_RESUME, "hydra", "-"))]
    if more:
        raise BadConfigError(f"resume={folder}: the multirun has its own overrides; start another one for {' '.join(more)}")
    saved = folder / _SAVED_MULTIRUN
    if not saved.is_file():
        raise BadConfigError(f"resume={folder}: must be the directory of a multirun; there is no {_SAVED_MULTIRUN}")

    def words_of(content: Any) -> list[str]:  # noqa: ANN401  # whatever the file holds
        return [*as_written(content.hydra.overrides.hydra), *as_written(content.hydra.overrides.task)]

    words = _read(folder, saved, words_of)
    return [*arguments, *_again(words), f"hydra.sweep.dir={folder}"]


def _load(path: Path) -> Any:  # noqa: ANN401  # whatever a file of YAML holds
    return OmegaConf.load(path)


def _read(folder: Path, path: Path, words_of: Callable[[Any], list[Any]]) -> list[Any]:
    try:
        return words_of(_load(path))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, YAMLError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())
        raise BadConfigError(f"resume={folder}: {path.name} is not as Hydra writes it ({reason})") from None


def _again(words: list[Any]) -> list[str]:
    return [str(word) for word in words if not str(word).startswith(_NOT_AGAIN)]
