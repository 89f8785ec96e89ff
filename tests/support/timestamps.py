"""A timestamp authority (RFC 3161) of the test's own: openssl answers in its name."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[tsa]
default_tsa = test
[test]
serial = {directory}/serial
signer_cert = {directory}/certificate.pem
signer_key = {directory}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
"""


class TimestampAuthority(NamedTuple):
    """Its certificate with that of its root, and the directory with what openssl needs."""

    chain: tuple[x509.Certificate, x509.Certificate]
    directory: Path

    def stamp(self, data: bytes) -> bytes:
        """Return the response that says that ``data`` exists now."""
        for name, content in {"data": data, "serial": b"01\n"}.items():
            (self.directory / name).write_bytes(content)
        self._openssl("-query", "-data", "data", "-sha256", "-cert", "-out", "query")
        self._openssl("-reply", "-config", "config", "-queryfile", "query", "-out", "reply")
        return (self.directory / "reply").read_bytes()

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", "ts", *arguments], cwd=self.directory, check=True, capture_output=True
        )


def new_timestamp_authority(directory: Path) -> TimestampAuthority:
    """Return an authority with new keys; its files are in ``directory``."""
    directory.mkdir()
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = _name("root of the timestamps of the test")
    root = (
        _builder(root_name, root_name, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, SHA256())
    )
    certificate = (
        _builder(_name("timestamps of the test"), root_name, key)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(root_key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "key.pem").write_bytes(pem)
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (directory / "config").write_text(_CONFIG.format(directory=directory))
    return TimestampAuthority((certificate, root), directory)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
