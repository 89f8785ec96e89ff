"""Types of the running kernel from a file: one that the user names, or one of the usual places of its vmlinux."""

import errno
import mmap
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

ADVICE: Final = "--btf FILE gives them: BTF, a vmlinux with debug information, or an archive of BTFHub"
"""What can be done where the kernel's types are missing."""

_PLACES: Final = (  # libbpf's, in its order (btf__load_vmlinux_btf); each with uname's release
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
    """Return the types in a file: plain BTF, an ELF file with a section .BTF, an archive of BTFHub.

    ``name`` is what messages call them, else the file's. Raises BtfError for what holds none, KernelError for what
    cannot be read.
    """
    where = safe(str(path))
    try:
        with Fd(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as fd:
            data: bytes | FileBytes = FileBytes(fd.fileno())
            if not data:  # a pipe, a file of /proc
                data = _read(fd)
            types = extract.extract(data, where) if data else b""
    except OSError as error:
        raise KernelError.of(where, error) from None
    if not types:
        empty = BtfError(f"{where}: the file is empty")
        empty.add_note(ADVICE)
        raise empty
    return Btf(types, name=name or where)


def search(release: str = "") -> Btf | None:
    """Return the types of the kernel ``release`` ("": the running one) from the usual places, None if none has any."""
    release = release or os.uname().release
    for place in _PLACES:
        path = place.format(release)
        try:
            found = read(path, "vmlinux")
        except KernelError as error:
            if error.errno != errno.ENOENT:
                _log.info("kernel types: %s", error)
        except BtfError as error:
            _log.info("kernel types: %s", error)
        else:
            _log.info("kernel types: from %s", path)
            return found
    return None


def contents(path: str | Path) -> bytes | mmap.mmap:
    """Map a file of the kernel's own, which nobody can cut short, or read one that it does not map. Raises OSError.

    It maps its types from v6.16 on ("btf: Allow mmap of vmlinux btf").
    """
    with Fd(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as fd:
        try:
            return mmap.mmap(fd.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        except (OSError, ValueError):
            return _read(fd)


def _read(fd: Fd) -> bytes:
    with open(fd.fileno(), "rb", closefd=False) as file:
        return file.read(extract.MAX_TYPES)
