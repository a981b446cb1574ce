"""What counts as a death of the child and what as an error that it reports; no Spark is started."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from simulator.errors import BadConfigError, UnreachableError
from simulator.pipeline import Pipeline
from simulator.spark_child import Event, SparkChild, SparkDiedError

PATIENCE_SECONDS = 30.0


def child_of(tmp_path: Path, *arguments: str) -> SparkChild:
    return SparkChild(["pipelines", *arguments], tmp_path / "spark.log", PATIENCE_SECONDS)


def error_of(child: SparkChild) -> Exception:
    try:
        with pytest.raises((UnreachableError, BadConfigError)) as caught:
            child.take(PATIENCE_SECONDS)
        return caught.value
    finally:
        child.close()


def test_a_child_that_is_killed_has_died(tmp_path: Path) -> None:
    child = child_of(tmp_path, "--serve")
    os.kill(child._child.pid, signal.SIGKILL)
    error = error_of(child)
    assert isinstance(error, SparkDiedError)
    assert str(error) == f"Spark ended by itself; see {tmp_path / 'spark.log'}"


def test_a_child_that_ends_with_an_exit_code_has_not(tmp_path: Path) -> None:
    assert type(error_of(child_of(tmp_path, "--no-such-option"))) is UnreachableError


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"exit_code": 3, "java_ended": True}, SparkDiedError),
        ({"exit_code": 3, "java_ended": False}, UnreachableError),
        ({"exit_code": 3}, UnreachableError),
        ({"exit_code": 2, "java_ended": False}, BadConfigError),
    ],
)
def test_the_end_of_java_is_a_death_and_what_is_reported_is_none(event: Event, kind: type[Exception], tmp_path: Path) -> None:
    child = child_of(tmp_path, "--serve")
    child._events.put({"event": "error", "message": "m", **event})
    assert type(error_of(child)) is kind


@pytest.mark.parametrize("restarts", [0, 2])
def test_a_child_is_replaced_as_often_as_allowed(
    restarts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "spark.log"
    with Pipeline(log, PATIENCE_SECONDS, print, restarts) as pipeline:
        monkeypatch.setattr(SparkChild, "send", lambda self, **_: os.kill(self._child.pid, signal.SIGKILL))
        with pytest.raises(UnreachableError) as caught:
            pipeline.start(tmp_path / "plan.json", tmp_path, tmp_path / "batches", {})
    too_often = f"spark.restarts=2: Spark was killed, and has been started again that often; see {log}"
    assert str(caught.value) == (too_often if restarts else f"Spark ended by itself; see {log}")
    assert capsys.readouterr().err.splitlines() == [
        f"Spark was killed; another one goes on from its checkpoint ({number} of spark.restarts=2)"
        for number in range(1, restarts + 1)
    ]


def test_what_is_wrong_is_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Pipeline(tmp_path / "spark.log", PATIENCE_SECONDS, print, 3) as pipeline, pytest.raises(BadConfigError) as caught:
        pipeline.start(tmp_path / "plan.json", tmp_path, tmp_path / "batches", {})
    assert str(caught.value) == f"{tmp_path / 'plan.json'}: cannot be read (No such file or directory)"
    assert capsys.readouterr().err == ""
