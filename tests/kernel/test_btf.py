import errno
from pathlib import Path

import pytest

from beepy.btf.types import Kind
from beepy.btf.writer import BtfWriter
from beepy.errors import KernelError
from beepy.host import sysfs
from beepy.kernel import btf
from beepy.kernel import map as maps
from beepy.uapi import MapType
from tests.support import child

pytestmark = pytest.mark.kernel


def test_a_map_is_created_with_loaded_types() -> None:
    writer = BtfWriter()
    number = writer.integer("int", 4)
    pair = writer.struct("pair", 8, [("a", number, 0), ("b", number, 32)])
    with (
        btf.load(writer.data()) as types,
        maps.create(
            MapType.ARRAY, "typed", 4, 8, 1, btf=types, key_type_id=number, value_type_id=pair
        ),
        pytest.raises(KernelError, match="map 'mistyped': create: invalid argument"),
    ):
        maps.create(
            MapType.ARRAY, "mistyped", 4, 8, 1, btf=types, key_type_id=number, value_type_id=number
        )


def test_long_tags_are_loaded_unchanged() -> None:
    writer = BtfWriter()
    number = writer.integer("int", 4)
    writer.decl_tag("d" * 1100, writer.var("v", writer.ptr(writer.type_tag("t" * 1100, number))))
    with btf.load(writer.data()) as types:
        assert btf._data(types, "a test") == writer.data()


def test_the_error_of_refused_types_is_one_line() -> None:
    writer = BtfWriter()
    writer.struct("bad", 4, [("a", 99, 0)])
    with pytest.raises(KernelError) as caught:
        btf.load(writer.data())
    assert str(caught.value).startswith("btf: load: invalid argument (EINVAL): ")
    assert "\n" not in str(caught.value)
    assert caught.value.errno == errno.EINVAL


def test_vmlinux_has_the_kernel_types() -> None:
    assert btf.vmlinux() is btf.vmlinux()
    assert btf.vmlinux().name == "vmlinux"
    assert btf.vmlinux().find("task_struct", Kind.STRUCT)


def test_modules_yields_every_module() -> None:
    names = [path.name for path in Path("/sys/kernel/btf").iterdir() if path.name != "vmlinux"]
    assert [module.name for module in btf.modules()] == sorted(names)


def test_a_file_that_cannot_be_mapped_is_read() -> None:
    assert sysfs.contents("/proc/version") == Path("/proc/version").read_bytes()


def test_the_base_of_a_module_is_vmlinux() -> None:
    """Put the types of a module into a tmpfs at /sys/kernel/btf, as no module may be loaded."""
    output = child.run(
        """
import shutil, subprocess
from pathlib import Path
from beepy.btf.btf import Btf
from beepy.btf.types import Kind
from beepy.host import sysfs
from beepy.kernel import btf
from beepy.btf.writer import BtfWriter

directory = Path("/sys/kernel/btf")
kernel = (directory / "vmlinux").read_bytes()
base = Btf(kernel)
writer = BtfWriter.after(base)
writer.ptr(base.find("task_struct", Kind.STRUCT))
writer.struct("of_a_module", 8, [("task", len(base), 0)])
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], check=True)
(directory / "vmlinux").write_bytes(kernel)
(directory / "other").write_bytes(writer.data())
(module,) = btf.modules()
struct = module.find("of_a_module", Kind.STRUCT)
task = module.type(module.type(module.type(struct).members[0].type).type)
print(module.name, module.base is btf.vmlinux(), task.name)
""",
        mounts=True,
    )
    assert output == "other True task_struct\n"


def test_a_kernel_without_types_is_not_supported() -> None:
    output = child.run(
        """
import subprocess
from beepy.errors import NotSupported
from beepy.host import sysfs
from beepy.kernel import btf

subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/sys/kernel/btf"], check=True)
try:
    btf.vmlinux()
except NotSupported as error:
    print(error, error.feature, error.since, sep="|")
""",
        mounts=True,
    )
    expected = "kernel types: /sys/kernel/btf/vmlinux: this kernel has none (CONFIG_DEBUG_INFO_BTF)"
    assert output == f"{expected}|BTF of the kernel|5.4\n"


def test_an_empty_vmlinux_file_is_not_supported() -> None:
    output = child.run(
        """
import subprocess
from beepy.errors import NotSupported
from beepy.kernel import btf

subprocess.run(["mount", "--bind", "/dev/null", "/sys/kernel/btf/vmlinux"], check=True)
try:
    btf.vmlinux()
except NotSupported as error:
    print(error, *error.__notes__, sep="|")
""",
        mounts=True,
    )
    message, advice = output.strip().split("|")
    assert message == "kernel types: /sys/kernel/btf/vmlinux: the file is empty"
    assert advice.startswith('btf="FILE" gives them: ')
