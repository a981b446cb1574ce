"""Secrets of the configuration: where they may come from, and that no message shows one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from certificates import Authority
from omegaconf import OmegaConf

from simulator.broker.security import cluster_of
from simulator.cli import _check_secrets
from simulator.errors import BadConfigError
from simulator.secrecy import as_written, check_command_line, check_secrets

if TYPE_CHECKING:
    from simulator.schema import Specification

CANARY = "hunter2canary"
WHY = (
    "a secret must not be written out: .hydra, the list of processes and the shell's history would keep it; take it from the"
    " environment, '{0}=${{oc.env:NAME}}', or from a file, {0}_file=FILE"
)
PASSWORD = "broker.security.sasl.password"  # noqa: S105  # a key's name
SASL = ["broker=external", "broker.security.protocol=SASL_PLAINTEXT", "broker.security.sasl.mechanism=PLAIN"]
USER = "broker.security.sasl.username=me"


@pytest.mark.parametrize(
    ("word", "key"),
    [
        (f"{PASSWORD}={CANARY}", PASSWORD),
        (f"+{PASSWORD}={CANARY}", PASSWORD),
        (f"++{PASSWORD}='{CANARY}'", PASSWORD),
        (f"{PASSWORD}={CANARY},${{oc.env:HOME}}", PASSWORD),
        (f"{PASSWORD}=${{oc.env:HOME,{CANARY}}}", PASSWORD),
        (f"{PASSWORD}=x${{oc.env:HOME}}", PASSWORD),
        (f"{PASSWORD}=12345", PASSWORD),
        (f"broker.security.sasl={{username: me, password: {CANARY}}}", PASSWORD),
        (f"broker.security={{sasl:{{password:{CANARY}}}}}", PASSWORD),
        (f"broker={{security: {{sasl: {{password: {CANARY}}}}}}}", PASSWORD),
        (f"broker.security.ssl.key_password={CANARY}", "broker.security.ssl.key_password"),
        (f"broker.security.sasl.pasword={CANARY}", "broker.security.sasl.pasword"),
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_not_shown(word: str, key: str) -> None:
    with pytest.raises(BadConfigError) as caught:
        check_command_line(["mode=plan", word])
    assert str(caught.value).splitlines() == [f"{key}: {WHY.format(key)}"]


def test_a_secret_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(BadConfigError) as caught:
        check_command_line([f"{PASSWORD}={CANARY}("])
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("value", ["${oc.env:SECRET}", "${ oc.env : SECRET }", None])
def test_a_secret_from_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.setenv("SECRET", CANARY)
    check_secrets({"broker": {"security": {"sasl": {"password": value}}}})
    check_command_line(
        [f"{PASSWORD}='${{oc.env:SECRET}}'", "symbols.tickers.PASS.price=1", "broker.security.sasl.password_file=x"]
    )


def test_an_environment_variable_that_is_missing_or_empty_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"broker": {"security": {"sasl": {"password": "${oc.env:SECRET}"}}}}
    monkeypatch.delenv("SECRET", raising=False)
    with pytest.raises(BadConfigError, match=r"^broker\.security\.sasl\.password=\$\{oc\.env:SECRET\}: .* SECRET is not set$"):
        check_secrets(content)
    monkeypatch.setenv("SECRET", "")
    with pytest.raises(BadConfigError, match=r"SECRET is empty$"):
        check_secrets(content)


def test_overrides_stay_as_they_were_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", CANARY)
    words = OmegaConf.create([f"{PASSWORD}=${{oc.env:SECRET}}"])
    assert list(words) == [f"{PASSWORD}={CANARY}"]  # what omegaconf would make of them
    assert as_written(words) == [f"{PASSWORD}=${{oc.env:SECRET}}"]


def test_a_secret_in_a_file_of_the_configuration_is_refused_and_hydra_s_copy_is_removed(tmp_path: Path) -> None:
    config = OmegaConf.create({"broker": {"security": {"sasl": {"password": CANARY}}}})
    OmegaConf.save(config, tmp_path / "config.yaml")
    with pytest.raises(BadConfigError) as caught:
        _check_secrets(config, [tmp_path / "config.yaml", tmp_path / "none.yaml"])
    assert str(caught.value) == f"{PASSWORD}: {WHY.format(PASSWORD)}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_a_secret_on_the_command_line_of_the_program_leaves_nothing(tmp_path: Path, flags: list[str]) -> None:
    command = [sys.executable, "-m", "simulator", *flags, "mode=plan", "broker=external", f"{PASSWORD}={CANARY}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {PASSWORD}: {WHY.format(PASSWORD)}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_does_not_fit_is_not_shown(
    make_specification: Callable[..., Specification], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", CANARY)
    for words in (
        ["broker=external", f"{PASSWORD}=${{oc.env:SECRET}}"],
        ["+broker.security.sasl.password=${oc.env:SECRET}"],
        ["broker=external", "broker.security.sasl={password: ${oc.env:SECRET}}", "broker.security.sasl.username=3"],
        ["broker=external", "+broker.security.sasl.pasword=${oc.env:SECRET}"],
        ["broker=external", f"{PASSWORD}=[${{oc.env:SECRET}}]"],
    ):
        with pytest.raises(BadConfigError) as caught:
            make_specification(*words)
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([USER], "broker.security.sasl.mechanism=null: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 for "),
        (["broker.security.sasl.mechanism=PLAIN"], "broker.security.sasl.username=null: must be given for "),
        ([USER], f"{PASSWORD}: give either this or broker.security.sasl.password_file for "),
        (["broker.security.ssl.ca=ca.pem"], "broker.security.ssl.ca=ca.pem: is for SSL and SASL_SSL, not for "),
        (["broker.security.protocol=SSL", USER], "broker.security.sasl.username=me: is for SASL_PLAINTEXT and SASL_SSL, not "),
        (["broker.security.protocol=SSL", "broker.security.ssl.ca=none.pem"], "=none.pem: cannot be read: No such file"),
        (["broker.security.protocol=SSL", "broker.security.ssl.ca=."], "broker.security.ssl.ca=.: cannot be read: Is a dir"),
        (["broker.security.protocol=SSL", "broker.security.ssl.ca=README.md"], "holds no certificate in PEM form"),
        (["broker.security.protocol=SSL", "broker.security.ssl.key=README.md"], "holds no private key in PEM form"),
        (["broker.security.protocol=SSL", "broker.security.ssl.certificate=README.md"], "broker.security.ssl.key=null: must be"),
        (["broker.security.sasl.password_file=/dev/null"], "broker.security.sasl.password_file=/dev/null: is empty"),
        (["broker.security.protocol=TLS"], "broker.security.protocol=TLS: must be 'PLAINTEXT', 'SSL'"),
    ],
)
def test_what_does_not_go_together_is_told(
    make_specification: Callable[..., Specification], words: list[str], fault: str
) -> None:
    base = ["broker=external", "broker.security.protocol=SASL_PLAINTEXT"]
    with pytest.raises(BadConfigError) as caught:
        make_specification(*base, *words)
    assert any(fault in line for line in caught.value.faults), caught.value.faults


def test_both_clients_are_given_the_same(
    make_specification: Callable[..., Specification], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority("authority")
    (tmp_path / "ca.pem").write_text(authority.certificate)
    certificate, key = authority.issue("me", "other").written(tmp_path, "me")
    (tmp_path / "password").write_text("other\n")
    monkeypatch.setenv("SECRET", 'a"b\\c\n')
    ssl = {"ca": tmp_path / "ca.pem", "certificate": certificate, "key": key, "key_password_file": tmp_path / "password"}
    words = ["broker.security.protocol=SASL_SSL", *(f"broker.security.ssl.{name}={path}" for name, path in ssl.items())]
    cluster = cluster_of(make_specification(*SASL, USER, *words, f"{PASSWORD}=${{oc.env:SECRET}}"))
    assert cluster.properties["sasl.password"] == 'a"b\\c\n'
    jaas = cluster.spark_options["kafka.sasl.jaas.config"]
    assert jaas == (r'org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="a\"b\\c\012";')
    assert cluster.spark_options["kafka.ssl.keystore.key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert 'a"b' not in repr(cluster)
    (tmp_path / "password").write_text("wrong")
    with pytest.raises(BadConfigError, match=r"^broker\.security\.ssl\.key=.*me\.key: cannot be read, or key_password is wrong$"):
        make_specification(*SASL, USER, *words, f"{PASSWORD}=${{oc.env:SECRET}}")
