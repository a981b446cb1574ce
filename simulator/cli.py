"""The command line: Hydra composes, the specification is read and checked, a mode runs. The only module that imports Hydra."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from importlib.resources import files
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from simulator.choices import check_choices, with_pluses
from simulator.errors import EXIT_BAD_CONFIG, EXIT_INTERRUPTED, EXIT_MISMATCH, EXIT_OK, BadConfigError, SimulatorError
from simulator.rundir import RunDirectory

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
    sys.argv[1:] = with_pluses(sys.argv[1:])
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
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(_exit_code())


def _exit_code() -> int:
    from simulator.report.sweep import SweepComparison  # noqa: PLC0415  # Hydra's callback, loaded by Hydra

    return max(_Exit.code, SweepComparison.exit_code)


@hydra.main(version_base="1.3", config_path=config_directory(), config_name="config")
def _compose_and_run(config: DictConfig) -> float:
    """One job: 0.0 for success, as optimising sweepers expect a number."""
    code = _run(config)
    if HydraConfig.get().mode == RunMode.RUN:
        _Exit.code = code
    else:
        from simulator.report.sweep import note_exit_code  # noqa: PLC0415  # as below

        note_exit_code(Path(HydraConfig.get().runtime.output_dir), code)
    return float(code)


def _run(config: DictConfig) -> int:
    directory = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
    try:
        # Loaded here, with numpy and all that the market's models need: `--help` does not wait for them.
        from simulator.checks import CHECKS  # noqa: PLC0415
        from simulator.schema import read_specification  # noqa: PLC0415

        content = OmegaConf.to_container(config, resolve=True)
        assert isinstance(content, dict)  # noqa: S101  # Hydra's root is a mapping
        specification = read_specification({str(key): value for key, value in content.items()}, CHECKS)
        # Imported by name: a mode brings in only what it needs, so that `mode=plan` loads no Kafka client.
        mode = importlib.import_module(f"simulator.modes.{specification.mode}")
        from simulator.modes.context import Context  # noqa: PLC0415  # after the checks, for a quick answer to a typing error

        code: int = mode.run(Context(specification, directory, list(HydraConfig.get().overrides.task)))
    except SimulatorError as error:
        _tell(error)
        return error.exit_code
    except OSError as error:
        _tell(f"{error.filename or directory.path}: {error.strerror or error}")
        _LOG.exception("the system refused")
        return EXIT_MISMATCH
    return code


def _tell(error: object) -> None:
    """One line per fault on stderr; inside a job Hydra's log has it too."""
    if _LOG.hasHandlers():  # before a job there is no log, and Python's last resort is stderr once more
        _LOG.error("%s", error)
    for line in str(error).splitlines():
        sys.stderr.write(f"error: {line}\n")
