import io
import lzma
import struct
import tarfile

import pytest

from beepy.btf import extract as module
from beepy.btf.extract import extract
from beepy.btf.writer import BtfWriter
from beepy.errors import BtfError
from tests.support.elf import NOBITS, ElfWriter
from tests.support.refusal import refused


def types() -> bytes:
    writer = BtfWriter()
    writer.struct("task_struct", 8)
    return writer.data()


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def vmlinux(name: str = ".BTF") -> bytes:
    writer = ElfWriter()
    writer.machine, writer.type = 62, 2  # EM_X86_64, ET_EXEC
    writer.section(".text", b"\x90" * 16)
    writer.section(name, types())
    return writer.data()


def test_plain_types_are_what_they_are() -> None:
    data = types()
    assert extract(data, "x") is data


def test_an_elf_file_has_them_in_a_section() -> None:
    assert extract(vmlinux(), "vmlinux") == types()


@pytest.mark.parametrize(
    "name", ["5.4.0-1.btf", "a/b/5.4.0-1.btf", "../../../etc/5.4.0-1.btf", "/etc/x.btf"]
)
def test_an_archive_has_them_in_a_member_whose_name_is_no_path(name: str) -> None:
    assert extract(archive(**{name: types()}), "x.btf.tar.xz") == types()


def test_other_members_do_not_matter() -> None:
    assert extract(archive(README=b"read me", **{"x.btf": types()}), "x") == types()


def test_types_may_be_compressed_alone_or_archived_alone() -> None:
    assert extract(lzma.compress(types()), "x.btf.xz") == types()
    assert extract(lzma.decompress(archive(**{"x.btf": types()})), "x.btf.tar") == types()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "neither BTF, nor an ELF file, nor an archive of BTFHub (.tar.xz)"),
        (b"PK\3\4", "neither BTF, nor an ELF file, nor an archive of BTFHub (.tar.xz)"),
        (vmlinux(".BTF.ext"), "has no section .BTF"),
        (b"\x7fELF\x01\x01" + bytes(100), "ELF: expected 64 bits, little endian"),
        (vmlinux()[:-64], f"malformed ELF: headers exceed the file's {len(vmlinux()) - 64} bytes"),
        (b"\x7fELF\x02\x01", "malformed ELF: headers exceed the file's 6 bytes"),
        (archive(a=b""), "archive: expected one member called *.btf, got 0"),
        (
            archive(**{"a.btf": types(), "b.btf": types()}),
            "archive: expected one member called *.btf, got 2",
        ),
        (archive(**{"a.btf": types()})[:-20], "ends too early"),
    ],
)
def test_other_files_are_refused(data: bytes, why: str) -> None:
    with refused(BtfError, f"file: {why}"):
        extract(data, "file")


def test_a_link_is_no_member_with_types() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as tar:
        info = tarfile.TarInfo("x.btf")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with refused(BtfError, "file: archive: expected one member called *.btf, got 0"):
        extract(file.getvalue(), "file")


def test_a_sparse_member_is_refused() -> None:
    """A header of 512 bytes may claim any size."""
    info = tarfile.TarInfo("\x1b.btf")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = f"{1 << 30:011o}\0".encode()  # realsize, of GNU tar's struct oldgnu_header
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with refused(BtfError, "file: archive with a sparse member '\\x1b.btf': not supported"):
        extract(bytes(header) + bytes(1024), "file")


def test_a_section_that_exceeds_the_file_is_refused() -> None:
    data = bytearray(vmlinux())
    at = next(at for at in range(0, len(data) - 64, 8) if _is_btf_header(data, at))
    struct.pack_into("<Q", data, at + 32, 1 << 40)
    with pytest.raises(BtfError, match="exceed the file"):
        extract(bytes(data), "file")
    struct.pack_into("<I", data, at + 4, NOBITS)
    with refused(BtfError, "file: has no section .BTF"):
        extract(bytes(data), "file")


def _is_btf_header(data: bytearray, at: int) -> bool:
    _, kind, _, _, offset, size = struct.unpack_from("<IIQQQQ", data, at)
    return kind == 1 and data[offset : offset + size] == types()


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TYPES", 1 << 20)
    with refused(BtfError, f"file: unpacks to more than {1 << 20} bytes"):
        extract(lzma.compress(bytes(2 << 20)), "file")
    with pytest.raises(BtfError, match="at most"):
        extract(b"\xfd7zXZ\0" + bytes(module._MAX_ARCHIVE), "file")


def outcome(data: bytes) -> str:
    try:
        extract(data, "file")
    except BtfError as error:
        return str(error)
    return ""


def test_damage_is_told_in_one_line() -> None:
    whole = archive(**{"x.btf": types()})
    unpacked = lzma.decompress(whole)
    damaged = [flipped(whole, at) for at in range(6, len(whole), 7)]
    damaged += [lzma.compress(flipped(unpacked, at), preset=0) for at in range(0, 512, 5)]
    assert not [told for told in map(outcome, damaged) if "\n" in told]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def test_an_archive_of_names_of_names_is_malformed() -> None:
    """GNU's headers of long names, one for the other: tarfile goes one deeper for each."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2
    one = header.tobuf(tarfile.GNU_FORMAT) + b"x\0".ljust(512, b"\0")
    with pytest.raises(BtfError, match=r"^x: malformed archive: "):
        extract(lzma.compress(one * 3000), "x")
