import struct

import pytest

from beepy.btf import ext
from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.errors import BtfError
from tests.support import elf
from tests.support.refusal import refused

SEC = "tracepoint/a/b"


@pytest.fixture
def w() -> BtfWriter:
    writer = BtfWriter()
    writer.integer("int")
    return writer


def parse(writer: BtfWriter, data: bytes) -> ext.Ext:
    return ext.parse(data, Btf(writer.data(), name="object"))


def header(*words: int, length: int = 32, magic: int = 0xEB9F, version: int = 1) -> bytes:
    return struct.pack("<HBBI", magic, version, 0, length) + struct.pack(f"<{len(words)}I", *words)


def test_records_by_section(w: BtfWriter) -> None:
    data = elf.ext(
        w,
        {SEC: [(0, 5)], ".text": [(0, 6), (16, 7)]},
        {SEC: [(0, 1, 2, 3 << 10 | 4)]},
        {SEC: [(8, 1, 0, 0)]},
    )
    assert parse(w, data) == ext.Ext(
        {SEC: ((0, 5),), ".text": ((0, 6), (16, 7))},
        {SEC: ((0, 1, 2, 3 << 10 | 4),)},
        {SEC: ((8, 1, 0, 0),)},
    )


def test_records_are_in_the_order_of_their_offsets(w: BtfWriter) -> None:
    data = elf.ext(w, {SEC: [(16, 1), (0, 9), (8, 2), (8, 1)]})
    assert parse(w, data).functions == {SEC: ((0, 9), (8, 2), (8, 1), (16, 1))}


def test_a_header_of_before_core(w: BtfWriter) -> None:
    part = struct.pack("<3I2I", 8, w.string(SEC), 1, 0, 5)
    data = header(0, len(part), len(part), 0, length=24) + part
    assert parse(w, data) == ext.Ext({SEC: ((0, 5),)}, {}, {})


def test_larger_records_of_a_later_compiler(w: BtfWriter) -> None:
    part = struct.pack("<3I3I", 12, w.string(SEC), 1, 0, 5, 99)
    data = header(0, len(part), 0, 0, 0, 0) + part
    assert parse(w, data).functions == {SEC: ((0, 5),)}


def test_nothing_recorded(w: BtfWriter) -> None:
    assert parse(w, elf.ext(w, {})) == ext.Ext({}, {}, {})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x9f\xeb\1", "header: 3 bytes are too few"),
        (header(0, 0, 0, 0), "header: 24 bytes are too few"),
        (header(0, 0, 0, 0, magic=1), "header: 24 bytes are too few"),
        (header(0, 0, 0, 0, 0, 0, magic=1), "header: magic 0x1, version 1, 32 bytes"),
        (header(0, 0, 0, 0, 0, 0, version=2), "header: magic 0xeb9f, version 2, 32 bytes"),
        (header(0, 0, 0, 0, length=8), "header: magic 0xeb9f, version 1, 8 bytes"),
        (header(0, 8, 0, 0, 0, 0), "func_info: 8 bytes at 0 exceed the section"),
        (header(0, 2, 0, 0, 0, 0) + bytes(8), "func_info: 2 bytes at 0 exceed the section"),
        (header(0, 0, 99, 8, 0, 0) + bytes(8), "line_info: 8 bytes at 99 exceed the section"),
        (
            header(0, 4, 0, 0, 0, 0) + b"\4\0\0\0",
            "func_info: records of 4 bytes, expected 8 or more",
        ),
        (
            header(0, 0, 0, 0, 0, 4) + b"\x12\0\0\0",
            "core_relo: records of 18 bytes, expected 16 or more",
        ),
        (
            header(0, 0, 0, 4, 0, 0) + b"\4\1\0\0",
            "line_info: records of 260 bytes, expected 16 or more",
        ),
        (
            header(0, 8, 0, 0, 0, 0) + b"\x08\0\0\0" + bytes(4),
            "func_info: ends within a section's header",
        ),
        (
            header(0, 12, 0, 0, 0, 0) + b"\x08\0\0\0" + bytes(8),
            "func_info: 0 records of 8 bytes exceed the section",
        ),
        (
            header(0, 16, 0, 0, 0, 0) + struct.pack("<4I", 8, 0, 1, 0),
            "func_info: 1 records of 8 bytes exceed the section",
        ),
        (
            header(0, 36, 0, 0, 0, 0) + struct.pack("<9I", 8, 0, 1, 0, 5, 0, 1, 8, 5),
            "func_info: section : duplicate",
        ),
    ],
)
def test_malformed(w: BtfWriter, data: bytes, message: str) -> None:
    with refused(BtfError, f"object: .BTF.ext: {message}"):
        parse(w, data)


@pytest.mark.parametrize(
    ("part", "most", "record"),
    [
        ("func_info", 1 << 16, (0, 5)),
        ("line_info", 1 << 18, (0, 1, 2, 3)),
        ("core_relo", 1 << 16, (0, 1, 0, 0)),
    ],
)
def test_more_records_than_any_object_has(
    w: BtfWriter, part: str, most: int, record: tuple[int, ...]
) -> None:
    """They are counted over all sections."""
    records = {SEC: [record], ".text": [record] * most}
    parts = [records if part == name else {} for name in ("func_info", "line_info", "core_relo")]
    with refused(BtfError, f"object: .BTF.ext: {part}: more than {most} records"):
        parse(w, elf.ext(w, *parts))
