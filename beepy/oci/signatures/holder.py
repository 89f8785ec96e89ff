"""Read the signatures in a manifest that holds them."""

from collections.abc import Iterator
from typing import Final

from beepy.errors import UnsupportedImage
from beepy.oci.descriptor import Descriptor, parse_descriptor, parse_object
from beepy.oci.manifest import Manifest, Read, parse
from beepy.oci.signatures import bundle, simple
from beepy.oci.signatures.claim import Claim

MAX_SIGNATURE: Final = 1 << 20
"""Limit of a signature, and of the manifest that holds it, in bytes."""


def read_claims(holder: Descriptor, digest: str, read: Read, where: str) -> Iterator[Claim]:
    """Yield the signatures in the manifest ``holder``, which was listed as one of ``digest``.

    A bundle that is no signature, such as an attestation, is skipped. Raises UnsupportedImage for
    what is malformed or refers to another image, and what ``read`` raises.
    """
    data = _read(holder, read, where)
    manifest = parse(data, where, holder.media_type)
    if not isinstance(manifest, Manifest):
        raise UnsupportedImage(f"{where}: an index, not a signature")
    subject = parse_object(data, where).get("subject")
    if subject is not None:
        subject = parse_descriptor(subject, f"{where}: subject").digest
    for layer in manifest.layers:
        if layer.media_type == bundle.BUNDLE:
            if subject != digest:
                raise UnsupportedImage(f"{where}: refers to {subject or 'no image'}")
            yield from bundle.parse(_read(layer, read, where), where)
        elif layer.media_type == simple.SIMPLE:
            yield simple.parse(_read(layer, read, where), layer.annotations, where)


def _read(descriptor: Descriptor, read: Read, where: str) -> bytes:
    if descriptor.size > MAX_SIGNATURE:
        raise UnsupportedImage(f"{where}: {descriptor.size} bytes, at most {MAX_SIGNATURE}")
    return read(descriptor)
