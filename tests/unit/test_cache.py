"""The cache folder and the lock between processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from simulator.cache import cache_directory, file_lock
from simulator.errors import UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

HOLD_THE_LOCK = """
import sys, pathlib, time
from simulator.cache import file_lock
with file_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.delenv("MARKET_SIMULATOR_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return monkeypatch


def test_the_cache_is_in_the_home_folder(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert environment
    assert cache_directory() == tmp_path / "home" / ".cache" / "market-simulator"
    assert cache_directory().is_dir()


def test_xdg_comes_before_home(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "market-simulator"


def test_a_relative_xdg_folder_is_ignored(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("XDG_CACHE_HOME", "cache")
    assert cache_directory() == tmp_path / "home" / ".cache" / "market-simulator"


def test_its_own_variable_comes_first(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    environment.setenv("MARKET_SIMULATOR_CACHE", str(tmp_path / "own"))
    assert cache_directory() == tmp_path / "own"


def test_a_relative_folder_becomes_absolute(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.chdir(tmp_path)
    environment.setenv("MARKET_SIMULATOR_CACHE", "own")
    assert cache_directory() == tmp_path / "own"


def test_an_unusable_folder_is_one_line_with_the_cure(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment.setenv("MARKET_SIMULATOR_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UnreachableError) as caught:
        cache_directory()
    assert str(caught.value) == (
        f"cannot use the cache folder {tmp_path}/file/cache: Not a directory; set MARKET_SIMULATOR_CACHE to a writable folder"
    )


def test_a_lock_is_free_again_after_the_block(tmp_path: Path) -> None:
    waits: list[str] = []
    for _ in range(2):
        with file_lock(tmp_path / "lock", on_wait=lambda: waits.append("waited")):
            pass
    assert waits == []


def test_a_second_holder_is_told_and_waits(tmp_path: Path) -> None:
    told, entered = threading.Event(), threading.Event()

    def enter() -> None:
        with file_lock(tmp_path / "lock", on_wait=told.set):
            entered.set()

    second = threading.Thread(target=enter)
    with file_lock(tmp_path / "lock"):
        second.start()
        assert told.wait(5)
        assert not entered.wait(0.1)
    assert entered.wait(5)
    second.join()


def test_the_callback_can_refuse_to_wait(tmp_path: Path) -> None:
    def refuse() -> None:
        raise UnreachableError("taken")

    with (
        file_lock(tmp_path / "lock"),
        pytest.raises(UnreachableError, match="taken"),
        file_lock(tmp_path / "lock", on_wait=refuse),
    ):
        pytest.fail("both have the lock")


def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path / "lock")]
    waits: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        threading.Timer(0.1, holder.send_signal, [signal.SIGKILL]).start()
        with file_lock(tmp_path / "lock", on_wait=lambda: waits.append("waited")):
            assert waits == ["waited"]


def test_a_lock_in_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"^cannot create the lock file .*: No such file or directory$"):
        file_lock(tmp_path / "missing" / "lock").__enter__()
