"""Archives of class data are made by the command, both JVMs start from them, and one that does not fit is passed over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.archives import keep
from simulator.broker.embedded import DEFAULT_VERSION, OPTIONS_VARIABLE, EmbeddedBroker
from simulator.broker.jars import kafka_classpath
from simulator.cache import CACHE_VARIABLE, cache_directory
from simulator.class_data import kafka_archive, kafka_options, spark_archive, spark_environment

pytestmark = pytest.mark.integration

FROM_ARCHIVE = "source: shared objects file (top)"


@pytest.fixture(scope="module", autouse=True)
def archives() -> None:
    """Made, where `make test` has not made them already."""
    if not (kafka_archive(DEFAULT_VERSION).exists() and spark_archive().exists()):
        made = run(Path.cwd(), "simulator.archives")
        if "makes no archives" in made.stderr:  # that of a wheel is a small one
            pytest.skip(made.stderr)
        assert (made.returncode, made.stdout, made.stderr) == (0, "", "")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that has Kafka's jars and no archives."""
    kafka_classpath(DEFAULT_VERSION)
    jars = cache_directory() / f"kafka-{DEFAULT_VERSION}"
    folder = tmp_path / "cache with spaces"
    folder.mkdir()
    (folder / jars.name).symlink_to(jars)
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_kafka_and_spark_start_from_the_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {
        OPTIONS_VARIABLE: "kafka.server.KafkaRaftServer",
        "SPARK_SUBMIT_OPTS": "org.apache.spark.SparkContext",
    }
    for variable in classes:
        given = os.environ.get(variable, "")
        monkeypatch.setenv(variable, f"{given} -Xlog:class+load:file={tmp_path / variable}")
    done = run(tmp_path, "simulator", "duration=2", "clock=unpaced", "symbols.count=3", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    for variable, name in classes.items():
        (line,) = [line for line in (tmp_path / variable).read_text(encoding="utf-8").splitlines() if f" {name} source: " in line]
        assert line.endswith(FROM_ARCHIVE)


@pytest.mark.usefixtures("cache")
def test_an_archive_that_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    archive = kafka_archive(DEFAULT_VERSION)
    archive.parent.mkdir()
    archive.write_bytes(b"of another Java")
    with EmbeddedBroker(tmp_path / "broker") as broker:
        broker.check()
        assert "archive" not in broker.log_path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("cache")
def test_an_archive_of_other_jars_is_not_used_and_goes_when_another_is_made(tmp_path: Path) -> None:
    earlier, jars = kafka_archive(DEFAULT_VERSION), cache_directory() / f"kafka-{DEFAULT_VERSION}"
    earlier.parent.mkdir()
    earlier.touch()
    assert kafka_options(DEFAULT_VERSION) == (f"-XX:SharedArchiveFile={earlier}", "-Xlog:cds*=off")
    jars.unlink()
    jars.mkdir()
    (jars / "classpath.json").touch()
    assert kafka_options(DEFAULT_VERSION) == ()
    made = tmp_path / "made"
    made.touch()
    keep(made, kafka_archive(DEFAULT_VERSION))
    assert [path.name for path in earlier.parent.iterdir()] == [kafka_archive(DEFAULT_VERSION).name]


@pytest.mark.usefixtures("cache")
def test_what_a_user_tells_sparks_jvm_comes_after_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Xss4m")
    assert spark_environment() == {}
    spark_archive().parent.mkdir()
    spark_archive().touch()
    assert spark_environment() == {"SPARK_SUBMIT_OPTS": f'"-XX:SharedArchiveFile={spark_archive()}" "-Xlog:cds*=off" -Xss4m'}


def test_where_none_can_be_made_that_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    done = run(tmp_path, "simulator.archives")
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("no archives of class data, so Kafka and Spark start more slowly: cannot use the cache folder ")
