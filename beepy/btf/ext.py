"""Read .BTF.ext: the functions, C lines and CO-RE relocations of the instructions of each section.

::

    header | magic u16 | version u8 | flags u8 | hdr_len | func off, len | line off, len |
           | core_relo off, len |
    part   | rec_size | sec_name_off | num_info | num_info records | sec_name_off | ...

All but magic, version and flags are u32.

Offsets of instructions are in bytes from the beginning of their section; strings are those of the
object's .BTF.
"""

import struct
from collections.abc import Iterator
from operator import itemgetter
from struct import Struct as Packer
from typing import Final, NamedTuple

from beepy.btf.btf import Btf
from beepy.btf.header import MAGIC
from beepy.errors import BtfError
from beepy.text import safe

_OFFSET = itemgetter(0)
_HEADER = Packer("<HBBI4I")
_CORE = Packer("<II")
_SECTION = Packer("<II")
_MAX_RECORD: Final = 256  # bytes of one record


class _Shape(NamedTuple):
    """The records of a part: their u32 words that are read, and how many an object may have."""

    words: int
    limit: int


_FUNCTION: Final = _Shape(2, 1 << 16)
_LINE: Final = _Shape(4, 1 << 18)
_RELOCATION: Final = _Shape(4, 1 << 16)  # a large object has some thousand


class Ext(NamedTuple):
    """Records by section name, as tuples of their u32 words, in the order of their offsets.

    ``functions``: (offset, type id); ``lines``: (offset, file name, line text, line << 10 |
    column); ``core``: (offset, type id, access string, ``enum bpf_core_relo_kind``). Names are
    string offsets.
    """

    functions: dict[str, tuple[tuple[int, ...], ...]]
    lines: dict[str, tuple[tuple[int, ...], ...]]
    core: dict[str, tuple[tuple[int, ...], ...]]


def parse(data: bytes, btf: Btf) -> Ext:
    """Read the .BTF.ext section that belongs to ``btf``. Raises BtfError if it is malformed."""
    where = f"{btf.name}: .BTF.ext"
    try:
        magic, version, _, length, *parts = _HEADER.unpack_from(data)
        core = (
            _CORE.unpack_from(data, _HEADER.size) if length >= _HEADER.size + _CORE.size else (0, 0)
        )
    except struct.error:
        raise BtfError(f"{where}: header: {len(data)} bytes are too few") from None
    if magic != MAGIC or version != 1 or length < _HEADER.size:
        raise BtfError(f"{where}: header: magic {magic:#x}, version {version}, {length} bytes")
    body = memoryview(data)[length:]
    return Ext(
        _part(body, (parts[0], parts[1]), _FUNCTION, btf, f"{where}: func_info"),
        _part(body, (parts[2], parts[3]), _LINE, btf, f"{where}: line_info"),
        _part(body, core, _RELOCATION, btf, f"{where}: core_relo"),
    )


def _part(
    body: memoryview, extent: tuple[int, int], shape: _Shape, btf: Btf, where: str
) -> dict[str, tuple[tuple[int, ...], ...]]:
    offset, length = extent
    words, left = shape
    if not length:
        return {}
    part = body[offset : offset + length]
    if len(part) != length or length < 4:
        raise BtfError(f"{where}: {length} bytes at {offset} exceed the section")
    size = int.from_bytes(part[:4], "little")
    if size % 4 or not words * 4 <= size <= _MAX_RECORD:
        raise BtfError(f"{where}: records of {size} bytes, expected {words * 4} or more")
    records: dict[str, tuple[tuple[int, ...], ...]] = {}
    record = Packer(f"<{words}I{size - words * 4}x")
    for name_off, content in _sections(part[4:], size, where):
        left -= len(content) // size
        if left < 0:
            raise BtfError(f"{where}: more than {shape.limit} records")
        name = btf.string(name_off)
        if name in records:
            raise BtfError(f"{where}: section {safe(name)}: duplicate")
        records[name] = tuple(sorted(record.iter_unpack(content), key=_OFFSET))
    return records


def _sections(part: memoryview, size: int, where: str) -> Iterator[tuple[int, memoryview]]:
    while part:
        if len(part) < _SECTION.size:
            raise BtfError(f"{where}: ends within a section's header")
        name_off, count = _SECTION.unpack_from(part)
        content = part[_SECTION.size : _SECTION.size + count * size]
        if not count or len(content) != count * size:
            raise BtfError(f"{where}: {count} records of {size} bytes exceed the section")
        yield name_off, content
        part = part[_SECTION.size + count * size :]
