"""Text as records: lines, or bytes in hex, for output without a type (BPF iterators)."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.events.batch import Schema
from beepy.obj.spec import Role

LENGTH: Final = 1024
"""The length of a record in bytes; a longer line continues in the next one."""

_RECORD: Final = TypeId(3)  # after char and its array


def schema(image: str, name: str, field: str = "line") -> Schema:
    """Return the schema of lines that the program ``name`` writes: one text, called ``field``."""
    return Schema(
        image=image,
        map=name,
        role=Role.PRINT,
        btf=_types(field),
        record=_RECORD,
        counts_loss=True,
    )


def pieces(line: bytes) -> Iterator[bytes]:
    """Yield the records that hold a line, each padded to ``LENGTH`` bytes with NULs."""
    return (piece.ljust(LENGTH, b"\0") for piece in cut(line))


def cut(line: bytes) -> Iterator[bytes]:
    r"""Yield pieces of a line, of ``LENGTH`` bytes at most; a NUL in it becomes \x00.

    A character of UTF-8 is not cut.
    """
    line = line.replace(b"\0", rb"\x00")
    at = 0
    while at < len(line) or not at:
        end = at + LENGTH
        # back to the first byte of the character: the others are 10xxxxxx, at most three of them
        while at + LENGTH - 3 <= end < len(line) and line[end] & 0xC0 == 0x80:
            end -= 1
        yield line[at:end]
        at = end


@cache
def _types(field: str) -> Btf:
    """Return types with ``struct FIELD { char FIELD[LENGTH]; }`` as number ``_RECORD``."""
    writer = BtfWriter()
    char = writer.integer("char", 1)
    writer.struct(field, LENGTH, [(field, writer.array(char, LENGTH, char), 0)])
    return Btf(writer.data(), name="lines")
