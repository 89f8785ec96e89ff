"""An OCI layout in a tar file (oci-archive), read in place.

Only ``oci-layout``, ``index.json`` and regular files ``blobs/sha256/<64 hex>`` are read; nothing is
unpacked. A ``manifest.json`` (docker save) is only recognised.
"""

import os
import posixpath
import re
import shlex
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

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
from beepy.oci.layout import IndexEntry
from beepy.text import excerpt, safe

if TYPE_CHECKING:
    from beepy.oci.policy import Policy  # most runs have none

MAX_MEMBERS: Final = 4096
"""Limit of the files and directories in an archive."""

_BLOCK = 512
_CHUNK = 1 << 20
_MAX_PAX = 1 << 16
_FILES = (b"0", b"\0")
_DIRECTORY = b"5"
_PAX = (b"x", b"g")
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"S": "a sparse file",
    b"L": "a long name of GNU tar",
    b"K": "a long name of GNU tar",
}
_NAME = re.compile(r"(oci-layout|(?:index|manifest)\.json|blobs/sha256/[0-9a-f]{64})")
# The records of a pax header that give its member another name, size or content.
_OVERRIDE = re.compile(rb" (path|linkpath|size|hdrcharset|GNU\.sparse\.[a-z.]+)=")

Members = dict[str, tuple[int, int]]
"""Offset and size in the file by name."""


def is_tar(head: bytes) -> bool:
    """Tell whether ``head`` begins a tar file: the magic of POSIX.1-1988 and of GNU."""
    return head[257:262] == b"ustar"


class Archive:
    """The layout in an open file that can be sought in; ``path`` is its name for messages.

    It has the methods of ``Layout`` that read. Everything raises UnsupportedImage.
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.where = excerpt(path, 200)
        self._file = file
        self._members = _members(file, self.where)
        if "oci-layout" not in self._members or "index.json" not in self._members:
            raise self._no_layout(path)

    def entries(self) -> tuple[IndexEntry, ...]:
        """Return the entries of index.json."""
        where = f"{self.where}: index.json"
        index = parse_object(self._take("index.json", MAX_MANIFEST), where)
        refuse_other_case(index, ("manifests",), where)
        entries = index.get("manifests")
        if entries is None:
            return ()
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UnsupportedImage(f"{where}: manifests: a list of objects is expected")
        return tuple(entries)

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a blob's bytes after checking size and digest."""
        return check(self._take(self._blob(descriptor), descriptor.size), descriptor, self.where)

    def has_file(self, descriptor: Descriptor) -> bool:
        """Tell whether there is a member of the blob's size."""
        return self._members.get(_name(descriptor), (0, -1))[1] == descriptor.size

    def chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in chunks; raises DigestMismatch after the last one."""
        yield from verified(self._chunks(descriptor), descriptor, self.where)

    def not_found(self, descriptor: Descriptor) -> UnsupportedImage:
        """Return the error for a blob that is missing."""
        return UnsupportedImage(f"{self.where}: {descriptor.digest}: blob not found")

    def _blob(self, descriptor: Descriptor) -> str:
        name = _name(descriptor)
        if name not in self._members:
            raise self.not_found(descriptor)
        return name

    def _chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        offset, size = self._members[self._blob(descriptor)]
        for start in range(0, size, _CHUNK):
            self._file.seek(offset + start)
            yield self._file.read(min(_CHUNK, size - start))

    def _take(self, name: str, limit: int) -> bytes:
        """Return at most ``limit`` + 1 bytes of a member."""
        offset, size = self._members[name]
        self._file.seek(offset)
        return self._file.read(min(size, limit + 1))

    def _no_layout(self, path: str) -> UnsupportedImage:
        error = UnsupportedImage(
            f"{self.where}: a tar file, but not an OCI archive: no oci-layout or no index.json"
        )
        if "manifest.json" in self._members:  # as docker save writes before version 25
            name = safe(shlex.quote(path[:200]))
            error.add_note(f"skopeo copy docker-archive:{name} oci-archive:{name}.oci.tar")
        return error


def load(file: BinaryIO, path: str, policy: "Policy | None" = None) -> Image:
    """Return the only image in the archive, which may have signatures beside it.

    Raises UnsupportedImage for none, several, or a broken archive, UntrustedImage if the policy
    refuses it.
    """
    from beepy.oci.signatures.stored import signatures  # noqa: PLC0415 - only for archives

    archive = Archive(file, path)
    find_signatures = partial(signatures, archive)
    top = only(archive, path)
    packed = candidate(path, ImageSource.ARCHIVE, top, archive.read, find_signatures)
    return admit(packed, policy=policy)


def only(archive: Archive, path: str) -> Descriptor:
    """Return the only image in the archive; raise UnsupportedImage for none and for several."""
    from beepy.oci.stored_referrers import images  # noqa: PLC0415 - only for archives

    entries = images(archive, archive.entries())
    if len(entries) != 1:
        error = UnsupportedImage(
            f"{archive.where}: {len(entries)} images in the archive, exactly one is expected"
        )
        if entries:
            error.add_note(f"beepy load {safe(shlex.quote(path[:200]))}")
        raise error
    return parse_descriptor(entries[0], f"{archive.where}: index.json")


def _name(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest.removeprefix('sha256:')}"


def _members(file: BinaryIO, where: str) -> Members:
    """Walk the headers: name at 0, size in octal at 124, type at 156, prefix of the name at 345.

    Contents are padded to blocks. Whatever other programs could take for another member than we do
    is refused.
    """
    members: Members = {}
    end, offset = os.fstat(file.fileno()).st_size, 0
    for _ in range(MAX_MEMBERS):
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
        name, kind = _name_in(header), header[156:157]
        if kind in _PAX:
            overridden = _OVERRIDE.search(file.read(min(size, _MAX_PAX)))
            if overridden or size > _MAX_PAX:
                record = overridden[1].decode() if overridden else f"{size} bytes"
                raise _refused(where, name, f"a pax header with {record}")
        elif kind not in (*_FILES, _DIRECTORY):
            raise _refused(where, name, _KINDS.get(kind, "not a file"))
        elif name.startswith("/") or ".." in name.split("/"):
            raise _refused(where, name, "a path out of the archive")
        elif kind == _DIRECTORY and size:  # which some programs skip, and some do not
            raise _refused(where, name, "a directory with contents")
        elif kind in _FILES and (match := _NAME.fullmatch(posixpath.normpath(name))):
            members[match[1]] = offset + _BLOCK, size
        offset += _BLOCK + (size + _BLOCK - 1) // _BLOCK * _BLOCK
    raise UnsupportedImage(f"{where}: more than {MAX_MEMBERS} files in the archive")


def _name_in(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0]
    if prefix and header[262:263] == b"\0":  # of POSIX: GNU tar has times there
        name = prefix + b"/" + name
    return name.decode("latin-1")


def _refused(where: str, name: str, why: str) -> UnsupportedImage:
    return UnsupportedImage(f"{where}: not an OCI archive: '{excerpt(name)}': {why}")
