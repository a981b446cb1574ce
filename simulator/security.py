"""The section `security` of `conf/broker/external.yaml`: TLS and SASL, by Kafka's own terms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, final

from pydantic import SecretStr

from simulator.diagnosis import show
from simulator.parameters import Parameters, Text
from simulator.secrecy import SECTION

_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_KEY = "PRIVATE KEY-----"
_ENCRYPTED = "ENCRYPTED"


@final
class Sasl(Parameters):
    """`broker.security.sasl`: who the clients are."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None
    username: Text | None
    password: SecretStr | None
    password_file: Text | None


@final
class Ssl(Parameters):
    """`broker.security.ssl`: whose certificates are trusted, and the clients' own."""

    ca: Text | None
    certificate: Text | None
    key: Text | None
    key_password: SecretStr | None
    key_password_file: Text | None


@final
class Security(Parameters):
    """`broker.security`."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    sasl: Sasl
    ssl: Ssl

    @property
    def has_sasl(self) -> bool:
        """Whether clients say who they are by SASL."""
        return self.protocol.startswith("SASL")

    @property
    def has_ssl(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol.endswith("SSL")


def faults_of(security: Security) -> list[str]:
    """What is wrong with the section, files among it: a line each, without any secret."""
    return [*_sasl_faults(security), *_ssl_faults(security)]


def read_secret(value: SecretStr | None, file: str | None) -> str | None:
    """A password: as it was given, or the content of its file without the line's end."""
    if file is not None:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    return None if value is None else value.get_secret_value()


def read_key(ssl: Ssl) -> str:
    """The client's private key as Java's client reads it, PKCS#8; not encrypted, as that client knows few ciphers.

    Raises:
        ValueError: the file holds no key, or its password is another.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  # a big library, for those who have a key
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  # as above

    content = Path(ssl.key or "").read_bytes()
    password = (read_secret(ssl.key_password, ssl.key_password_file) or "").encode() if _ENCRYPTED.encode() in content else None
    try:
        key = serialization.load_pem_private_key(content, password)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def _sasl_faults(security: Security) -> Iterator[str]:
    sasl, protocol = security.sasl, f"{SECTION}.protocol={security.protocol}"
    if not security.has_sasl:
        yield from _unused(sasl, "sasl", f"is for SASL_PLAINTEXT and SASL_SSL, not for {protocol}")
        return
    if sasl.mechanism is None:
        yield f"{SECTION}.sasl.mechanism=null: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 for {protocol}"
    if sasl.username is None:
        yield f"{SECTION}.sasl.username=null: must be given for {protocol}"
    if (sasl.password is None) == (sasl.password_file is None):
        yield f"{SECTION}.sasl.password: give either this or {SECTION}.sasl.password_file for {protocol}"
    yield from _secret_faults("sasl.password_file", sasl.password_file)


def _ssl_faults(security: Security) -> Iterator[str]:
    ssl = security.ssl
    if not security.has_ssl:
        yield from _unused(ssl, "ssl", f"is for SSL and SASL_SSL, not for {SECTION}.protocol={security.protocol}")
        return
    if (ssl.certificate is None) != (ssl.key is None):
        missing = "key" if ssl.key is None else "certificate"
        yield f"{SECTION}.ssl.{missing}=null: must be given: a client's certificate and its key go together"
    if ssl.key_password is not None and ssl.key_password_file is not None:
        yield f"{SECTION}.ssl.key_password: give either this or {SECTION}.ssl.key_password_file"
    if ssl.key is None and (ssl.key_password is not None or ssl.key_password_file is not None):
        yield f"{SECTION}.ssl.key_password: there is no {SECTION}.ssl.key that it could be for"
    for name, file in (("ca", ssl.ca), ("certificate", ssl.certificate)):
        yield from _file_faults(f"ssl.{name}", file, [_CERTIFICATE], f"holds no certificate in PEM form ({_CERTIFICATE})")
    yield from _key_faults(ssl)
    yield from _secret_faults("ssl.key_password_file", ssl.key_password_file)


def _key_faults(ssl: Ssl) -> Iterator[str]:
    faults = list(_file_faults("ssl.key", ssl.key, [_KEY], f"holds no private key in PEM form ({_KEY})"))
    yield from faults
    if ssl.key is None or faults:
        return
    has_password = ssl.key_password is not None or ssl.key_password_file is not None
    if _ENCRYPTED in Path(ssl.key).read_text(encoding="utf-8") and not has_password:
        yield f"{SECTION}.ssl.key_password: must be given, or {SECTION}.ssl.key_password_file: {show(ssl.key)} is encrypted"
    elif ssl.key_password_file is None or Path(ssl.key_password_file).is_file():
        try:
            read_key(ssl)
        except ValueError:
            yield f"{SECTION}.ssl.key={show(ssl.key)}: cannot be read" + (", or key_password is wrong" if has_password else "")


def _secret_faults(name: str, file: str | None) -> Iterator[str]:
    faults = list(_file_faults(name, file, [""], ""))
    yield from faults
    if file is not None and not faults and not read_secret(None, file):
        yield f"{SECTION}.{name}={show(file)}: is empty"


def _file_faults(name: str, file: str | None, marks: list[str], otherwise: str) -> Iterator[str]:
    """What is wrong with a file that must hold one of some texts."""
    if file is None:
        return
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        yield f"{SECTION}.{name}={show(file)}: cannot be read: {error.strerror}"
    except ValueError:
        yield f"{SECTION}.{name}={show(file)}: {otherwise or 'is no text in UTF-8'}"
    else:
        if not any(mark in text for mark in marks):
            yield f"{SECTION}.{name}={show(file)}: {otherwise}"


def _unused(part: Sasl | Ssl, name: str, why: str) -> Iterator[str]:
    for key, value in part:
        if value is not None:
            # Of a secret no more is shown than that it is there.
            shown = "" if isinstance(value, SecretStr) else f"={show(value)}"
            yield f"{SECTION}.{name}.{key}{shown}: {why}"
