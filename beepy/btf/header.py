"""The header of a .BTF section.

::

    magic u16 | version u8 | flags u8 | hdr_len | type_off | type_len | str_off | str_len
                                        (u32 each)
"""

import struct
from struct import Struct as Packer
from typing import Final, NamedTuple

from beepy.errors import BtfError

MAGIC: Final = 0xEB9F
"""The first two bytes of .BTF and of .BTF.ext, little-endian."""

_HEADER = Packer("<HBBIIIII")


class BtfLayout(NamedTuple):
    """The extents of types and strings: offsets in the section, in bytes."""

    types: int
    types_end: int
    strings: int
    strings_end: int


def read(data: bytes, name: str) -> BtfLayout:
    """Return the extents of types and strings that the header gives.

    Raises BtfError for a malformed header; its message begins with ``name``.
    """
    try:
        magic, version, _, header, type_off, type_len, str_off, str_len = _HEADER.unpack_from(data)
    except struct.error:
        raise BtfError(f"{name}: header: {len(data)} bytes are too few") from None
    if magic != MAGIC or version != 1:
        why = "big-endian" if magic == 0x9FEB else f"magic {magic:#x}, version {version}"
        raise BtfError(f"{name}: header: expected little-endian BTF version 1, got {why}")
    types, strings = header + type_off, header + str_off
    if (
        header < _HEADER.size
        or type_off % 4
        or max(types + type_len, strings + str_len) > len(data)
    ):
        raise BtfError(f"{name}: header: sections exceed {len(data)} bytes or are not aligned")
    return BtfLayout(types, types + type_len, strings, strings + str_len)


def encode(body: bytes, strings: bytes) -> bytes:
    """Return a whole .BTF section of the types ``body``; ``strings`` begin and end with a NUL."""
    return (
        _HEADER.pack(MAGIC, 1, 0, _HEADER.size, 0, len(body), len(body), len(strings))
        + body
        + strings
    )
