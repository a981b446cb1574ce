"""Fetches Apache Kafka's jars from Maven Central or a mirror of it, once, into the cache folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from simulator.cache import cache_directory, file_lock
from simulator.errors import BadConfigError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    _Artifact: TypeAlias = Any  # jgo's own type, imported only when something is to be fetched

MAVEN_VARIABLE = "MARKET_SIMULATOR_MAVEN"
"""Environment variable with the URL of a Maven repository to fetch from, instead of Maven Central."""

_MARKER = "classpath.json"
_VERSION_PATTERN = re.compile(r"\d+(\.\d+){2}")
_TIMEOUT_SECONDS = 30
_ATTEMPTS = 3
_PARALLEL_DOWNLOADS = 8
_BYTES_PER_MEGABYTE = 1_000_000


def to_stderr(message: str) -> None:
    """Write one line to stderr: what `kafka_classpath` does with its messages unless told otherwise."""
    sys.stderr.write(f"{message}\n")


def kafka_classpath(version: str, on_progress: Callable[[str], None] = to_stderr) -> tuple[Path, ...]:
    """Return the jars that `kafka.Kafka` of this version runs on, fetched first when the cache lacks them.

    The fetch takes some 20 s and 45 MB, shows a progress bar when stderr is a terminal, and is done by one process at
    a time. A cache that a killed download or anything else has left incomplete is noticed and fetched anew.
    The environment variable `MARKET_SIMULATOR_MAVEN` names a Maven repository to use instead of Maven Central.

    Args:
        version: Apache Kafka's version, as `4.3.1`.
        on_progress: Receives each message, one line: that something is fetched or waited for, and what came of it.

    Returns:
        Absolute paths, all of them existing files.

    Raises:
        BadConfigError: `version` is not a version.
        UnreachableError: A jar cannot be fetched, or the cache folder cannot be used.
    """
    if not _VERSION_PATTERN.fullmatch(version):
        raise BadConfigError(f"broker.version={version}: not a version of Apache Kafka, such as 4.3.1")
    cache = cache_directory()
    folder = cache / f"kafka-{version}"
    jars = _complete_classpath(folder)
    if jars is not None:
        return jars
    waiting = f"waiting for another process that fetches Apache Kafka {version}"
    with file_lock(cache / f"kafka-{version}.lock", on_wait=lambda: on_progress(waiting)):
        return _complete_classpath(folder) or _fetch_classpath(version, folder, on_progress)


def _complete_classpath(folder: Path) -> tuple[Path, ...] | None:
    """Return the jars that the marker names, or None without a marker or if any jar is not as the marker says."""
    try:
        marker = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
        jars = {folder / jar["path"]: jar["bytes"] for jar in marker["jars"]}
        complete = all(path.stat().st_size == size for path, size in jars.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return tuple(jars) if complete and jars else None


def _fetch_classpath(version: str, folder: Path, on_progress: Callable[[str], None]) -> tuple[Path, ...]:
    source = os.environ.get(MAVEN_VARIABLE) or "Maven Central"
    on_progress(f"fetching Apache Kafka {version} from {source} into {folder} (about 45 MB, only this once)")
    started = time.monotonic()
    try:
        # Without a trusted marker nothing says which of the files are whole.
        if folder.exists():
            shutil.rmtree(folder)
        with _progress_bar(f"Apache Kafka {version}") as follow:
            artifacts = _resolve(version, folder)
            with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
                jars = tuple(follow(pool.map(_download, artifacts), len(artifacts)))
        sizes = [jar.stat().st_size for jar in jars]
        _write_marker(folder, version, jars, sizes)
    except Exception as error:  # jgo has no error class of its own: it lets those of requests, XML and asserts through
        reason = textwrap.shorten(str(error), 200, placeholder=" ...") or type(error).__name__
        raise UnreachableError(
            f"cannot fetch Apache Kafka {version} from {source}: {reason}; check the network and the version and try "
            "again, or use a broker of your own with broker=external broker.bootstrap_servers=HOST:PORT"
        ) from error
    megabytes = sum(sizes) / _BYTES_PER_MEGABYTE
    on_progress(f"fetched Apache Kafka {version}: {len(jars)} jars, {megabytes:.0f} MB, {time.monotonic() - started:.0f} s")
    return jars


def _resolve(version: str, folder: Path) -> list[_Artifact]:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415  # slow to import, needed once per machine

    mirror = os.environ.get(MAVEN_VARIABLE)
    maven = MavenContext(
        resolver=PythonResolver(),
        repo_cache=folder,
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=_TIMEOUT_SECONDS,
    )
    kafka = maven.create_dependency(f"org.apache.kafka:kafka_2.13:{version}")
    direct, transitive = maven.resolver.resolve([kafka])
    needed = [*direct, *(found for found in transitive if found.scope in {"compile", "runtime"})]
    artifacts = [dependency.artifact for dependency in needed]
    # Kafka logs through slf4j and leaves the choice of a backend to its packaging; log4j is there, the bridge to it is
    # not. It is taken by itself: resolved beside Kafka, the versions that log4j's own build manages would win.
    for backend in [artifact for artifact in artifacts if artifact.artifactId == "log4j-core"]:
        bridge = maven.create_dependency(f"org.apache.logging.log4j:log4j-slf4j-impl:{backend.version}")
        artifacts.append(bridge.artifact)
    return artifacts


def _download(artifact: _Artifact, attempts: int = _ATTEMPTS) -> Path:
    try:
        path = Path(artifact.resolve())
        _check_whole(path)
    except OSError:  # requests' errors are OSErrors
        # What a broken download leaves would be taken for the jar by the next attempt.
        artifact.cached_path.unlink(missing_ok=True)
        if attempts == 1:
            raise
        return _download(artifact, attempts - 1)
    return path


def _check_whole(jar: Path) -> None:
    # jgo only logs a checksum that does not match.
    try:
        with zipfile.ZipFile(jar) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise OSError(f"{jar.name} arrived damaged") from error
    if damaged is not None:
        raise OSError(f"{jar.name} arrived damaged at {damaged}")


def _write_marker(folder: Path, version: str, jars: tuple[Path, ...], sizes: list[int]) -> None:
    names = [jar.relative_to(folder).as_posix() for jar in jars]
    entries = [{"path": name, "bytes": size} for name, size in zip(names, sizes, strict=True)]
    temporary = folder / f"{_MARKER}.partial"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"kafka": version, "jars": entries}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / _MARKER)


@contextmanager
def _progress_bar(title: str) -> Iterator[Callable[[Iterable[Path], int], Iterator[Path]]]:
    """Show a bar while the block runs, if stderr is a terminal; yields what counts the finished jars."""
    if not sys.stderr.isatty():
        yield lambda jars, _count: iter(jars)
        return
    from rich.console import Console  # noqa: PLC0415  # for terminals only
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("jars"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)

        def follow(jars: Iterable[Path], count: int) -> Iterator[Path]:
            progress.update(task, total=count)
            for jar in jars:
                progress.advance(task)
                yield jar

        yield follow
