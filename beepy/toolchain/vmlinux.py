"""``vmlinux.h``: the types of a kernel as C, written by bpftool."""

import re
import subprocess
from pathlib import Path
from typing import Final

from beepy.btf.extract import MAX_TYPES, extract
from beepy.errors import BuildError
from beepy.file_bytes import FileBytes
from beepy.text import excerpt, safe
from beepy.toolchain import tools
from beepy.toolchain.architectures import Architecture

NAME: Final = "vmlinux.h"

_KERNEL: Final = Path("/sys/kernel/btf/vmlinux")


def dump(btf: Path | None, directory: Path) -> str:
    """Return the types of a file (BTF, vmlinux, archive of BTFHub), None: of the running kernel.

    Files that this needs are written to ``directory``. Raises BtfError for a file without types,
    BuildError if it or bpftool is missing.
    """
    bpftool = tools.bpftool()
    if btf is None and not _KERNEL.exists():
        error = BuildError(f"{_KERNEL}: this kernel does not have its types")
        error.add_note("--btf FILE gives them: BTF, a vmlinux, or an archive of BTFHub")
        raise error
    types = _KERNEL
    if btf is not None:
        types = directory / "types.btf"
        types.write_bytes(_read(btf))
    command = [bpftool, "btf", "dump", "file", str(types), "format", "c"]
    done = subprocess.run(  # noqa: S603 - the user's own PATH
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines() or ["no message"]
        where = safe(str(btf or _KERNEL))
        raise BuildError(f"{where}: {safe(bpftool)} cannot write its types: {excerpt(lines[0])}")
    return done.stdout.decode(errors="replace")


def header(types: str, target: Architecture) -> str:
    """Return ``vmlinux.h`` for an architecture.

    Where the types are those of a kernel of another one, the registers of ``target`` replace its.
    """
    name = target.registers
    if re.search(rf"^struct {name} {{[^}}]*\b{re.escape(target.member)};", types, re.MULTILINE):
        return types
    # CO-RE takes NAME___kernel for NAME: what else refers to it is still found
    renamed = f"#define {name} {name}___kernel\n{types}\n#undef {name}\n"
    return renamed + target.header.read_text(encoding="ascii")


def _read(path: Path) -> bytes:
    where = safe(str(path))
    try:
        with path.open("rb") as file:
            data = FileBytes(file.fileno())
            # a file of sysfs shows no size, or more than it has
            return extract(data if len(data) and data[-1:] else file.read(MAX_TYPES), where)
    except OSError as error:
        raise BuildError(f"{where}: {(error.strerror or str(error)).lower()}") from error
