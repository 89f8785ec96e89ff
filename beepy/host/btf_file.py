"""Read the kernel's types from a file: one that the user names, or the kernel's vmlinux."""

import errno
import os
from pathlib import Path
from typing import Final

from beepy.btf import extract
from beepy.btf.btf import Btf
from beepy.errors import BtfError, KernelError
from beepy.file_bytes import FileBytes
from beepy.log import Log
from beepy.sys.fd import Fd
from beepy.text import safe

_log = Log(__name__)

ADVICE: Final = (
    "--btf FILE gives them: BTF, a vmlinux with debug information, or an archive of BTFHub"
)
"""The note for errors about missing kernel types."""

# the paths of libbpf's btf__load_vmlinux_btf, in its order; {} is uname's release
_PATHS: Final = (
    "/boot/vmlinux-{}",
    "/lib/modules/{0}/vmlinux-{0}",
    "/lib/modules/{}/vmlinux",
    "/lib/modules/{}/build/vmlinux",
    "/usr/lib/modules/{}/kernel/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{}",
    "/usr/lib/debug/boot/vmlinux-{}.debug",
    "/usr/lib/debug/lib/modules/{}/vmlinux",
)


def read(path: str | Path, name: str = "") -> Btf:
    """Return the types in a file: raw BTF, an ELF file with a .BTF section, or a BTFHub archive.

    ``name`` is the name of the Btf for messages ("": the path). Raises BtfError if the file holds
    no types, KernelError if it cannot be read.
    """
    where = safe(str(path))
    try:
        with Fd(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as fd:
            data: bytes | FileBytes = FileBytes(fd.fileno())
            if not data:  # no size: a pipe, or a file in /proc
                data = _read(fd)
            types = extract.extract(data, where) if data else b""
    except OSError as error:
        raise KernelError.of(where, error) from None
    if not types:
        empty_error = BtfError(f"{where}: the file is empty")
        empty_error.add_note(ADVICE)
        raise empty_error
    return Btf(types, name=name or where)


def search(release: str = "") -> Btf | None:
    """Return the types of the kernel ``release`` from its vmlinux, None if no vmlinux has them.

    The release "" is that of the running kernel.
    """
    release = release or os.uname().release
    for template in _PATHS:
        path = template.format(release)
        try:
            types = read(path, "vmlinux")
        except KernelError as error:
            if error.errno != errno.ENOENT:
                _log.info("kernel types: %s", error)
        except BtfError as error:
            _log.info("kernel types: %s", error)
        else:
            _log.info("kernel types: from %s", path)
            return types
    return None


def _read(fd: Fd) -> bytes:
    with open(fd.fileno(), "rb", closefd=False) as file:
        return file.read(extract.MAX_TYPES)
