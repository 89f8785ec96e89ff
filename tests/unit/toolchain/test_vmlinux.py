from pathlib import Path

import pytest

from beepy.btf.writer import BtfWriter
from beepy.errors import BtfError, BuildError
from beepy.toolchain import vmlinux
from beepy.toolchain.architectures import ARCHITECTURES

X86 = "struct pt_regs {\n\tlong unsigned int si;\n\tlong unsigned int di;\n};\n"
ARM64 = (
    "struct user_pt_regs {\n\t__u64 regs[31];\n\t__u64 sp;\n};\n\n"
    "struct pt_regs {\n\tunion {\n\t\tstruct user_pt_regs user_regs;\n\t};\n};\n"
)


@pytest.fixture
def bpftool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a script in the place of bpftool that shows its arguments and the file."""
    path = tmp_path / "bpftool"
    path.write_text('#!/bin/sh\necho "$@"\n[ -z "$4" ] || cat "$4"\n')
    path.chmod(0o755)
    monkeypatch.setenv("BPFTOOL", str(path))
    return path


@pytest.mark.parametrize(("types", "name"), [(X86, "amd64"), (ARM64, "arm64")])
def test_the_kernels_own_registers_stay(types: str, name: str) -> None:
    assert vmlinux.header(types, ARCHITECTURES[name]) == types


@pytest.mark.parametrize(
    ("types", "name", "registers"),
    [(X86, "arm64", "user_pt_regs"), (ARM64, "amd64", "pt_regs"), ("", "amd64", "pt_regs")],
)
def test_registers_of_another_architecture_are_added(types: str, name: str, registers: str) -> None:
    text = vmlinux.header(types, ARCHITECTURES[name])
    assert text.startswith(f"#define {registers} {registers}___kernel\n{types}\n#undef {registers}")
    assert f"\nstruct {registers} {{\n" in text.partition("#undef")[2]


def test_types_of_a_file_are_given_to_bpftool(bpftool: Path, tmp_path: Path) -> None:
    writer = BtfWriter()
    writer.integer("int")
    (tmp_path / "some.btf").write_bytes(writer.data())
    (tmp_path / "for").mkdir()
    assert bpftool
    text = vmlinux.dump(tmp_path / "some.btf", tmp_path / "for")
    assert text.startswith(f"btf dump file {tmp_path}/for/types.btf format c\n")
    assert (tmp_path / "for" / "types.btf").read_bytes() == writer.data()


def test_files_without_types(bpftool: Path, tmp_path: Path) -> None:
    assert bpftool
    (tmp_path / "text").write_text("no types\n")
    with pytest.raises(BtfError, match="text: neither BTF, nor an ELF file"):
        vmlinux.dump(tmp_path / "text", tmp_path)
    with pytest.raises(BuildError, match=r"/nosuch: no such file or directory$"):
        vmlinux.dump(Path("/nosuch"), tmp_path)
    with pytest.raises(BuildError, match=r"/: is a directory$"):
        vmlinux.dump(Path("/"), tmp_path)


def test_a_kernel_without_types(
    bpftool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bpftool
    monkeypatch.setattr(vmlinux, "_KERNEL", Path("/nosuch"))
    with pytest.raises(BuildError, match=r"^/nosuch: this kernel does not have") as raised:
        vmlinux.dump(None, tmp_path)
    assert raised.value.__notes__[0].typed.startswith("--btf FILE")  # type: ignore[attr-defined]


def test_a_bpftool_that_fails(bpftool: Path, tmp_path: Path) -> None:
    writer = BtfWriter()
    bpftool.write_text('#!/bin/sh\n[ "$1" = version ] && echo 1 || { echo "a\033b" >&2; exit 3; }')
    (tmp_path / "some.btf").write_bytes(writer.data())
    with pytest.raises(BuildError, match=r"some.btf: .*/bpftool cannot write its types: a\\x1bb$"):
        vmlinux.dump(tmp_path / "some.btf", tmp_path)
