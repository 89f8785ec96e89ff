"""What a pulled image is, whatever format it came in."""

from collections.abc import Mapping
from typing import NamedTuple


class Image(NamedTuple):
    """One verified image: all bytes have been checked against their digests.

    ``digest`` is the manifest's (``sha256:...``; for a plain ELF file the file's own), ``size`` the bytes of manifest,
    config and layers. ``platform`` is ``os/architecture`` or "" where the image does not say. ``hints`` are what the
    format carries beside its programs. ``programs`` are ELF objects, in the manifest's order, at least one.
    """

    name: str
    digest: str
    platform: str
    annotations: Mapping[str, str]
    size: int
    format: str
    hints: Mapping[str, bytes]
    programs: tuple[bytes, ...]

    def __repr__(self) -> str:
        """Return a line; the programs are megabytes."""
        return f"Image({self.name[:50]!r}, {self.format!r}, {self.digest[:19]!r}, programs={len(self.programs)})"
