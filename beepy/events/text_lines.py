"""Text as records: lines, or bytes in hex, for what has no type (BPF iterators)."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.events.batch import Schema
from beepy.obj.spec import Role

LENGTH: Final = 1024
"""Bytes of a record; a longer line goes on in the next one."""


def schema(image: str, name: str, field: str = "line") -> Schema:
    """Return the schema of lines that ``name``, a program of the image, writes: one text, ``field``."""
    return Schema(image, name, Role.PRINT, _types(field), TypeId(3), counts_loss=True)


def pieces(line: bytes) -> Iterator[bytes]:
    """Return the records that hold a line, each ``LENGTH`` bytes: what it does not fill is NULs."""
    return (piece.ljust(LENGTH, b"\0") for piece in cut(line))


def cut(line: bytes) -> Iterator[bytes]:
    r"""Cut a line into pieces of ``LENGTH`` bytes at most, but no character of UTF-8; a NUL in it becomes \x00."""
    line = line.replace(b"\0", rb"\x00")
    at = 0
    while at < len(line) or not at:
        end = at + LENGTH
        while at + LENGTH - 3 <= end < len(line) and line[end] & 0xC0 == 0x80:
            end -= 1
        yield line[at:end]
        at = end


@cache
def _types(field: str) -> Btf:
    """Return the type 3: ``struct { char FIELD[LENGTH]; }``, which is named as its field."""
    writer = BtfWriter()
    char = writer.integer("char", 1)
    writer.struct(field, LENGTH, [(field, writer.array(char, LENGTH, char), 0)])
    return Btf(writer.data(), name="lines")
