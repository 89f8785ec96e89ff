"""Files below one directory: no symbolic link is followed, files are written atomically."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from beepy import locks

_WALKED: Final = os.O_PATH | os.O_DIRECTORY
_READ: Final = os.O_RDONLY | os.O_NONBLOCK  # never waits for a pipe
_TEMPORARY: Final = "beepy-"


def is_temporary(name: str) -> bool:
    """Tell whether a file in ``ingest`` is one of ``temporary``."""
    return name.startswith(_TEMPORARY)


class Directory:
    """The directory ``path``, which need not exist. Methods take the components of a path below it.

    Symbolic links in ``path`` are followed, below it only with ``follows_links``: whoever may write
    there could otherwise make root read or replace any file. Everything raises OSError.
    """

    def __init__(self, path: Path, ingest: str, *, follows_links: bool = False) -> None:
        self.path = path
        self._ingest = ingest  # where files are written before they are renamed
        self._no_link = 0 if follows_links else os.O_NOFOLLOW

    def names(self) -> set[str]:
        """Return the names of its entries."""
        with (
            self._in() as directory,
            self._opened(directory, ".", os.O_RDONLY | os.O_DIRECTORY) as file,
        ):
            return set(os.listdir(file))  # noqa: PTH208 - an open directory has no path

    def read(self, *parts: str, limit: int) -> bytes:
        """Return at most ``limit`` + 1 bytes of a regular file."""
        with self.file(*parts) as file, open(file, "rb", closefd=False) as stream:
            return stream.read(limit + 1)

    @contextmanager
    def file(self, *parts: str) -> Iterator[int]:
        """Open a regular file for reading."""
        flags = _READ | self._no_link
        with (
            self._in(*parts[:-1]) as directory,
            self._opened(directory, parts[-1], flags, parts) as file,
        ):
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(self.path.joinpath(*parts)))
            yield file

    def size(self, *parts: str) -> int:
        """Return the size of a regular file, -1 for anything else."""
        with self._in(*parts[:-1]) as directory:
            status = os.stat(parts[-1], dir_fd=directory, follow_symlinks=not self._no_link)
            return status.st_size if stat.S_ISREG(status.st_mode) else -1

    def files(self, *parts: str) -> list[tuple[str, os.stat_result]]:
        """Return the regular files of a directory below it, by name."""
        files = []
        with self._in(*parts) as directory:
            with self._opened(directory, ".", os.O_RDONLY | os.O_DIRECTORY) as listed:
                names = sorted(os.listdir(listed))  # noqa: PTH208 - as above
            for name in names:
                with suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        files.append((name, status))
        return files

    def remove(self, *parts: str) -> None:
        """Remove a file; one that does not exist is removed already."""
        with self._in(*parts[:-1]) as directory, suppress(FileNotFoundError):
            os.unlink(parts[-1], dir_fd=directory)

    def make(self, *parts: str) -> None:
        """Create it and a directory below it, writable by this user only."""
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        for depth, part in enumerate(parts):
            with self._in(*parts[:depth]) as directory, suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=directory)
        with self._in(*parts):
            pass  # raises if it is a link, or not a directory

    @contextmanager
    def temporary(self) -> Iterator[tuple[int, str]]:
        """Create and open a file in ``ingest``, locked.

        It is removed at the end unless ``publish`` has renamed it.
        """
        with self._in(self._ingest) as ingest:
            while (
                True
            ):  # random names: a reused one could make sweep unlink another file than it locked
                name = f"{_TEMPORARY}{os.urandom(8).hex()}"
                file = os.open(
                    name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=ingest
                )
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file).st_nlink:  # 0: sweep has removed it before it was locked
                    break
                os.close(file)
            try:
                yield file, name
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=ingest)
                os.close(file)

    def publish(self, file: int, name: str, *parts: str, mode: int) -> None:
        """Rename a temporary file to ``parts``, replace any file there; sync file and directory."""
        os.fchmod(file, mode)
        os.fsync(file)
        with self._in(self._ingest) as ingest, self._in(*parts[:-1]) as directory:
            os.rename(name, parts[-1], src_dir_fd=ingest, dst_dir_fd=directory)
            with self._opened(directory, ".", os.O_RDONLY | os.O_DIRECTORY) as synced:
                os.fsync(synced)

    def sweep(
        self, is_wanted: Callable[[str, os.stat_result], bool], *, dry_run: bool = False
    ) -> list[tuple[str, os.stat_result]]:
        """Remove the wanted files from ``ingest``; return them, with ``dry_run`` only that.

        A file that is locked has a running writer. It is removed while it is locked: ``temporary``
        may be about to lock it.
        """
        removed = []
        with suppress(FileNotFoundError):
            for name, status in self.files(self._ingest):
                if is_wanted(name, status):
                    with suppress(OSError), self.file(self._ingest, name) as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        if not dry_run:
                            self.remove(self._ingest, name)
                        removed.append((name, status))
        return removed

    @contextmanager
    def locked(self, where: str, *parts: str, shared: bool = False) -> Iterator[None]:
        """Hold the lock of a directory; ``where`` begins messages."""
        with (
            self._in(*parts) as directory,
            self._opened(directory, ".", os.O_RDONLY | os.O_DIRECTORY) as file,
        ):
            if holder := locks.wait(file, where, shared=shared):
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"locked by {holder} for {locks.PATIENCE_S:g} s",
                    str(self.path),
                )
            yield

    @contextmanager
    def _in(self, *parts: str) -> Iterator[int]:
        """Open a directory below ``path`` as an O_PATH descriptor, for use as ``dir_fd``."""
        with ExitStack() as opened:
            file = opened.enter_context(self._opened(None, str(self.path), _WALKED))
            for depth, part in enumerate(parts, 1):
                file = opened.enter_context(
                    self._opened(file, part, _WALKED | self._no_link, parts[:depth])
                )
            yield file

    @contextmanager
    def _opened(
        self, directory: int | None, name: str, flags: int, parts: tuple[str, ...] = ()
    ) -> Iterator[int]:
        try:
            file = os.open(name, flags | os.O_CLOEXEC, dir_fd=directory)
        except OSError as error:
            error.filename = str(self.path.joinpath(*parts))
            if (
                error.errno in (errno.ELOOP, errno.ENOTDIR)
                and flags & os.O_NOFOLLOW
                and _is_link(name, directory)
            ):
                raise OSError(errno.ELOOP, "is a symbolic link", error.filename) from error
            raise
        try:
            yield file
        finally:
            os.close(file)


def _is_link(name: str, directory: int | None) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except OSError:
        return False
