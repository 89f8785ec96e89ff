"""Types for bytes of which no type is known: they are shown in hex.

A record's length is known when it is read. So its type has two arrays without a length, which both
begin at its first byte::

    | 01 00 00 00 a4 03 |        {"size": 6, "data": "01000000a403"}
"""

from collections.abc import Sequence
from typing import Final

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.events.semantics import REST_LENGTH

NAME: Final = "hex"
"""The name of the types, also for ``--type``."""


def record(btf: Btf | None) -> tuple[Btf, TypeId]:
    """Return types that extend ``btf``, and the one among them for records of a buffer."""
    writer = _after(btf)
    rest = writer.array(_byte(writer), 0)
    size = writer.typedef(REST_LENGTH, rest)
    type_id = writer.typedef(NAME, writer.struct("", 0, [("size", size, 0), ("data", rest, 0)]))
    return _types(writer, btf), type_id


def values(btf: Btf | None, sizes: Sequence[int]) -> tuple[Btf, list[TypeId]]:
    """Return types that extend ``btf``, and those among them for values of these sizes."""
    writer = _after(btf)
    byte = _byte(writer)
    ids = [writer.typedef(NAME, writer.array(byte, size)) for size in sizes]
    return _types(writer, btf), ids


def _after(btf: Btf | None) -> BtfWriter:
    return BtfWriter.after(btf) if btf else BtfWriter()


def _byte(writer: BtfWriter) -> TypeId:
    return writer.integer("unsigned char", 1, 0)


def _types(writer: BtfWriter, btf: Btf | None) -> Btf:
    return Btf(writer.data(), btf, btf.name if btf else NAME)
