"""What a manifest leads to, as any program might read it: what is removed must be needed by none.

Every descriptor counts, wherever it stands in the JSON text, under duplicate keys too and under
keys in other case, which programs written in Go accept. Only ``subject`` is no part of an image.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from beepy.oci.descriptor import MAX_MANIFEST, Descriptor, is_digest
from beepy.oci.manifest import MEDIA_TYPES

MANIFESTS = (*MEDIA_TYPES, "application/vnd.oci.artifact.manifest.v1+json", "")
"""Media types of what leads to other blobs; "" is unknown."""

_DIGEST_TAG = re.compile(r"(?:[^@]*:)?sha256-([0-9a-f]{64})(?:\.[A-Za-z0-9_.-]+)?")


class Links(NamedTuple):
    """``subject`` is the digest of the manifest that this one refers to, "" if there is none."""

    descriptors: tuple[Descriptor, ...] = ()
    subject: str = ""
    is_index: bool = False


def links(data: bytes) -> Links:
    """Return the links of a manifest or an index; what is no JSON object has none."""
    objects: list[dict[str, object]] = []

    def collect(pairs: list[tuple[str, object]]) -> dict[str, object]:
        objects.append({name.casefold(): value for name, value in pairs})
        return objects[-1]

    try:
        body = json.loads(data, object_pairs_hook=collect)
    except (ValueError, RecursionError):
        return Links()
    if not isinstance(body, dict):
        return Links()
    subject = body.get("subject")
    parts = [_descriptor(item) for item in objects if item is not body and item is not subject]
    referred = _descriptor(subject) if isinstance(subject, dict) else None
    return Links(
        tuple(part for part in parts if part),
        referred.digest if referred else "",
        is_index="manifests" in body,
    )


def may_be_manifest(descriptor: Descriptor) -> bool:
    """Tell whether a blob's media type and size allow that it leads to others."""
    return descriptor.media_type in MANIFESTS and descriptor.size <= MAX_MANIFEST


def subject_of_tag(name: str) -> str:
    """Return the digest that a tag refers to, as cosign writes it; "" for any other name.

    ``REPOSITORY:sha256-HEX`` is the index of all that refers to that digest, and
    ``REPOSITORY:sha256-HEX.sig`` its signatures.
    """
    match = _DIGEST_TAG.fullmatch(name)
    return f"sha256:{match[1]}" if match else ""


def _descriptor(members: Mapping[str, object]) -> Descriptor | None:
    digest, size = members.get("digest"), members.get("size")
    media_type = members.get("mediatype")
    if not isinstance(digest, str) or not is_digest(digest):
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return None
    return Descriptor(media_type if isinstance(media_type, str) else "", digest, size)
