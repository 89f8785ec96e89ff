"""Signatures by key, in both forms: valid ones, and each way in which one is not."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from beepy.errors import UntrustedImage
from beepy.oci.admission import Candidate, ImageSource, candidate
from beepy.oci.descriptor import Descriptor, digest_of
from beepy.oci.manifest import OCI_INDEX
from beepy.oci.signatures.bundle import IN_TOTO, pre_authentication
from beepy.oci.signatures.signer import Signature, Signer
from beepy.oci.signatures.verify import verify
from tests.support import signing
from tests.support.blobs import Blobs, entry
from tests.support.keyless import IDENTITY, ISSUER, new_instance
from tests.support.signing import Holder, Key, bundle, bundle_holder, new_key, simple_holder

ELF = b"\x7fELF program"


class Images(Blobs):
    """Images in memory, with signatures that are listed for a digest."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: dict[str, list[Descriptor]] = {}

    def list(self, digest: str, *holders: Holder) -> None:
        for holder in holders:
            self.add(holder.manifest)
            for blob in holder.blobs:
                self.add(blob)
            self.listed.setdefault(digest, []).append(holder.descriptor)

    def candidate(self, top: Descriptor) -> Candidate:
        return candidate(
            "r.example/x:1",
            ImageSource.REGISTRY,
            top,
            self.read,
            lambda digest: self.listed.get(digest, []),
        )


@pytest.fixture
def images() -> Images:
    return Images()


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return new_key(tmp_path / "cosign.pub")


def verified(images: Images, top: Descriptor, *keys: Key) -> Signature:
    return verify(images.candidate(top), [Signer(key=key.path) for key in keys])


def refusal(images: Images, top: Descriptor, *keys: Key) -> str:
    """Return the one line by which an image is refused, without the part that all have."""
    with pytest.raises(UntrustedImage) as caught:
        verified(images, top, *keys)
    line = str(caught.value)
    assert line.isprintable()
    assert not getattr(caught.value, "__notes__", [])
    return (
        line.removeprefix("r.example/x:1: not signed")
        .removeprefix(f" by {keys[0].path}")
        .removeprefix(": ")
    )


@pytest.mark.parametrize("kind", signing.KINDS)
@pytest.mark.parametrize("form", ["bundle", "tag"])
def test_each_kind_of_key_in_each_form(
    images: Images, tmp_path: Path, kind: str, form: str
) -> None:
    key = new_key(tmp_path / "cosign.pub", kind)
    top = images.add_image(ELF)
    holder = dict(signing.holders(key, top))[form]
    images.list(top.digest, holder)
    signature = verified(images, top, key)
    expected = (top.digest, "manifest", str(key.path), form, holder.descriptor.digest)
    assert signature == expected
    other = new_key(tmp_path / "other.pub", kind)
    assert refusal(images, top, other) == "signed by another"


@pytest.mark.parametrize(("kind", "algorithm"), [("p384", "SHA384"), ("p521", "SHA512")])
def test_a_larger_curve_with_its_own_hash(
    images: Images, tmp_path: Path, kind: str, algorithm: str
) -> None:
    key, top = new_key(tmp_path / "cosign.pub", kind), images.add_image(ELF)
    message = pre_authentication(IN_TOTO, signing.statement(top.digest))
    signature = key.sign(message, getattr(hashes, algorithm)())
    data = bundle(key, top.digest, signatures=[{"sig": base64.b64encode(signature).decode()}])
    images.list(top.digest, bundle_holder(data, top))
    assert verified(images, top, key).form == "bundle"


def test_an_index_may_be_signed_or_its_manifest(images: Images, key: Key) -> None:
    manifest = images.add_image(ELF)
    top = images.add_json({"schemaVersion": 2, "manifests": [entry(manifest)]}, OCI_INDEX)
    images.list(manifest.digest, simple_holder((key, manifest.digest)))
    assert verified(images, top, key)[:2] == (manifest.digest, "manifest")
    images.list(top.digest, bundle_holder(bundle(key, top.digest), top))
    assert verified(images, top, key)[:2] == (top.digest, "index")


def test_one_of_several_signatures_and_signers_suffices(
    images: Images, key: Key, tmp_path: Path
) -> None:
    other, third = new_key(tmp_path / "other.pub"), new_key(tmp_path / "third.pub")
    top = images.add_image(ELF)
    broken = bundle_holder(b"no bundle", top)
    images.list(top.digest, broken, simple_holder((other, top.digest), (key, top.digest)))
    assert verified(images, top, third, key).signer == str(key.path)


def test_unsigned(images: Images, key: Key) -> None:
    top = images.add_image(ELF)
    assert refusal(images, top, key) == f"no signature of {top.digest}"


def _replayed(key: Key, top: Descriptor, other: str) -> Holder:
    return bundle_holder(bundle(key, other), top)


def _replayed_simple(key: Key, _top: Descriptor, other: str) -> Holder:
    return simple_holder((key, other))


def _other_subject(key: Key, top: Descriptor, other: str) -> Holder:
    return bundle_holder(bundle(key, top.digest), top._replace(digest=other))


def _no_subject(key: Key, top: Descriptor, _other: str) -> Holder:
    holder = bundle_holder(bundle(key, top.digest), top)
    body = json.loads(holder.manifest)
    del body["subject"]
    return holder._replace(manifest=json.dumps(body).encode())


def _altered(key: Key, top: Descriptor, other: str) -> Holder:
    """The payload names this image, the signature is one of another's payload."""
    payload = base64.b64encode(signing.statement(top.digest)).decode()
    return bundle_holder(bundle(key, other, payload=payload), top)


