"""An OCI layout in a tar file (oci-archive), read in place.

Only ``oci-layout``, ``index.json`` and regular files ``blobs/sha256/<64 hex>`` are read; nothing is
unpacked. A ``manifest.json`` (docker save) is only recognised.
"""

import os
import re
import shlex
from typing import BinaryIO

from beepy.errors import UnsupportedImage
from beepy.oci.admission import ImageSource, admit, candidate
from beepy.oci.descriptor import (
    MAX_MANIFEST,
    Descriptor,
    check,
    parse_descriptor,
    parse_object,
    refuse_other_case,
)
from beepy.oci.image import Image
from beepy.text import excerpt, safe

_BLOCK = 512
_MAX_MEMBERS = 4096
_NAME = re.compile(r"(?:\./)?(oci-layout|(?:index|manifest)\.json|blobs/sha256/[0-9a-f]{64})")

Members = dict[str, tuple[int, int]]
"""Offset and size in the file by name."""


def is_tar(head: bytes) -> bool:
    """Tell whether ``head`` begins a tar file: the magic of POSIX.1-1988 and of GNU."""
    return head[257:262] == b"ustar"


def load(file: BinaryIO, path: str) -> Image:
    """Return the only image in the archive.

    Raises UnsupportedImage for none, several, or a broken archive.
    """
    where = excerpt(path, 200)
    members = _members(file, where)
    if "oci-layout" not in members or "index.json" not in members:
        error = UnsupportedImage(
            f"{where}: a tar file, but not an OCI archive: no oci-layout or no index.json"
        )
        if "manifest.json" in members:  # as docker save writes before version 25
            name = safe(shlex.quote(path[:200]))
            error.add_note(f"skopeo copy docker-archive:{name} oci-archive:{name}.oci.tar")
        raise error

    def read(descriptor: Descriptor) -> bytes:
        name = f"blobs/sha256/{descriptor.digest.removeprefix('sha256:')}"
        if name not in members:
            raise UnsupportedImage(f"{where}: {descriptor.digest}: blob not found")
        return check(_take(file, members[name], descriptor.size), descriptor, where)

    index = parse_object(_take(file, members["index.json"], MAX_MANIFEST), f"{where}: index.json")
    refuse_other_case(index, ("manifests",), f"{where}: index.json")
    entries = index.get("manifests")
    if not isinstance(entries, list) or len(entries) != 1:
        number = len(entries) if isinstance(entries, list) else 0
        raise UnsupportedImage(f"{where}: {number} images in the archive, exactly one is expected")
    top = parse_descriptor(entries[0], f"{where}: index.json")
    return admit(candidate(path, ImageSource.ARCHIVE, top, read))


def _members(file: BinaryIO, where: str) -> Members:
    """Walk the headers: name at 0, size in octal at 124, type at 156.

    Contents are padded to blocks.
    """
    members: Members = {}
    end, offset = os.fstat(file.fileno()).st_size, 0
    for _ in range(_MAX_MEMBERS):
        file.seek(offset)
        header = file.read(_BLOCK)
        if len(header) < _BLOCK or not header.strip(b"\0"):
            return members
        if not is_tar(header):
            raise UnsupportedImage(f"{where}: broken tar header at byte {offset}")
        digits = header[124:136].strip(b" \0")
        if (
            not re.fullmatch(rb"[0-7]{1,11}", digits)
            or (size := int(digits, 8)) > end - offset - _BLOCK
        ):
            raise UnsupportedImage(
                f"{where}: tar header at byte {offset}: size beyond the end of the file"
            )
        name = _NAME.fullmatch(header[:100].rstrip(b"\0").decode("latin-1"))
        if name and header[156:157] in (b"0", b"\0"):
            members[name[1]] = offset + _BLOCK, size
        offset += _BLOCK + (size + _BLOCK - 1) // _BLOCK * _BLOCK
    raise UnsupportedImage(f"{where}: more than {_MAX_MEMBERS} files in the archive")


def _take(file: BinaryIO, member: tuple[int, int], limit: int) -> bytes:
    """Return at most ``limit`` + 1 bytes of a member."""
    offset, size = member
    file.seek(offset)
    return file.read(min(size, limit + 1))
