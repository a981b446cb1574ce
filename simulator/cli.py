"""The command line: Hydra composes, the specification is read and checked, a mode runs. The only module that imports Hydra."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from simulator.choices import check_choices, check_words, interpolation_fault, with_pluses
from simulator.errors import (
    EXIT_BAD_CONFIG,
    EXIT_INTERRUPTED,
    EXIT_MISMATCH,
    EXIT_OK,
    EXIT_UNREACHABLE,
    BadConfigError,
    SimulatorError,
    printable,
)
from simulator.multirun import clear, close_services, finished, services_of, with_own_topic
from simulator.produce.signals import stop_early, was_stopped_early
from simulator.report.sweeps.callback import SweepComparison, note_exit_code
from simulator.rundir import RunDirectory, alone_in
from simulator.saved import with_saved_overrides
from simulator.secrecy import as_written, check_command_line, check_secrets

if TYPE_CHECKING:
    from simulator.modes.context import Context

_LOG = logging.getLogger("simulator")


def config_directory() -> str:
    """The checkout's `conf` when the program runs from one, else the one that is installed with it."""
    checkout = Path(__file__).resolve().parent.parent / "conf"
    return str(checkout) if (checkout / "config.yaml").is_file() else str(files("simulator.conf"))


class _Exit:
    """The exit code of the last job, which Hydra keeps to itself, and whether one has begun."""

    code = EXIT_OK
    has_begun = False


_OTHERS_NOTHING = 0o077
"""Of the permissions of whatever is made: who else is on this machine may not look into runs."""


def main() -> None:
    """Entry point of `simulator` and `python -m simulator`; ends the process with the contract's exit codes."""
    os.umask(os.umask(_OTHERS_NOTHING) | _OTHERS_NOTHING)  # of this process and its children, before Hydra makes folders
    signal.signal(signal.SIGTERM, stop_early)
    logging.raiseExceptions = False  # a log that cannot be written (a full disk) is no reason for tracebacks on the terminal
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print and exit 1; its errors are told here, in our words
    try:
        sys.argv[1:] = with_saved_overrides(with_pluses(sys.argv[1:]))
        check_command_line(sys.argv[1:])
    except BadConfigError as error:
        _tell(error)
        sys.exit(EXIT_BAD_CONFIG)
    try:
        check_words(sys.argv[1:])
        check_choices(sys.argv[1:], config_directory())
        _compose_and_run()
    except (HydraException, OmegaConfBaseException, BadConfigError) as error:
        if was_stopped_early():  # in the middle of composing, which tells whatever it meets as its own trouble
            sys.exit(EXIT_INTERRUPTED)
        from simulator.overrides import diagnose  # noqa: PLC0415  # only where something is wrong

        _tell(BadConfigError(diagnose(sys.argv[1:], config_directory(), error)))
        sys.exit(EXIT_BAD_CONFIG)
    except YAMLError as error:
        _tell(BadConfigError(f"a file of the configuration is no YAML: {' '.join(str(error).split())}"))
        sys.exit(EXIT_BAD_CONFIG)
    except (ValueError, RecursionError, OSError) as error:
        if _Exit.has_begun:
            raise
        _tell(BadConfigError(_refusal(error)))
        sys.exit(EXIT_BAD_CONFIG)
    except BrokenExecutor:
        _tell("a process of the launcher was killed, and its jobs with it; resume=DIR with the multirun's folder runs them again")
        _Exit.code = EXIT_MISMATCH
    except KeyboardInterrupt:
        _Exit.code = EXIT_INTERRUPTED
    finally:
        close_services()
        SweepComparison.close()
    sys.exit(max(_Exit.code, SweepComparison.exit_code))


