"""The file of a recording: blocks that are each complete, so that a cut file loses its last one.

::

    | magic | block | block | ...
    block   | u32 length | u32 CRC-32 of what follows | zstd frame |
    frame   | item | item | ...
    item    | u8 kind | u32 length | body |
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple
from zlib import crc32

from beepy import zstd
from beepy.errors import RecordingError

MAGIC: Final = b"beepyrec\x01\n"
_BLOCK: Final = struct.Struct("<II")
_ITEM: Final = struct.Struct("<BI")
_MAX_BLOCK: Final = 64 << 20  # bytes, compressed and not
_MAX_ITEMS: Final = 1 << 18  # of a block: ten times as many batches as a recorder writes


class Item(NamedTuple):
    """One item of a recording; ``kind`` says how to read its body."""

    kind: int
    body: bytes


class BlockWriter:
    """Appends blocks to a file, which the caller owns."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._compress = zstd.compressor()
        self._file.write(MAGIC)

    def write(self, items: list[bytes]) -> None:
        """Write items, which ``packed`` made, as one block, and flush it. Raises OSError."""
        frame = self._compress(b"".join(items))
        self._file.write(_BLOCK.pack(len(frame), crc32(frame)))
        self._file.write(frame)
        self._file.flush()


def packed(kind: int, body: bytes) -> bytes:
    """Return an item as it is in a block."""
    return _ITEM.pack(kind, len(body)) + body


def read(file: BinaryIO, where: str) -> Iterator[list[Item]]:
    """Yield the items of each block up to the end, or up to a block that is not complete.

    Raises RecordingError for what is no recording, or is damaged.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise RecordingError(f"{where}: not a recording of beepy")
    number = 0
    while len(head := file.read(_BLOCK.size)) == _BLOCK.size:
        length, checksum = _BLOCK.unpack(head)
        title = f"{where}: block {number}"
        if length > _MAX_BLOCK:
            raise RecordingError(f"{title}: {length} bytes, at most {_MAX_BLOCK}")
        frame = file.read(length)
        if len(frame) < length:
            return  # it was being written
        if crc32(frame) != checksum:
            raise RecordingError(f"{title}: damaged: its checksum is another")
        data = zstd.decompress(frame, _MAX_BLOCK, RecordingError, title)
        if len(data) > _MAX_BLOCK:
            raise RecordingError(f"{title}: more than {_MAX_BLOCK} bytes")
        yield list(_items(data, title))
        number += 1


def _items(data: bytes, title: str) -> Iterator[Item]:
    at = number = 0
    while at < len(data):
        number += 1
        if number > _MAX_ITEMS:
            raise RecordingError(f"{title}: more than {_MAX_ITEMS} items")
        if at + _ITEM.size > len(data):
            raise RecordingError(f"{title}: cut in an item")
        kind, length = _ITEM.unpack_from(data, at)
        at += _ITEM.size
        if at + length > len(data):
            raise RecordingError(f"{title}: an item of {length} bytes, beyond its end")
        yield Item(kind, data[at : at + length])
        at += length
