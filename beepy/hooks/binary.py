"""The file that a uprobe or a USDT probe is put into: find it as libbpf does, and read it."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Final

from beepy.errors import AttachError, ElfError, KernelError, restated, worded
from beepy.file_bytes import ELF_MAGIC, FileBytes
from beepy.hooks import files, libraries
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.text import safe

_PROGRAM_DIRECTORIES: Final = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
_MAX_LIBRARIES: Final = 256  # files of one name that are opened


def find(name: str, pid: int | None, where: str) -> str:
    """Return the path of a program or library.

    ``name`` is a path, a program that PATH finds (``bash``), a library that ld.so finds
    (``libc.so.6``), also without its version (``libc``, as Inspektor Gadget writes), or "" for the
    program that the process ``pid`` runs. The file is looked up in the mount namespace of ``pid``:
    below /proc/PID/root if that differs from ours. Raises AttachError; its message begins with
    ``where``.
    """
    root = "" if pid is None else _root(pid, where)
    if not name:
        if pid is None:
            why = f"{where}: no binary given: expected BINARY:FUNCTION, --binary or --pid"
            raise AttachError(worded(why), errno.EINVAL)
        return f"/proc/{pid}/exe"
    if "/" in name:
        if root:
            return files.resolve_in(root, name)
        return os.path.abspath(name)  # noqa: PTH100 - must not follow symbolic links
    is_library = ".so" in name
    mode = os.R_OK | (0 if is_library else os.X_OK)
    for directory in libraries.directories(root) if is_library else _program_directories():
        path = files.resolve_in(root, f"{directory}/{name}")
        if os.path.isfile(path) and os.access(path, mode) and _is_elf(path):  # noqa: PTH113
            return path
    if library := _library(root, name, pid):
        return library
    if is_library or name.startswith("lib"):
        why = f"library '{safe(name)}': not found in the directories of ld.so"
    else:
        why = f"program '{safe(name)}': not found in PATH"
    raise AttachError(f"{where}: {why}", errno.ENOENT)


def _library(root: str, name: str, pid: int | None) -> str:
    """Return the library that libbpf would not find, "" if there is none.

    One for the architecture of the process, or of this one, is preferred.
    """
    own = _architecture(f"/proc/{'self' if pid is None else pid}/exe")
    other = ""
    for listed in islice(libraries.versions(root, name), _MAX_LIBRARIES):
        path = files.resolve_in(root, listed)
        architecture = _architecture(path) if os.path.isfile(path) else None  # noqa: PTH113
        if architecture and architecture == own:
            return path
        if architecture and not other:
            other = path
    return other


def _root(pid: int, where: str) -> str:
    """Return the prefix for the paths of a process, "" if it sees our files."""
    root = f"/proc/{pid}/root"
    try:
        theirs = [os.stat(path) for path in (f"/proc/{pid}/ns/mnt", root)]  # noqa: PTH116
        ours = [os.stat(path) for path in ("/proc/self/ns/mnt", "/proc/self/root")]  # noqa: PTH116
    except OSError as error:
        number = errno.ESRCH if isinstance(error, FileNotFoundError) else error.errno or 0
        from beepy.kernel import privilege  # noqa: PLC0415 - only on the way to an error

        refused = KernelError.of(f"{where}: process {pid}", number)
        raise AttachError.wrap(privilege.with_capability(refused, "CAP_SYS_PTRACE")) from None
    same = all(map(os.path.samestat, theirs, ours))
    return "" if same else root


def _program_directories() -> list[str]:
    from_path = [part for part in os.environ.get("PATH", "").split(":") if part]
    return from_path + list(_PROGRAM_DIRECTORIES)


def _is_elf(path: str) -> bool:
    """Tell whether a file is ELF: libc.so may be a linker script."""
    return _architecture(path) is not None


def _architecture(path: str) -> bytes | None:
    """Return class, byte order (e_ident) and e_machine of an ELF file, None if it is not ELF."""
    try:
        with files.open_nonblocking(path) as file:
            header = file.read(20)
    except OSError:
        return None
    return header[4:6] + header[18:20] if header.startswith(ELF_MAGIC) else None


@contextmanager
def opened(path: str, where: str) -> Iterator[Executable]:
    """Open and parse a file for the time of the block.

    Raises AttachError if it cannot be read or parsed. An ElfError that the block raises becomes an
    AttachError too.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(files.open_nonblocking(path))
            data = FileBytes(file.fileno())
        except OSError as error:
            raise AttachError.of(f"{where}: {safe(path)}", error) from None
        if not data:
            raise AttachError(f"{where}: {safe(path)}: the file is empty", errno.ENOEXEC)
        try:
            yield executable.read(data, safe(path))
        except ElfError as error:
            raise restated(AttachError(f"{where}: {error}", errno.ENOENT), error) from None
