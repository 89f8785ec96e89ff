"""Signatures as cosign makes them, of keys of the test's own."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from beepy.oci.descriptor import Descriptor, descriptor_of
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.signatures.bundle import BUNDLE, IN_TOTO, SIGNS, STATEMENT, pre_authentication
from beepy.oci.signatures.simple import SIGNATURE, SIMPLE, TYPE
from tests.support.blobs import entry

EMPTY: Final = b"{}"

KINDS: Final[dict[str, Any]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


class Key(NamedTuple):
    """A private key, and the file with its public one."""

    private: Any
    path: Path

    @property
    def hint(self) -> str:
        der = self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(hashlib.sha256(der).digest()).decode()

    def sign(self, message: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
        algorithm = algorithm or hashes.SHA256()
        signature: bytes
        match self.private:
            case ec.EllipticCurvePrivateKey():
                signature = self.private.sign(message, ec.ECDSA(algorithm))
            case rsa.RSAPrivateKey():
                signature = self.private.sign(message, PKCS1v15(), algorithm)
            case _:
                signature = self.private.sign(message)
        return signature


class Holder(NamedTuple):
    """A manifest with signatures, and its blobs."""

    manifest: bytes
    blobs: tuple[bytes, ...]

    @property
    def descriptor(self) -> Descriptor:
        return descriptor_of(self.manifest, OCI_MANIFEST)


def new_key(path: Path, kind: str = "p256") -> Key:
    """Return a new key, and write its public one to ``path``."""
    private = KINDS[kind]()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(pem)
    path.chmod(0o644)
    return Key(private, path)


def statement(digest: str, predicate_type: str = SIGNS) -> bytes:
    subject = {"digest": {"sha256": digest.removeprefix("sha256:")}, "annotations": {}}
    body = {
        "_type": STATEMENT,
        "subject": [subject],
        "predicateType": predicate_type,
        "predicate": {},
    }
    return json.dumps(body).encode()


def bundle(key: Key, digest: str, predicate_type: str = SIGNS, **changes: Any) -> bytes:  # noqa: ANN401 - JSON
    """Return a bundle by which ``key`` signs ``digest``; ``changes`` are made to its envelope."""
    payload = statement(digest, predicate_type)
    signature = key.sign(pre_authentication(IN_TOTO, payload))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": IN_TOTO,
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
        **changes,
    }
    material = {"publicKey": {"hint": key.hint}}
    return json.dumps(
        {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    ).encode()


def bundle_holder(data: bytes, subject: Descriptor) -> Holder:
    """Return the manifest that makes a bundle a referrer of ``subject``."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": entry(descriptor_of(EMPTY, "application/vnd.oci.empty.v1+json")),
        "layers": [entry(descriptor_of(data, BUNDLE))],
        "subject": entry(subject),
    }
    return Holder(json.dumps(manifest).encode(), (EMPTY, data))


def payload(digest: str) -> bytes:
    critical = {
        "identity": {"docker-reference": "registry.example/x"},
        "image": {"docker-manifest-digest": digest},
        "type": TYPE,
    }
    return json.dumps({"critical": critical, "optional": None}).encode()


def simple_holder(*signed: tuple[Key, str]) -> Holder:
    """Return a manifest of the old form: each key's signature of its digest is a layer."""
    layers, blobs = [], []
    for key, digest in signed:
        data = payload(digest)
        signature = base64.b64encode(key.sign(data)).decode()
        layers.append(entry(descriptor_of(data, SIMPLE), annotations={SIGNATURE: signature}))
        blobs.append(data)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": entry(descriptor_of(EMPTY, "application/vnd.oci.image.config.v1+json")),
        "layers": layers,
    }
    return Holder(json.dumps(manifest).encode(), (EMPTY, *blobs))


def referrers_index(*holders: Holder) -> bytes:
    """Return what a registry lists, by its API or under the tag of a digest."""
    manifests = [entry(holder.descriptor, artifactType=BUNDLE) for holder in holders]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()


def holders(key: Key, subject: Descriptor) -> Iterator[tuple[str, Holder]]:
    """Yield a signature of ``subject`` in each form."""
    yield "bundle", bundle_holder(bundle(key, subject.digest), subject)
    yield "tag", simple_holder((key, subject.digest))
