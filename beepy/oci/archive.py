"""An OCI layout in a tar file (oci-archive), read in place.

Only ``oci-layout``, ``index.json`` and regular files ``blobs/sha256/<64 hex>`` are read; nothing is
unpacked. A ``manifest.json`` (docker save) is only recognised.
"""

import os
import re
import shlex
from collections.abc import Iterator
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
    verified,
)
from beepy.oci.image import Image
from beepy.text import excerpt, safe

_BLOCK = 512
_CHUNK = 1 << 20
_MAX_MEMBERS = 4096
_NAME = re.compile(r"(?:\./)?(oci-layout|(?:index|manifest)\.json|blobs/sha256/[0-9a-f]{64})")

Members = dict[str, tuple[int, int]]
"""Offset and size in the file by name."""


def is_tar(head: bytes) -> bool:
    """Tell whether ``head`` begins a tar file: the magic of POSIX.1-1988 and of GNU."""
    return head[257:262] == b"ustar"


class Archive:
    """The archive in the open file ``file``; its methods are those of ``Layout``.

    Raises UnsupportedImage if it is broken, or not an OCI archive.
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.where = excerpt(path, 200)
        self._file = file
        self._members = _members(file, self.where)
        if "oci-layout" not in self._members or "index.json" not in self._members:
            raise self._no_layout(path)

    def entries(self) -> tuple[object, ...]:
        """Return the entries of index.json, which are not checked."""
        data = self._take("index.json", MAX_MANIFEST)
        index = parse_object(data, f"{self.where}: index.json")
        refuse_other_case(index, ("manifests",), f"{self.where}: index.json")
        entries = index.get("manifests")
        return tuple(entries) if isinstance(entries, list) else ()

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a blob's bytes after checking size and digest."""
        return check(self._take(self._blob(descriptor), descriptor.size), descriptor, self.where)

    def chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in chunks; raises as ``read`` does, a wrong digest after the last one."""
        yield from verified(self._chunks(self._blob(descriptor)), descriptor, self.where)

    def has_file(self, descriptor: Descriptor) -> bool:
        """Tell whether there is a file of the blob's size; its bytes are not read."""
        return self._members.get(_name_of(descriptor), (0, -1))[1] == descriptor.size

    def only(self) -> Descriptor:
        """Return the only image in the archive; raise UnsupportedImage for none and for several."""
        entries = self.entries()
        if len(entries) != 1:
            raise UnsupportedImage(
                f"{self.where}: {len(entries)} images in the archive, exactly one is expected"
            )
        return parse_descriptor(entries[0], f"{self.where}: index.json")

    def _blob(self, descriptor: Descriptor) -> str:
        name = _name_of(descriptor)
        if name not in self._members:
            raise UnsupportedImage(f"{self.where}: {descriptor.digest}: blob not found")
        return name

    def _take(self, name: str, limit: int) -> bytes:
        """Return at most ``limit`` + 1 bytes of a member."""
        offset, size = self._members[name]
        self._file.seek(offset)
        return self._file.read(min(size, limit + 1))

    def _chunks(self, name: str) -> Iterator[bytes]:
        offset, size = self._members[name]
        for start in range(0, size, _CHUNK):
            self._file.seek(offset + start)
            yield self._file.read(min(size - start, _CHUNK))

    def _no_layout(self, path: str) -> UnsupportedImage:
        error = UnsupportedImage(
            f"{self.where}: a tar file, but not an OCI archive: no oci-layout or no index.json"
        )
        if "manifest.json" in self._members:  # as docker save writes before version 25
            name = safe(shlex.quote(path[:200]))
            error.add_note(f"skopeo copy docker-archive:{name} oci-archive:{name}.oci.tar")
        return error


def load(file: BinaryIO, path: str) -> Image:
    """Return the only image in the archive.

    Raises UnsupportedImage for none, several, or a broken archive.
    """
    archive = Archive(file, path)
    return admit(candidate(path, ImageSource.ARCHIVE, archive.only(), archive.read))


def _name_of(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest.removeprefix('sha256:')}"


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
