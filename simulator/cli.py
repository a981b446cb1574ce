"""The command line: Hydra composes, the specification is read and checked, a mode runs. The only module that imports Hydra."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from simulator.choices import check_choices, with_pluses
from simulator.errors import EXIT_BAD_CONFIG, EXIT_INTERRUPTED, EXIT_MISMATCH, EXIT_OK, BadConfigError, SimulatorError
from simulator.multirun import clear, close_services, finished, services_of, with_own_topic
from simulator.report.sweeps.callback import SweepComparison, note_exit_code
from simulator.rundir import RunDirectory
from simulator.saved import with_saved_overrides
from simulator.secrecy import as_written, check_secrets, check_words

if TYPE_CHECKING:
    from simulator.modes.context import Context

_LOG = logging.getLogger("simulator")


def config_directory() -> str:
    """The checkout's `conf` when the program runs from one, else the one that is installed with it."""
    checkout = Path(__file__).resolve().parent.parent / "conf"
    return str(checkout) if (checkout / "config.yaml").is_file() else str(files("simulator.conf"))


class _Exit:
    """The exit code of the last job: Hydra keeps what a job returns to itself."""

    code = EXIT_OK


def main() -> None:
    """Entry point of `simulator` and `python -m simulator`; ends the process with the contract's exit codes."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print and exit 1; its errors are told here, in our words
    try:
        sys.argv[1:] = with_saved_overrides(with_pluses(sys.argv[1:]))
        check_words(sys.argv[1:])
    except BadConfigError as error:
        _tell(error)
        sys.exit(EXIT_BAD_CONFIG)
    try:
        check_choices(sys.argv[1:], config_directory())
        _compose_and_run()
    except (HydraException, OmegaConfBaseException, BadConfigError) as error:
        from simulator.overrides import diagnose  # noqa: PLC0415  # only where something is wrong

        _tell(BadConfigError(diagnose(sys.argv[1:], config_directory(), error)))
        sys.exit(EXIT_BAD_CONFIG)
    except YAMLError as error:
        _tell(BadConfigError(f"a file of the configuration is no YAML: {' '.join(str(error).split())}"))
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


@hydra.main(version_base="1.3", config_path=config_directory(), config_name="config")
def _compose_and_run(config: DictConfig) -> float:
    """One job; gives the objective, or else the exit code, as optimising sweepers expect a number."""
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
        content = OmegaConf.to_container(config, resolve=True)
        assert isinstance(content, dict)  # noqa: S101  # Hydra's root is a mapping
        specification = read_specification({str(key): value for key, value in content.items()}, CHECKS)
        # Imported by name: a mode brings in only what it needs, so that `mode=plan` loads no Kafka client.
        mode = importlib.import_module(f"simulator.modes.{specification.mode}")
        from simulator.modes.context import Context  # noqa: PLC0415  # after the checks, for a quick answer to a typing error

        overrides = [word for word in as_written(HydraConfig.get().overrides.task) if not word.startswith("resume=")]
        context = Context(specification, directory, overrides)
        if sweep is None:
            return int(mode.run(context if specification.resume is None else _resumed(context)))
        return _run_or_resume(mode, replace(context, services=services_of(sweep)))
    except SimulatorError as error:
        _tell(error)
        return error.exit_code
    except OSError as error:
        _tell(f"{error.filename or directory.path}: {error.strerror or error}")
        _LOG.exception("the system refused")
        return EXIT_MISMATCH


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
    if _LOG.hasHandlers():  # before a job there is no log, and Python's last resort is stderr once more
        _LOG.error("%s", error)
    for line in str(error).splitlines():
        sys.stderr.write(f"error: {line}\n")
