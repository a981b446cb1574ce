"""Where the archives of Java's class data (CDS) are, and how a JVM is told of one. `simulator/archives.py` makes them."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

from simulator.cache import cache_directory
from simulator.errors import UnreachableError
from simulator.java import find_java_home

_FOLDER = "class-data"
# It would say on stdout why it passes over an archive that does not fit.
_SILENT = "-Xlog:cds*=off"


def kafka_archive(version: str) -> Path:
    """The file of a broker's archive, there or not.

    Raises:
        UnreachableError: There is no Java, or no cache folder.
    """
    return _file("kafka", cache_directory() / f"kafka-{version}" / "classpath.json")


def spark_archive() -> Path:
    """The file of the archive of this environment's Spark, there or not.

    Raises:
        UnreachableError: There is no Java, or no cache folder.
    """
    package = find_spec("pyspark")
    origin = package.origin if package is not None else None
    return _file("spark", Path(origin or "").parent / "jars")


def kafka_options(version: str) -> tuple[str, ...]:
    """What tells a broker's JVM of its archive; nothing where there is none."""
    try:
        return _options(kafka_archive(version))
    except UnreachableError:  # whoever starts the JVM meets it too, and says so
        return ()


def spark_environment() -> dict[str, str]:
    """The environment variable that tells Spark's JVM of its archive, before what the user has put there."""
    try:
        options = _options(spark_archive())
    except UnreachableError:  # as above
        return {}
    given = os.environ.get("SPARK_SUBMIT_OPTS", "")
    return {"SPARK_SUBMIT_OPTS": " ".join([*map(_quoted, options), given])} if options else {}


def _options(archive: Path) -> tuple[str, ...]:
    return (f"-XX:SharedArchiveFile={archive}", _SILENT) if archive.is_file() else ()


def _file(name: str, jars: Path) -> Path:
    # A JVM that is given an archive of another one, or of other jars, does without any, its own included: so it is not told then.
    java = (find_java_home() / "bin" / "java").resolve()
    place = hashlib.blake2b(os.fsencode(f"{java}\n{jars}"), digest_size=6).hexdigest()
    times = hashlib.blake2b(f"{_changed(java)} {_changed(jars)}".encode(), digest_size=4).hexdigest()
    return cache_directory() / _FOLDER / f"{name}-{place}-{times}.jsa"


def _changed(path: Path) -> int:
    """When a file or folder was changed, 0 where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _quoted(option: str) -> str:
    """An option as Spark's launcher reads it."""
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
