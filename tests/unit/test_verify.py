"""Signatures from Python: ``verify``, and the arguments of ``open`` and ``run``."""

from pathlib import Path

import pytest

import beepy
from beepy.errors import UntrustedImage, UsageError
from beepy.oci.descriptor import descriptor_of
from beepy.oci.manifest import OCI_MANIFEST
from beepy.oci.store import Store
from tests.support.signing import Key, bundle, bundle_holder, new_key

NAME = "r.example/acme/x:1"
ELF = b"\x7fELF" + bytes(100)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return new_key(tmp_path / "cosign.pub")


@pytest.fixture
def options(tmp_path: Path, key: Key) -> beepy.Options:
    """Return options for a store with a signed image, and one that is not signed."""
    store = Store(tmp_path / "store")
    store.add_image(NAME, ELF, {})
    store.add_image("r.example/acme/unsigned:1", ELF + b"other", {})
    stored = store.find(NAME)
    assert stored
    holder = bundle_holder(bundle(key, stored[1].digest), stored[1])
    for blob in holder.blobs:
        store.layout.add_blob(blob, descriptor_of(blob))
    store.add_referrer(holder.manifest, OCI_MANIFEST)
    return beepy.Options(storage=store.path, pull="never")


def test_what_is_verified_can_be_run(key: Key, options: beepy.Options, tmp_path: Path) -> None:
    image = beepy.verify(NAME, beepy.Signer(key=key.path), options=options)
    assert isinstance(image.signature, beepy.Signature)
    assert (image.signature.signed, image.signature.signer) == (image.digest, str(key.path))
    other = new_key(tmp_path / "other.pub")
    signers = [beepy.Signer(key=str(other.path)), beepy.Signer(key=str(key.path))]
    assert beepy.verify(NAME, *signers, options=options) == image
    assert beepy.find(NAME, options).signature is None


def test_what_is_not_signed_is_not_loaded(key: Key, options: beepy.Options, tmp_path: Path) -> None:
    """Refused before it is parsed: it is no object that could be."""
    signer = beepy.Signer(key=key.path)
    policy = tmp_path / "policy.toml"
    policy.write_text('[[signer]]\nkey = "cosign.pub"\n')
    unsigned = "r.example/acme/unsigned:1"
    with pytest.raises(UntrustedImage):
        beepy.verify(unsigned, signer, options=options)
    with pytest.raises(UntrustedImage):
        beepy.open(unsigned, verify=signer, options=options)
    with pytest.raises(UntrustedImage):
        beepy.open(unsigned, policy=policy, options=options)
    with pytest.raises(UntrustedImage):
        next(beepy.run(unsigned, verify=True, policy=str(policy), options=options))
    path = tmp_path / "x.o"
    path.write_bytes(ELF)
    with pytest.raises(UntrustedImage, match="files are refused"):
        beepy.open(path, verify=[signer], options=options)
    with pytest.raises(beepy.ElfError):  # accepted, and parsed
        beepy.open(NAME, verify=signer, options=options)


def test_an_image_that_was_found_already_is_not_verified(key: Key, options: beepy.Options) -> None:
    image = beepy.find(NAME, options)
    with pytest.raises(UsageError, match="by name or path"):
        beepy.open(image, verify=beepy.Signer(key=key.path), options=options)