def _refusal(error: Exception) -> str:
    """Of what Hydra stumbles over before a job begins."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}; hydra.run.dir and hydra.sweep.dir must be folders that can be made"
    if isinstance(error, RecursionError):
        return "the configuration is nested too deeply"
    return f"the configuration cannot be read: {' '.join(str(error).split())}"


@hydra.main(version_base="1.3", config_path=config_directory(), config_name="config")
def _compose_and_run(config: DictConfig) -> float:
    """One job; gives the objective, or else the exit code, as optimising sweepers expect a number."""
    _Exit.has_begun = True
    job = HydraConfig.get()
    if job.mode == RunMode.RUN:
        _Exit.code = _run(config)
        return float(_Exit.code)
    with_own_topic(config, as_written(job.overrides.task), job.job.num)
    code = _run(config, Path(job.sweep.dir).absolute())
    note_exit_code(Path(job.runtime.output_dir), code)
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt  # whoever ends a job means the multirun
    return float(code) if config.objective is None else _objective(str(config.objective), Path(job.runtime.output_dir))


def _objective(name: str, job: Path) -> float:
    from simulator.report.sweeps.objectives import OBJECTIVES, WORST, objective_of  # noqa: PLC0415  # polars, for those who ask

    return objective_of(name, job) if name in OBJECTIVES else WORST  # another name has been told of by the job


def _run(config: DictConfig, sweep: Path | None = None) -> int:
    """Run a job, of a multirun in its folder `sweep`; gives the exit code."""
    directory = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
    try:
        # Loaded here, with numpy and all that the market's models need: `--help` does not wait for them.
        from simulator.checks import CHECKS  # noqa: PLC0415
        from simulator.schema import read_specification  # noqa: PLC0415

        _check_secrets(config, [directory.path / ".hydra" / "config.yaml", *([sweep / "multirun.yaml"] if sweep else [])])
        specification = read_specification(_content(config), CHECKS)
        # Imported by name: a mode brings in only what it needs, so that `mode=plan` loads no Kafka client.
        mode = importlib.import_module(f"simulator.modes.{specification.mode}")
        from simulator.modes.context import Context  # noqa: PLC0415  # after the checks, for a quick answer to a typing error

        overrides = [word for word in as_written(HydraConfig.get().overrides.task) if not word.startswith("resume=")]
        context = Context(specification, directory, overrides)
        if sweep is None:
            return int(mode.run(context if specification.resume is None else _resumed(context)))
        with alone_in(directory):  # a job may outlive the multirun that has begun it
            return _run_or_resume(mode, replace(context, services=services_of(sweep)))
    except SimulatorError as error:
        _tell(error)
        return error.exit_code
    except OSError as error:
        _LOG.exception("the system refused")
        _tell(f"{error.filename or directory.path}: {error.strerror or error}")
        return EXIT_UNREACHABLE


def _check_secrets(config: DictConfig, copies: list[Path]) -> None:
    """See that no file of the configuration has a secret written out; Hydra's copies of one that has are removed."""
    content = OmegaConf.to_container(config, resolve=False)
    assert isinstance(content, dict)  # noqa: S101  # Hydra's root is a mapping
    try:
        check_secrets({str(key): value for key, value in content.items()})
    except BadConfigError:
        for copy in copies:
            copy.unlink(missing_ok=True)
        raise


def _resumed(context: Context) -> Context:
    from simulator.modes.resume import check_resume  # noqa: PLC0415  # the Kafka client, which `mode=plan` does not load

    check_resume(context.specification, context.directory, context.plan_hash())
    return replace(context, is_resumed=True)


def _content(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain data.

    Raises:
        BadConfigError: an interpolation leads nowhere, or the whole is nested too deeply.
    """
    try:
        content = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise BadConfigError(interpolation_fault(config, error)) from None
    except RecursionError as error:
        raise BadConfigError(_refusal(error)) from None
    assert isinstance(content, dict)  # noqa: S101  # Hydra's root is a mapping
    return {str(key): value for key, value in content.items()}


def _run_or_resume(mode: ModuleType, context: Context) -> int:
    """Run a job of a multirun, unless it is resumed and the job was done."""
    if context.specification.resume is None:
        return int(mode.run(context))
    code = finished(context.directory, context.plan_hash())
    if code is not None:
        return code
    clear(context.directory)
    return int(mode.run(context))


def _tell(error: object) -> None:
    """One line per fault on stderr; inside a job Hydra's log has it too."""
    if _Exit.has_begun:  # before a job there is no log but stderr
        _LOG.error("%s", error)
    for line in str(error).splitlines():
        sys.stderr.write(f"error: {printable(line)}\n")
