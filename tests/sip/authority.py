"""An authority that signs certificates for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Certified = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """One authority.

    :ivar certificate: its own.
    """

    def __init__(self, name: str = "an authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.certificate = self._signed(self._name, self._key.public_key(), [], authority=True)

    def certify(self, *names: str, days: float = 30, common: str = "nobody") -> Certified:
        """A certificate, and its key.

        :param names: what goes into subjectAltName: SIP URIs, IP addresses, and DNS names.
        :param days: until it ends.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        return self._signed(_name(common), key.public_key(), [_general(name) for name in names], days), key

    def _signed(self, subject, key, names, days: float = 30, authority: bool = False) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def write(self, folder: Path, *names: str, days: float = 30) -> tuple[Path, Path, Path]:
        """Write cert.pem, key.pem and ca.pem."""
        certificate, key = self.certify(*names, days=days)
        paths = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        for path, content in zip(paths, (pem(certificate), pem_key(key), pem(self.certificate)), strict=True):
            path.write_bytes(content)
        return paths


def _general(name: str) -> x509.GeneralName:
    if ":" in name and not name.startswith("["):
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name)


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as its file holds it."""
    return certificate.public_bytes(Encoding.PEM)


def pem_key(key: ec.EllipticCurvePrivateKey, passphrase: bytes = b"") -> bytes:
    """A key as its file holds it."""
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
