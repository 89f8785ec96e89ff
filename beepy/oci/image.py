"""What a verified image is, in whatever format it came."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from beepy.oci.signatures.signer import Signature  # most runs verify none

_NO_HINTS: Mapping[str, bytes] = MappingProxyType({})


class Program(NamedTuple):
    """One ELF object; ``name`` is what the format calls it, foreign text, "" if it has no name."""

    name: str
    data: bytes


class Content(NamedTuple):
    """What a format finds in an image.

    ``hints`` is what it has beside programs (labels, YAML), by name.
    """

    programs: tuple[Program, ...]
    hints: Mapping[str, bytes] = _NO_HINTS


class Image(NamedTuple):
    """One verified image: all bytes have been checked against their digests.

    ``digest`` is the manifest's (``sha256:...``; for a plain ELF file the file's own), ``size`` the
    bytes of manifest, config and layers. ``platform`` is ``os/architecture``, "" if the image does
    not say. ``hints`` is what the format carries beside its programs. ``programs`` are ELF objects,
    in the manifest's order, at least one; ``program_names`` has the name of each (foreign text, ""
    for none). ``signature`` is the one for which a policy accepted the image, None if none was
    asked for.
    """

    name: str
    digest: str
    platform: str
    annotations: Mapping[str, str]
    size: int
    format: str
    hints: Mapping[str, bytes]
    programs: tuple[bytes, ...]
    program_names: tuple[str, ...] = ()
    signature: "Signature | None" = None

    def __repr__(self) -> str:
        """Return one line without the programs, which have megabytes."""
        origin = f"{self.name[:50]!r}, {self.format!r}, {self.digest[:19]!r}"
        return f"Image({origin}, programs={len(self.programs)})"
