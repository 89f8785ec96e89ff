"""The BPF file system: maps and programs by path, as long as the file is there."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from beepy import locks, uapi
from beepy.errors import KernelError
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe


def pin(fd: Fd, path: str, where: str) -> None:
    """Make a file that keeps the object; EEXIST if there is one."""
    text = os.fsencode(path) + b"\0"
    syscall.obj_pin(uapi.ObjPin(pathname=syscall.ptr(text), bpf_fd=fd.fileno()), f"{where}: pin at {safe(path)}")


def get(path: str, kind: str, where: str) -> Fd | None:
    """Return the object of a file, None if there is no file; ``kind`` is what it must be: map or prog."""
    text = os.fsencode(path) + b"\0"
    where = f"{where}: pinned at {safe(path)}"
    with _dots(path):
        fd = syscall.obj_get(uapi.ObjPin(pathname=syscall.ptr(text)), where)
    if fd is None:
        return None
    with ExitStack() as unless:
        unless.enter_context(fd)
        with _told(where):
            found = str(Path(f"/proc/self/fd/{fd.fileno()}").readlink())
        if found != f"anon_inode:bpf-{kind}":
            raise KernelError(f"{where}: {safe(found)}, expected a {kind}", errno.EINVAL)
        unless.pop_all()
    return fd


def unpin(path: str, where: str) -> None:
    """Remove a file, if it is still there; the object goes on as long as something else keeps it."""
    with _told(f"{where}: unpin at {safe(path)}"), suppress(FileNotFoundError):
        Path(path).unlink()


def rename(path: str, to: str, where: str) -> None:
    """Give a file another name in its folder, in the place of what has it."""
    with _told(f"{where}: pin at {safe(to)}"):
        Path(path).replace(to)


def prepare(folder: str, where: str) -> None:
    """Make the folder. Raises KernelError unless it stands in a mounted BPF file system: nothing is made elsewhere.

    As root, one that others may write is refused: they could put another map, or lock, in the place of ours.
    """
    path = Path(folder).absolute()
    with _dots(folder), _told(f"{where}: {safe(str(path))}"):
        there = next(one for one in (path, *path.parents) if one.exists())
        if _file_system(there) != "bpf":
            error = KernelError(f"{where}: {safe(str(path))}: not in a mounted BPF file system", errno.EINVAL)
            error.add_note("mount -t bpf bpf /sys/fs/bpf")
            raise error
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        mode = path.stat().st_mode
        if not os.geteuid() and mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            error = KernelError(f"{where}: {safe(str(path))}: others may write it", errno.EINVAL)
            import shlex  # noqa: PLC0415 - only on the way to an error

            error.add_note(f"chmod go-w {safe(shlex.quote(str(path)))}")
            raise error


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keep other processes that do the same out of a folder. Raises KernelError."""
    with _told(f"{safe(folder)}: lock"):
        fd = Fd(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    with fd:
        with _told(f"{safe(folder)}: lock"):
            holder = locks.wait(fd.fileno(), safe(folder))
        if holder:
            raise KernelError(f"{safe(folder)}: locked by {holder} for {locks.PATIENCE_S:g} s", errno.ETIMEDOUT)
        yield


@contextmanager
def _dots(path: str) -> Iterator[None]:
    """Add to a refusal what may be its reason."""
    try:
        yield
    except KernelError as error:
        if error.errno == errno.EPERM and "." in path:
            error.add_note("a BPF file system takes no name with a dot in it")
        raise


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Tell a refusal of the operating system as KernelError."""
    try:
        yield
    except KernelError:
        raise
    except OSError as error:
        raise KernelError.of(where, error) from error


def _file_system(path: Path) -> str:
    """Return the kind of file system that holds ``path``."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:  # noqa: PTH123
        for line in mounts:
            before, _, after = line.partition(" - ")
            if before.split()[2] == number:
                return after.split()[0]
    return ""
