"""Public keys: read from a PEM file, and used to verify signatures."""

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, assert_never

from beepy.errors import UsageError
from beepy.oci.ownership import refuse_others
from beepy.text import safe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_MAX_KEY: Final = 64 << 10
_MIN_RSA_BITS: Final = 2048


class PublicKey(NamedTuple):
    """A key of ``cryptography``; ``hint`` is the base64 of its SHA-256, as bundles have it."""

    key: "EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey"
    hint: str


def load(path: Path) -> PublicKey:
    """Return the key of a file. Raises UsageError for one that others can write, or of no use."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - costs 30 ms
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    where = safe(str(path))
    data = read_own(path, _MAX_KEY, "key")
    try:
        key = form.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        why = "a private key" if b"PRIVATE KEY-----" in data else "not a public key in PEM"
        raise UsageError(f"{where}: {why}") from error
    known = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    is_weak = isinstance(key, rsa.RSAPublicKey) and key.key_size < _MIN_RSA_BITS
    if not isinstance(key, known) or is_weak:
        raise UsageError(f"{where}: not a key of ECDSA, Ed25519, or RSA of {_MIN_RSA_BITS} bits")
    der = key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(key, base64.b64encode(hashlib.sha256(der).digest()).decode())


def read_own(path: Path, limit: int, kind: str) -> bytes:
    """Return the bytes of a file that verification trusts; ``kind`` says as what.

    Raises UsageError if others can write it, if it cannot be read, or has more than ``limit``.
    """
    where = safe(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise UsageError(f"{where}: {why.lower()}") from error
    refuse_others(path, kind, UsageError)
    if len(data) > limit:
        raise UsageError(f"{where}: more than {limit} bytes")
    return data


def is_ed25519(key: PublicKey) -> bool:
    """Tell whether it is a key of Ed25519."""
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see load

    return isinstance(key.key, ed25519.Ed25519PublicKey)


def verifies(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Tell whether the holder of a key signed ``message``.

    cosign hashes with SHA-256, from version 3 on with what suits an elliptic curve.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see load
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415

    attempts: list[tuple[Any, ...]]
    match key.key:
        case ec.EllipticCurvePublicKey():
            of_curve = {384: hashes.SHA384(), 521: hashes.SHA512()}.get(key.key.key_size)
            algorithms = [hashes.SHA256(), *([of_curve] if of_curve else [])]
            attempts = [(ec.ECDSA(algorithm),) for algorithm in algorithms]
        case rsa.RSAPublicKey():
            attempts = [(PKCS1v15(), hashes.SHA256())]
        case ed25519.Ed25519PublicKey():
            attempts = [()]
        case unreachable:
            assert_never(unreachable)
    for arguments in attempts:
        try:
            key.key.verify(signature, message, *arguments)
        except InvalidSignature:
            continue
        return True
    return False
