"""Image formats: TABLE has one row for each, and each has its own module.

An image's format is recognised by its manifest. It reads blobs through ``read``, which verifies
them: so the same row serves a store, an archive and a registry. FILES has one row for each format
of files that are neither an ELF object nor an image. A module is imported when its row is tried.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Final, NamedTuple

from beepy.errors import UnsupportedImage
from beepy.oci.image import Content
from beepy.oci.manifest import Manifest, Read
from beepy.text import excerpt

# bpfman last: any container image of one layer may be an image without its labels
TABLE: Final = ("bee", "gadget", "exporter", "eunomia", "bpfman")
"""Names of formats of images, in the order in which they are tried; each is a module here.

A module has ``matches(manifest, read)``, which tells whether a manifest has this format and may
read the config; and ``content(manifest, read)``, which returns the programs in the manifest's
order, and the hints beside them, and reads only the layers that it uses.
"""

FILES: Final = ("exporter", "eunomia")
"""Names of formats of files, in the order in which they are tried; each is a module here.

A module has ``file_matches(name, head)``, which tells whether a file has this format by its name
and its first 512 bytes; and ``file_image(name, data)``, which returns the manifest of the image
that ``beepy push`` makes of the file and of those that belong to it, and its blobs by digest.
"""


class Format(NamedTuple):
    """A format of images; see ``TABLE``."""

    name: str
    matches: Callable[[Manifest, Read], bool]
    content: Callable[[Manifest, Read], Content]


class FileFormat(NamedTuple):
    """A format of files; see ``FILES``. One that is no image has ``content`` instead."""

    name: str
    matches: Callable[[str, bytes], bool]
    content: Callable[[str, bytes], Content] | None = None
    image: Callable[[str, bytes], tuple[bytes, Mapping[str, bytes]]] | None = None


def detect(manifest: Manifest, read: Read, where: str) -> Format:
    """Return the first format of images that matches.

    Raises UnsupportedImage with the media types if none does.
    """
    for name in TABLE:
        module = import_module(f"beepy.oci.formats.{name}")
        row = Format(name, module.matches, module.content)
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


def expect_programs(row: Format, manifest: Manifest, programs: int, where: str) -> None:
    """Raise UnsupportedImage for an image without a program, which has nothing to run."""
    if not programs:
        layers = _listing(layer.media_type for layer in manifest.layers)
        raise UnsupportedImage(
            f"{where}: {row.name} image without an eBPF program: layers {layers}"
        )


def detect_file(name: str, head: bytes) -> FileFormat | None:
    """Return the first format of files that matches, None if none does."""
    for format_name in FILES:
        module = import_module(f"beepy.oci.formats.{format_name}")
        row = FileFormat(format_name, module.file_matches, image=module.file_image)
        if row.matches(name, head):
            return row
    return None


def _listing(media_types: Iterable[str]) -> str:
    names = list(dict.fromkeys(excerpt(text) or "unnamed" for text in media_types))
    return ", ".join(names[:8] + ["..."] * (len(names) > 8)) or "none"
