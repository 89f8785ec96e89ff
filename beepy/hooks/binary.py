"""The file that a uprobe or a USDT probe is put into: found as libbpf finds it, and read."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from beepy.errors import AttachError, ElfError, KernelError, worded
from beepy.file_bytes import FileBytes
from beepy.hooks import files, libraries
from beepy.kernel.syscall import reason
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.text import safe

_PROGRAMS: Final = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")


def find(name: str, pid: int | None, where: str) -> str:
    """Return the path of a program or library: a path as it stands, ``bash`` by PATH, ``libc.so.6`` as ld.so does.

    It is looked for where the process ``pid`` sees its files: below /proc/PID/root if that is not where we see ours.
    Without a name it is the process's own program. Raises AttachError, which begins with ``where``.
    """
    root = "" if pid is None else _root(pid, where)
    if not name:
        if pid is None:
            why = f"{where}: which file is not said: expected BINARY:FUNCTION, --binary or --pid"
            raise AttachError(worded(why), errno.EINVAL)
        return f"/proc/{pid}/exe"
    if "/" in name:
        return files.inside(root, name) if root else os.path.abspath(name)  # noqa: PTH100 - symbolic links stay
    library = ".so" in name
    for folder in libraries.folders(root) if library else _program_folders():
        path = files.inside(root, f"{folder}/{name}")
        if os.path.isfile(path) and os.access(path, os.R_OK | (0 if library else os.X_OK)) and _elf(path):  # noqa: PTH113
            return path
    kind = "library" if library else "program"
    why = f"no {kind} of that name where {'ld.so' if library else 'PATH'} says: '{safe(name)}'"
    raise AttachError(f"{where}: {why}", errno.ENOENT)


def _root(pid: int, where: str) -> str:
    """Return what stands before the paths of a process, "" if it sees our files."""
    root = f"/proc/{pid}/root"
    try:
        theirs = [os.stat(path) for path in (f"/proc/{pid}/ns/mnt", root)]  # noqa: PTH116
        ours = [os.stat(path) for path in ("/proc/self/ns/mnt", "/proc/self/root")]  # noqa: PTH116
    except OSError as error:
        number = errno.ESRCH if isinstance(error, FileNotFoundError) else error.errno or 0
        from beepy.kernel import privilege  # noqa: PLC0415 - only on the way to an error

        failed = privilege.named(KernelError(f"{where}: process {pid}: {reason(number)}", number), "CAP_SYS_PTRACE")
        raise AttachError(str(failed), number) from None
    same = all(os.path.samestat(one, other) for one, other in zip(theirs, ours, strict=True))
    return "" if same else root


def _program_folders() -> list[str]:
    return [folder for folder in os.environ.get("PATH", "").split(":") if folder] + list(_PROGRAMS)


def _elf(path: str) -> bool:
    """Tell whether it is an ELF file: libc.so may be a text for the linker."""
    try:
        with files.opened(path) as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


@contextmanager
def opened(path: str, where: str) -> Iterator[Executable]:
    """Read a file for the time of the block. What is wrong with it, ElfErrors of the block too, becomes AttachError."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(files.opened(path))
            data = FileBytes(file.fileno())
        except OSError as error:
            raise AttachError(f"{where}: {safe(path)}: {reason(error.errno or 0)}", error.errno or 0) from None
        if not data:
            raise AttachError(f"{where}: {safe(path)}: the file is empty", errno.ENOEXEC)
        try:
            yield executable.read(data, safe(path))
        except ElfError as error:
            failed = AttachError(f"{where}: {error}", errno.ENOENT)
            for note in getattr(error, "__notes__", ()):
                failed.add_note(note)
            raise failed from None
