"""Image formats: TABLE has one row for each, and each has its own module.

A format is recognised by its manifest. It reads blobs through ``read``, which verifies them: so the
same row serves a store, an archive and a registry.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from beepy.errors import UnsupportedImage
from beepy.oci.formats import bee
from beepy.oci.image import Content
from beepy.oci.manifest import Manifest, Read
from beepy.text import excerpt


class Format(NamedTuple):
    """One image format.

    ``matches`` tells whether a manifest has this format; it may read the config. ``content``
    returns the programs in the manifest's order, and the hints beside them; it reads only the
    layers it uses.
    """

    name: str
    matches: Callable[[Manifest, Read], bool]
    content: Callable[[Manifest, Read], Content]


TABLE = (Format("bee", bee.matches, bee.content),)


def detect(manifest: Manifest, read: Read, where: str) -> Format:
    """Return the first format that matches.

    Raises UnsupportedImage with the media types if none does.
    """
    for row in TABLE:
        if row.matches(manifest, read):
            return row
    layers = _listing(layer.media_type for layer in manifest.layers)
    config = excerpt(manifest.config.media_type) if manifest.config else "none"
    artifact = (
        f", artifact type {excerpt(manifest.artifact_type)}" if manifest.artifact_type else ""
    )
    raise UnsupportedImage(
        f"{where}: no known eBPF image format: config {config}{artifact}, layers {layers}"
    )


def _listing(media_types: Iterable[str]) -> str:
    names = list(dict.fromkeys(excerpt(text) or "unnamed" for text in media_types))
    return ", ".join(names[:8] + ["..."] * (len(names) > 8)) or "none"
