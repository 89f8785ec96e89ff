"""Extract BTF from the files that hold it.

They are plain BTF, ELF files with a section .BTF, and archives of BTFHub (.btf.tar.xz). Pure: bytes
in, bytes out. Every size is bounded, and no name in an archive is used as a path.
"""

import struct
from collections.abc import Iterator
from typing import Final

from beepy.errors import BtfError
from beepy.file_bytes import ELF_MAGIC, FileBytes
from beepy.text import safe

MAX_TYPES: Final = 256 << 20
"""Bytes of a kernel's types; those of distributions have 5 MB."""

_MAX_ARCHIVE: Final = 64 << 20  # bytes, compressed
_MAX_MEMORY: Final = 256 << 20  # bytes that decompression may take
_MAX_SECTIONS: Final = 1 << 16

# of either byte order: Btf raises for the one that it does not take
_PLAIN: Final = (b"\x9f\xeb", b"\xeb\x9f")
_XZ: Final = b"\xfd7zXZ\0"
_USTAR: Final = 257  # the offset of a tar header's magic

_SECTION: Final = struct.Struct("<IIQQQQ")  # sh_name, type, flags, addr, offset, size: 64 bits
_NOBITS: Final = 8


def extract(data: bytes | FileBytes, name: str) -> bytes:
    """Return the BTF that a file holds: a copy, or ``data`` itself if it is plain BTF.

    ``name`` is for messages. Raises BtfError for a file of another kind, or without types.
    """
    if data[:2] in _PLAIN:
        return _whole(data, MAX_TYPES, name)
    if data[:4] == ELF_MAGIC:
        return _of_elf(data, name)
    if data[:6] == _XZ:
        return _of_archive(_decompressed(data, name), name)
    if data[_USTAR : _USTAR + 5] == b"ustar":
        return _of_archive(_whole(data, MAX_TYPES, name), name)
    raise BtfError(f"{name}: neither BTF, nor an ELF file, nor an archive of BTFHub (.tar.xz)")


def _whole(data: bytes | FileBytes, most: int, name: str) -> bytes:
    if len(data) > most:
        raise BtfError(f"{name}: {len(data)} bytes, at most {most} are taken")
    return data[:]


def _of_elf(data: bytes | FileBytes, name: str) -> bytes:
    """Return the section .BTF; of the rest only headers and names are read."""
    try:
        return _section(data, name)
    except (struct.error, IndexError):
        raise BtfError(
            f"{name}: malformed ELF: headers exceed the file's {len(data)} bytes"
        ) from None


def _section(data: bytes | FileBytes, name: str) -> bytes:
    if data[4:6] != b"\x02\x01":
        raise BtfError(f"{name}: ELF: expected 64 bits, little endian")
    head = data[:0x40]
    (table,) = struct.unpack_from("<Q", head, 0x28)
    size, count, names = struct.unpack_from("<HHH", head, 0x3A)
    if size < _SECTION.size or not names < count <= _MAX_SECTIONS:
        raise BtfError(f"{name}: ELF: {count} sections of {size} bytes, names in section {names}")
    rows = data[table : table + size * count]
    headers = [_SECTION.unpack_from(rows, number * size) for number in range(count)]
    *_, names_at, names_size = headers[names]
    for offset, kind, _, _, start, length in headers:
        at = names_at + offset
        if offset + 5 <= names_size and data[at : at + 5] == b".BTF\0" and kind != _NOBITS:
            if length > MAX_TYPES or start + length > len(data):
                where = f"{name}: section .BTF"
                raise BtfError(
                    f"{where}: {length} bytes at {start} exceed the file, or {MAX_TYPES}"
                )
            return data[start : start + length]
    raise BtfError(f"{name}: has no section .BTF")


def _decompressed(data: bytes | FileBytes, name: str) -> bytes:
    import lzma  # noqa: PLC0415 - few runs unpack an archive

    packed = _whole(data, _MAX_ARCHIVE, f"{name}: archive")
    unpacker = lzma.LZMADecompressor(memlimit=_MAX_MEMORY)
    try:
        unpacked = unpacker.decompress(packed, MAX_TYPES)
    except lzma.LZMAError as error:
        raise BtfError(f"{name}: malformed xz: {safe(str(error))}") from None
    if not unpacker.eof:
        cut = len(unpacked) < MAX_TYPES
        raise BtfError(
            f"{name}: {'ends too early' if cut else f'unpacks to more than {MAX_TYPES} bytes'}"
        )
    return unpacked


def _of_archive(unpacked: bytes, name: str) -> bytes:
    """Return the only member that holds types."""
    if unpacked[:2] in _PLAIN:
        return unpacked
    members = list(_members(unpacked, name))
    if len(members) != 1:
        raise BtfError(f"{name}: archive: expected one member called *.btf, got {len(members)}")
    return members[0]


def _members(unpacked: bytes, name: str) -> Iterator[bytes]:
    import tarfile  # noqa: PLC0415 - as above
    from io import BytesIO  # noqa: PLC0415

    try:
        with tarfile.open(fileobj=BytesIO(unpacked), mode="r:") as archive:
            for member in archive:
                if not member.isreg() or not member.name.endswith(".btf"):
                    continue
                if member.issparse():  # a few bytes that may claim to be any size
                    raise BtfError(
                        f"{name}: archive with a sparse member '{safe(member.name)}': not supported"
                    )
                content = archive.extractfile(member)
                if content is not None:
                    yield content.read(MAX_TYPES)
    except (tarfile.TarError, EOFError, ValueError, OSError, RecursionError) as error:
        raise BtfError(f"{name}: malformed archive: {safe(str(error))}") from None
