import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from beepy.errors import UsageError
from beepy.oci.signatures import key as keys
from tests.support.signing import KINDS, new_key


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_verified_by_its_key_alone(tmp_path: Path, kind: str) -> None:
    key = new_key(tmp_path / "a.pub", kind)
    public, other = keys.load(key.path), keys.load(new_key(tmp_path / "b.pub", kind).path)
    signature = key.sign(b"message")
    assert public.hint == key.hint
    assert keys.verifies(public, signature, b"message")
    assert not keys.verifies(public, signature, b"messagf")
    assert not keys.verifies(other, signature, b"message")
    assert not keys.verifies(public, b"", b"message")


def _pem(private: rsa.RSAPrivateKey | dsa.DSAPrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_files_that_are_no_key(tmp_path: Path) -> None:
    path = tmp_path / "cosign.pub"
    private = KINDS["p256"]().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    short = _pem(rsa.generate_private_key(65537, 1024))
    for data, why in [
        (b"", "not a public key in PEM"),
        (b"\x7fELF", "not a public key in PEM"),
        (private, "a private key"),
        (short, "not a key of ECDSA, Ed25519, or RSA of 2048 bits"),
        (_pem(dsa.generate_private_key(1024)), "not a key of ECDSA"),
        (bytes((64 << 10) + 1), "more than 65536 bytes"),
    ]:
        path.write_bytes(data)
        with pytest.raises(UsageError, match=why) as caught:
            keys.load(path)
        assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(UsageError, match=r"missing\.pub: no such file or directory"):
        keys.load(tmp_path / "missing.pub")
    with pytest.raises(UsageError, match="is a directory"):
        keys.load(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for others nothing is refused")
def test_a_key_that_others_can_write_is_refused(tmp_path: Path) -> None:
    key = new_key(tmp_path / "cosign.pub")
    key.path.chmod(0o666)
    with pytest.raises(UsageError, match="writable by others"):
        keys.load(key.path)
