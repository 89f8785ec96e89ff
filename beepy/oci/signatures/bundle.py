"""Sigstore's bundles, version 0.3: an in-toto statement in a DSSE envelope.

::

    bundle     {mediaType, verificationMaterial, dsseEnvelope: {payloadType, payload, signatures}}
    payload    {_type, subject: [{digest: {sha256}}], predicateType, predicate}
    signed     "DSSEv1" SP LEN(payloadType) SP payloadType SP LEN(payload) SP payload
"""

from collections.abc import Iterator
from typing import Final

from beepy.errors import UnsupportedImage
from beepy.oci.descriptor import is_digest, parse_object, parse_text
from beepy.oci.signatures.claim import Claim, decoded, parse_member
from beepy.text import excerpt

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
"""The artifact type of a manifest that holds a bundle, and the media type of its layer."""

SIGNS: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of a signature; attestations have others."""

IN_TOTO: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"

_STATEMENTS: Final = (STATEMENT, "https://in-toto.io/Statement/v0.1")
_MAX_SUBJECTS: Final = 128


def parse(data: bytes, where: str) -> Iterator[Claim]:
    """Yield the claim of a bundle, none if its statement is not a signature.

    Raises UnsupportedImage.
    """
    body = parse_object(data, where)
    media_type = parse_text(body.get("mediaType"), f"{where}: mediaType")
    if media_type != BUNDLE:
        raise UnsupportedImage(f"{where}: a bundle of type '{excerpt(media_type)}'")
    envelope = parse_member(body, "dsseEnvelope", where)
    payload = decoded(envelope.get("payload"), f"{where}: payload")
    payload_type = parse_text(envelope.get("payloadType"), f"{where}: payloadType")
    if payload_type != IN_TOTO:
        raise UnsupportedImage(f"{where}: a payload of type '{excerpt(payload_type)}'")
    statement = parse_object(payload, f"{where}: payload")
    if statement.get("_type") not in _STATEMENTS:
        raise UnsupportedImage(f"{where}: a statement of type '{excerpt(statement.get('_type'))}'")
    if statement.get("predicateType") != SIGNS:
        return
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise UnsupportedImage(f"{where}: exactly one signature is expected")
    if not isinstance(signatures[0], dict):
        raise UnsupportedImage(f"{where}: signature: an object is expected")
    material = parse_member(body, "verificationMaterial", where)
    key = material.get("publicKey")
    yield Claim(
        form="bundle",
        digests=tuple(_digests(statement, where)),
        message=pre_authentication(payload_type, payload),
        signature=decoded(signatures[0].get("sig"), f"{where}: signature"),
        hint=parse_text(key.get("hint"), f"{where}: hint") if isinstance(key, dict) else "",
        bundle=data,
        is_keyless=not isinstance(key, dict),
    )


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed of an envelope (DSSE's PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _digests(statement: dict[str, object], where: str) -> Iterator[str]:
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or not 0 < len(subjects) <= _MAX_SUBJECTS:
        raise UnsupportedImage(f"{where}: from 1 to {_MAX_SUBJECTS} subjects are expected")
    for subject in subjects:
        if not isinstance(subject, dict):
            raise UnsupportedImage(f"{where}: subject: an object is expected")
        digest = f"sha256:{parse_member(subject, 'digest', f'{where}: subject').get('sha256')}"
        if not is_digest(digest):
            raise UnsupportedImage(f"{where}: subject '{excerpt(digest)}': not a digest")
        yield digest
