"""Certificates for a test: an authority, and what it signs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_DAY = timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@final
@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM; the key is PKCS#8."""

    certificate: str
    key: str

    def written(self, folder: Path, name: str) -> tuple[Path, Path]:
        """The files of both."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_text(self.certificate, encoding="utf-8")
        key.write_text(self.key, encoding="utf-8")
        return certificate, key


@final
class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, name: str) -> None:
        self._name, self._key = _name(name), ec.generate_private_key(ec.SECP256R1())
        self._builder = x509.CertificateBuilder().issuer_name(self._name)
        basic = x509.BasicConstraints(ca=True, path_length=None)
        own = self._dated(self._builder, self._name, self._key.public_key()).add_extension(basic, critical=True)
        self.certificate = _pem(own.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, password: str | None = None) -> Pair:
        """A certificate and its key, encrypted where a password is given."""
        key = ec.generate_private_key(ec.SECP256R1())
        places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
        signed = self._dated(self._builder, _name(name), key.public_key()).add_extension(
            x509.SubjectAlternativeName(places), critical=False
        )
        encryption = (
            serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password.encode())
        )
        written = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        return Pair(_pem(signed.sign(self._key, hashes.SHA256())), written.decode())

    @staticmethod
    def _dated(builder: x509.CertificateBuilder, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        dated = builder.not_valid_before(now - _DAY).not_valid_after(now + _DAY)
        return dated.subject_name(name).public_key(key).serial_number(x509.random_serial_number())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
