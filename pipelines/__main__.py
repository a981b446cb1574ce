"""`python -m pipelines plan.json` runs a plan; `python -m pipelines --serve` serves a parent process.

`spark-submit …/pipelines/__main__.py plan.json` does the first on any cluster.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

if not __package__:
    # Run as a script, as spark-submit does: Python then looks for modules in this folder, not where the package lies.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pipelines.serving import serve
from pipelines.standalone import Job, run_job
from pipelines.stdio import take_stdout


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.serve:
        stdout = take_stdout()
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("py4j").setLevel(logging.ERROR)
        return serve(sys.stdin, stdout)
    if given.plan is None:
        parser.error("a plan is needed")
    return run_job(Job(given.plan, given.directory, dict(given.source_option), given.master), sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description="Run the aggregation of a plan on Spark.")
    parser.add_argument("plan", type=Path, nargs="?", help="plan.json")
    parser.add_argument("--directory", type=Path, help="run directory, for checkpoints and files (default: the plan's folder)")
    parser.add_argument(
        "--source-option",
        type=_option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace an option of the source, e.g. kafka.bootstrap.servers=host:9092; may be repeated",
    )
    parser.add_argument("--master", help="Spark master in place of the plan's; with spark-submit, say it there")
    parser.add_argument("--serve", action="store_true", help="obey JSON lines on stdin (docs/architecture.md)")
    return parser


def _option(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


if __name__ == "__main__":
    sys.exit(main())
