"""The BPF file system: pin maps and programs at paths, and open them again."""

import errno
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from beepy import locks, uapi
from beepy.errors import KernelError
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe

_MAX_PINS: Final = 10_000
_DESCRIPTORS: Final = "/proc/self/fd/"


def is_mounted(directory: str) -> bool:
    """Tell whether a directory is in a mounted BPF file system."""
    try:
        return _file_system(Path(directory)) == "bpf"
    except OSError:
        return False


def mount_private() -> tuple[Fd, str]:
    """Mount a BPF file system at no path; return its root, and a path to it in this process.

    The file system ends, and what is pinned in it, when the Fd is closed. Raises KernelError:
    ENOSYS before v5.2.
    """
    fd = syscall.mount_detached("bpf", "private BPF file system", writable=True)
    return fd, f"{_DESCRIPTORS}{fd.fileno()}"


def is_private(directory: str) -> bool:
    """Tell whether a directory is the root of a BPF file system of ``mount_private``."""
    return directory.startswith(_DESCRIPTORS)


def pin(fd: Fd, path: str, where: str) -> None:
    """Pin an object at ``path``. Raises KernelError: EEXIST if the path exists."""
    text = os.fsencode(path) + b"\0"
    syscall.obj_pin(
        uapi.ObjPin(pathname=syscall.ptr(text), bpf_fd=fd.fileno()), f"{where}: pin at {safe(path)}"
    )


def get(path: str, kind: str, where: str) -> Fd | None:
    """Return the object that is pinned at ``path``, None if there is none; the caller owns it.

    ``kind`` is "map" or "prog". Raises KernelError: EINVAL if the object is of another kind.
    """
    text = os.fsencode(path) + b"\0"
    where = f"{where}: pinned at {safe(path)}"
    with _advise_on_dots(path):
        fd = syscall.obj_get(uapi.ObjPin(pathname=syscall.ptr(text)), where)
    if fd is None:
        return None
    with ExitStack() as undo:
        undo.enter_context(fd)
        with _os_errors(where):
            target = str(Path(f"/proc/self/fd/{fd.fileno()}").readlink())
        if target != f"anon_inode:bpf-{kind}":
            raise KernelError(f"{where}: {safe(target)}, expected a {kind}", errno.EINVAL)
        undo.pop_all()
    return fd


def unpin(path: str, where: str) -> None:
    """Remove a pin, if it exists; the object lives on while something else refers to it."""
    with _os_errors(f"{where}: unpin at {safe(path)}"), suppress(FileNotFoundError):
        Path(path).unlink()


def rename(path: str, new_path: str, where: str) -> None:
    """Rename a pin within its directory, replacing ``new_path`` if it exists."""
    with _os_errors(f"{where}: pin at {safe(new_path)}"):
        Path(path).replace(new_path)


def make_directory(directory: str, where: str) -> None:
    """Create a directory for pins, with its parents, unless it exists.

    Raises KernelError if it is not in a mounted BPF file system. As root, also if others may write
    to it: they could replace our pins, or keep the directory locked.
    """
    path = Path(directory).absolute()
    with _advise_on_dots(directory), _os_errors(f"{where}: {safe(str(path))}"):
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        if _file_system(existing) != "bpf":
            error = KernelError(
                f"{where}: {safe(str(path))}: not in a mounted BPF file system", errno.EINVAL
            )
            error.add_note("mount -t bpf bpf /sys/fs/bpf")
            raise error
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        mode = path.stat().st_mode
        if not os.geteuid() and mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            error = KernelError(f"{where}: {safe(str(path))}: writable by others", errno.EINVAL)
            import shlex  # noqa: PLC0415 - only on the way to an error

            error.add_note(f"chmod go-w {safe(shlex.quote(str(path)))}")
            raise error


def pins() -> Iterator[tuple[str, str, int]]:
    """Yield path, kind ("prog", "map" or "link") and id of each pin of this mount namespace.

    At most ``_MAX_PINS`` files and directories are looked at; what cannot be opened is skipped.
    """
    from beepy.host.mounts import mounts  # noqa: PLC0415 - not for a run

    # a file system that is mounted several times is walked once
    points = {mount.device: mount.point for mount in mounts() if mount.type == "bpf"}
    directories = list(points.values())
    budget = _MAX_PINS
    while directories and budget:
        try:
            with os.scandir(directories.pop()) as entries:
                # iterating over a directory that others fill need not end
                listed = sorted(itertools.islice(entries, budget), key=lambda entry: entry.path)
        except OSError:
            continue
        budget -= len(listed)
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.path)
            elif entry.is_file(follow_symlinks=False) and (pinned := _pinned(entry.path)):
                yield entry.path, *pinned


def _pinned(path: str) -> tuple[str, int] | None:
    """Return kind and id of a pinned object, None if it cannot be opened."""
    from beepy.host import fdinfo  # noqa: PLC0415 - not for a run

    text = os.fsencode(path) + b"\0"
    try:
        fd = syscall.obj_get(uapi.ObjPin(pathname=syscall.ptr(text)), f"{safe(path)}: pin")
    except KernelError:
        return None
    if fd is None:
        return None
    with fd:
        kind = fdinfo.KINDS.get(fdinfo.target(os.getpid(), fd.fileno()))
        number = fdinfo.fields(os.getpid(), fd.fileno()).get(f"{kind}_id")
        return (kind, int(number)) if kind and number else None


@contextmanager
def locked(directory: str) -> Iterator[None]:
    """Lock a directory until the block ends.

    Raises KernelError: ETIMEDOUT if another process keeps it locked.
    """
    with _os_errors(f"{safe(directory)}: lock"):
        fd = Fd(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    with fd:
        with _os_errors(f"{safe(directory)}: lock"):
            holder = locks.wait(fd.fileno(), safe(directory))
        if holder:
            raise KernelError(
                f"{safe(directory)}: locked by {holder} for {locks.PATIENCE_S:g} s", errno.ETIMEDOUT
            )
        yield


@contextmanager
def _advise_on_dots(path: str) -> Iterator[None]:
    """Add the likely reason to EPERM for a path with a dot."""
    try:
        yield
    except KernelError as error:
        if error.errno == errno.EPERM and "." in path:
            error.add_note("names in a BPF file system must not contain a dot")
        raise


@contextmanager
def _os_errors(where: str) -> Iterator[None]:
    """Raise KernelError where the block raises another OSError."""
    try:
        yield
    except KernelError:
        raise
    except OSError as error:
        raise KernelError.of(where, error) from error


def _file_system(path: Path) -> str:
    """Return the type of the file system of ``path``, "" if it is unknown."""
    from beepy.host.mounts import mounts  # noqa: PLC0415 - not for every run

    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    return next((mount.type for mount in mounts() if mount.device == number), "")