def _attestation(key: Key, top: Descriptor, _other: str) -> Holder:
    return bundle_holder(bundle(key, top.digest, "https://spdx.dev/Document"), top)


def _two_signatures(key: Key, top: Descriptor, _other: str) -> Holder:
    return bundle_holder(bundle(key, top.digest, signatures=[{}, {}]), top)


def _bad_base64(key: Key, top: Descriptor, _other: str) -> Holder:
    return bundle_holder(bundle(key, top.digest, signatures=[{"sig": "%%%"}]), top)


def _other_type(key: Key, top: Descriptor, _other: str) -> Holder:
    return bundle_holder(bundle(key, top.digest, payloadType="text/plain"), top)


def _large(_key: Key, top: Descriptor, _other: str) -> Holder:
    return bundle_holder(bytes((1 << 20) + 1), top)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_replayed, "the signature is of another image, OTHER"),
        (_replayed_simple, "the signature is of another image, OTHER"),
        (_other_subject, "signature HOLDER: refers to OTHER"),
        (_no_subject, "signature HOLDER: refers to no image"),
        (_altered, "the signature is altered"),
        (_attestation, "no signature of TOP"),
        (_two_signatures, "signature HOLDER: exactly one signature is expected"),
        (_bad_base64, "signature HOLDER: signature: not base64"),
        (_other_type, "signature HOLDER: a payload of type 'text/plain'"),
        (_large, "signature HOLDER: 1048577 bytes, at most 1048576"),
    ],
)
def test_what_is_no_signature_of_the_image(
    images: Images, key: Key, make: Callable[[Key, Descriptor, str], Holder], why: str
) -> None:
    top, other = images.add_image(ELF), digest_of(b"another image")
    holder = make(key, top, other)
    images.list(top.digest, holder)
    expected = (
        why.replace("HOLDER", holder.descriptor.digest)
        .replace("OTHER", other)
        .replace("TOP", top.digest)
    )
    assert refusal(images, top, key) == expected


@pytest.mark.parametrize("form", ["bundle", "tag"])
def test_no_byte_of_a_signature_may_change(images: Images, key: Key, form: str) -> None:
    """Each byte of the blob in turn, under the digest of what it became."""
    top = images.add_image(ELF)
    holder = dict(signing.holders(key, top))[form]
    data = holder.blobs[1]
    for start, end in _signed_parts(data) if form == "bundle" else [(0, len(data))]:
        for offset in range(start, end):
            changed = bytes([*data[:offset], data[offset] ^ 1, *data[offset + 1 :]])
            before, after = digest_of(data).encode(), digest_of(changed).encode()
            images.listed.clear()
            images.list(
                top.digest,
                Holder(holder.manifest.replace(before, after), (holder.blobs[0], changed)),
            )
            with pytest.raises(UntrustedImage):
                verified(images, top, key)


def _signed_parts(data: bytes) -> list[tuple[int, int]]:
    """Return where the texts of payload and signature are in a bundle."""
    envelope = json.loads(data)["dsseEnvelope"]
    texts = [envelope["payload"], envelope["signatures"][0]["sig"]]
    return [(data.index(text.encode()), data.index(text.encode()) + len(text)) for text in texts]


def test_a_damaged_blob_is_a_reason_like_others(images: Images, key: Key) -> None:
    top = images.add_image(ELF)
    holder = bundle_holder(bundle(key, top.digest), top)
    images.list(top.digest, holder)
    images[digest_of(holder.blobs[1])] = b"damaged"
    assert "bytes, expected" in refusal(images, top, key)


def test_signatures_are_counted(images: Images, key: Key, tmp_path: Path) -> None:
    other, top = new_key(tmp_path / "other.pub"), images.add_image(ELF)
    many = [bundle_holder(bundle(other, top.digest), top) for _ in range(64)]
    images.list(top.digest, *many, bundle_holder(bundle(key, top.digest), top))
    assert refusal(images, top, key) == "signed by another"


def test_keyless_signatures(images: Images, tmp_path: Path) -> None:
    instance = new_instance(tmp_path / "root.json")
    signer = Signer(identity=IDENTITY, issuer=ISSUER, trusted_root=instance.trusted_root)
    top, other = images.add_image(ELF), digest_of(b"another image")
    images.list(top.digest, bundle_holder(instance.sign(other), top))
    where = f"r.example/x:1: not signed by {IDENTITY} ({ISSUER})"
    with pytest.raises(UntrustedImage) as caught:
        verify(images.candidate(top), [signer])
    assert str(caught.value) == f"{where}: the signature is of another image, {other}"
    images.list(top.digest, bundle_holder(instance.sign(top.digest), top))
    signature = verify(images.candidate(top), [signer])
    assert (signature.signed, signature.signer) == (top.digest, f"{IDENTITY} ({ISSUER})")


def test_a_signature_by_key_is_none_of_an_identity(
    images: Images, key: Key, tmp_path: Path
) -> None:
    instance = new_instance(tmp_path / "root.json")
    top = images.add_image(ELF)
    images.list(top.digest, bundle_holder(bundle(key, top.digest), top))
    with pytest.raises(UntrustedImage, match="signed by another"):
        verify(images.candidate(top), [Signer(identity=IDENTITY, issuer=ISSUER)])
    images.listed.clear()
    images.list(top.digest, bundle_holder(instance.sign(top.digest), top))
    assert refusal(images, top, key) == "signed by another"
