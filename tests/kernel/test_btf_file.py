"""Read the kernel's types from files: the kernel has none, or the user names a file."""

import io
import lzma
import tarfile
from pathlib import Path

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import Kind
from beepy.btf.writer import BtfWriter
from beepy.collection.load import load
from beepy.errors import BtfError, KernelError, VerifierError
from beepy.host import btf_file
from beepy.kernel import btf
from beepy.obj.insn import EXIT, Insn
from beepy.obj.spec import CollectionSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.support import child
from tests.support.elf import ElfWriter

pytestmark = pytest.mark.kernel

_HIDDEN = """
import os, subprocess
from pathlib import Path
from beepy.btf.types import Kind
from beepy.collection.load import load
from beepy.host import btf_file, machine
from beepy.kernel import btf
from beepy.errors import NotSupported
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.support.elf import ElfWriter

types = Path("/sys/kernel/btf/vmlinux").read_bytes()
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/sys/kernel/btf"], check=True)
for path in ("/usr/lib/modules", "/boot"):
    if Path(path).exists():
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
vmlinux = Path("/boot") / f"vmlinux-{os.uname().release}"
"""


def archive(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        info = tarfile.TarInfo("5.4.0-generic.btf")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return lzma.compress(file.getvalue(), preset=0)


@pytest.mark.skipif(not Path("/boot").exists(), reason="no /boot to put a vmlinux in")
def test_types_that_sysfs_lacks_are_read_from_vmlinux() -> None:
    output = child.run(
        _HIDDEN
        + """
writer = ElfWriter()
writer.machine, writer.type = 62, 2
writer.section(".BTF", types)
vmlinux.write_bytes(writer.data())
spec = parse(bundled_store().get("exitsnoop"))
with load(spec) as collection:
    types = btf.vmlinux()
    print(len(collection.programs), types.name, bool(types.find("task_struct", Kind.STRUCT)))
print(list(btf.modules()))
""",
        mounts=True,
    )
    assert output == "1 vmlinux True\n[]\n"


def test_an_object_without_relocations_needs_no_types() -> None:
    output = child.run(
        _HIDDEN
        + """
from tests.kernel.test_btf_file import without_relocations
with load(without_relocations()) as collection:
    print(*collection.programs)
try:
    load(parse(bundled_store().get("exitsnoop")))
except NotSupported as error:
    print(error, error.__notes__)
""",
        mounts=True,
    )
    first, second = output.splitlines()
    assert first == "one"
    assert "this kernel has none (CONFIG_DEBUG_INFO_BTF)" in second
    assert 'btf="FILE" gives' in second


def without_relocations() -> CollectionSpec:
    writer = ElfWriter()
    writer.section("license", b"GPL\0")
    writer.function("one", "socket", (Insn(0xB7), Insn(EXIT)))
    return parse(writer.data(), name="plain")


@pytest.mark.parametrize("packed", [False, True])
def test_the_types_that_the_user_names_are_used(tmp_path: Path, packed: bool) -> None:
    """Load with the types of a plain file, and of a BTFHub archive."""
    data = Path("/sys/kernel/btf/vmlinux").read_bytes()
    file = tmp_path / ("x.btf.tar.xz" if packed else "x.btf")
    file.write_bytes(archive(data) if packed else data)
    types = btf_file.read(file)
    assert types.find("task_struct", Kind.STRUCT) == btf.vmlinux().find("task_struct", Kind.STRUCT)
    with load(parse(bundled_store().get("exitsnoop")), btf=types) as collection:
        assert collection.programs


def test_a_field_that_the_types_lack_is_poisoned() -> None:
    writer = BtfWriter()
    writer.struct("task_struct", 8)

    with pytest.raises(VerifierError, match="this kernel's types have no match"):
        load(parse(bundled_store().get("exitsnoop")), btf=Btf(writer.data(), name="other"))


def test_a_file_without_types_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"absent: no such file or directory \(ENOENT\)"):
        btf_file.read(tmp_path / "absent")
    (tmp_path / "other").write_text("x")
    with pytest.raises(BtfError, match="neither BTF"):
        btf_file.read(tmp_path / "other")


def test_a_search_for_an_unknown_release_finds_nothing() -> None:
    assert btf_file.search("0.0.0-none") is None


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", Path("/dev/null")):
        with pytest.raises(BtfError, match=f"^{path}: the file is empty\nbtf=.FILE. gives them: "):
            btf_file.read(path)
