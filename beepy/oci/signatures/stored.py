"""The signatures that came along with an image: in the index of a store, or of an archive."""

from collections.abc import Iterator

from beepy.errors import UnsupportedImage
from beepy.oci.descriptor import Descriptor, parse_descriptor
from beepy.oci.stored_referrers import Source, referring


def signatures(source: Source, digest: str) -> Iterator[Descriptor]:
    """Yield the manifests in the index that refer to ``digest``; not all of them are signatures.

    Raises StoreError.
    """
    for referrer in referring(source, source.entries()):
        if referrer.subject == digest:
            try:
                yield parse_descriptor(referrer.entry, source.where)
            except UnsupportedImage:  # other programs may have written it
                continue
