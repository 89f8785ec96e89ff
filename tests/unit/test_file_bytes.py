"""A file is sliced as bytes are, and ends early where somebody cut it."""

import os
from pathlib import Path

import pytest

from beepy.btf.extract import extract
from beepy.btf.writer import BtfWriter
from beepy.errors import BtfError
from beepy.file_bytes import FileBytes
from tests.support.elf import ElfWriter

DATA = bytes(range(256)) * 300


def test_slices(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        data = FileBytes(file.fileno())
        assert len(data) == len(DATA)
        for start, stop in (
            (0, 4),
            (None, 7),
            (70_000, None),
            (None, None),
            (-3, None),
            (9, 9),
            (9, 3),
            (76_000, 99_999),
        ):
            assert data[start:stop] == DATA[start:stop]
        with data.stream() as stream:
            assert stream.read(9) == DATA[:9]
        assert data[:1] == DATA[:1]  # still open
        os.truncate(path, 100)
        assert data[90:200] == DATA[90:100]
        assert data[100:200] == b""


def test_types_in_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    elf = ElfWriter()
    writer = BtfWriter()
    writer.integer()
    elf.section(".BTF", writer.data())
    path.write_bytes(elf.data())
    with path.open("rb") as file:
        data = FileBytes(file.fileno())
        assert extract(data, "vmlinux") == writer.data()
        os.truncate(path, 70)
        with pytest.raises(BtfError, match="malformed ELF"):
            extract(data, "vmlinux")
