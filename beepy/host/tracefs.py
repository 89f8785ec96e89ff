"""Read tracefs: tracepoints and traceable functions; its root is also used to create probes.

It is read where it is mounted, else through a detached mount that lasts as long as it is used.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from beepy.errors import KernelError, errno_text
from beepy.log import Log
from beepy.sys import syscall
from beepy.text import safe

_log = Log(__name__)

_ROOTS: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_OPEN_DIRECTORY: Final = (
    os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC if hasattr(os, "O_DIRECTORY") else 0
)
_FUNCTIONS: Final = "available_filter_functions"
_FUNCTIONS_WITH_ADDRESSES: Final = f"{_FUNCTIONS}_addrs"
_INVALID: Final = "__ftrace_invalid_address__"  # how names of replaced weak functions begin


def tracepoint_id(category: str, name: str) -> int:
    """Return the id of a tracepoint, which perf_event_open takes as ``config``.

    Raises KernelError: ENOENT if the kernel has no such tracepoint, with similar names as a note.
    """
    where = f"tracepoint {safe(category)}/{safe(name)}"
    with _events(where) as events:
        try:
            number = os.open(_id_path(category, name), os.O_RDONLY | os.O_CLOEXEC, dir_fd=events)
        except FileNotFoundError:
            missing = KernelError(f"{where}: not found in this kernel", errno.ENOENT)
            similar = _similar(events, category, name)
            if similar:
                missing.add_note(f"similar ones: {', '.join(similar)}")
            raise missing from None
        except OSError as error:
            raise _refused(where, f"events/{_id_path(category, name)}", error) from error
        with open(number, "rb") as file:  # noqa: PTH123 - a descriptor
            return int(file.read())


def functions() -> Iterator[tuple[int, str]]:
    """Yield address and name of each traceable function, of modules too; names may repeat.

    An address is 0 if the kernel lists names only, before v6.5 (83f74441bcb1, "ftrace: Show all
    functions with addresses in available_filter_functions_addrs"), or if it hides addresses. Raises
    KernelError if tracefs cannot be read.
    """
    where = "traceable functions"
    with root(where) as directory:
        number, has_addresses = _open_functions(directory, where)
        with open(number, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - a descriptor
            for line in file:
                words = line.split(maxsplit=2)
                name = words[has_addresses]  # the first or the second word
                if not name.startswith(_INVALID):
                    yield int(words[0], 16) if has_addresses else 0, name


def _open_functions(directory: int, where: str) -> tuple[int, bool]:
    """Open the list of traceable functions; return its fd, and whether it has addresses."""
    failed: OSError | None = None
    for name in (_FUNCTIONS_WITH_ADDRESSES, _FUNCTIONS):
        try:
            number = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        except OSError as error:
            failed = error
        else:
            return number, name == _FUNCTIONS_WITH_ADDRESSES
    assert failed
    raise _refused(where, _FUNCTIONS, failed) from failed


def _id_path(category: str, name: str) -> str:
    """Return the path of a tracepoint's id file, below events/.

    Raises FileNotFoundError if a name would lead to another directory.
    """
    if any("/" in part or "\0" in part or part in {"", ".", ".."} for part in (category, name)):
        raise FileNotFoundError
    return f"{category}/{name}/id"


def _similar(events: int, category: str, name: str) -> list[str]:
    """Return similar tracepoints of the category, or similar categories if it does not exist."""
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    try:
        number = os.open(category, _OPEN_DIRECTORY, dir_fd=events)
    except (OSError, ValueError):
        return [safe(f"{other}/...") for other in get_close_matches(category, os.listdir(events))]
    try:
        names = os.listdir(number)  # noqa: PTH208 - a descriptor
    finally:
        os.close(number)
    return [safe(f"{category}/{other}") for other in get_close_matches(name, names)]


@contextmanager
def _events(where: str) -> Iterator[int]:
    """Open the directory events/ of tracefs until the block ends."""
    with root(where) as directory:
        try:
            number = os.open("events", _OPEN_DIRECTORY, dir_fd=directory)
        except OSError as error:
            raise _refused(where, "events", error) from error
        try:
            yield number
        finally:
            os.close(number)


@contextmanager
def root(where: str, *, writable: bool = False) -> Iterator[int]:
    """Open the root of tracefs until the block ends; mount it, detached, if it is not mounted.

    Raises KernelError if it can be neither read nor mounted.
    """
    number = _mounted(where)
    if number is None:
        number = _open_unmounted(where, writable=writable)
    try:
        yield number
    finally:
        os.close(number)


def _mounted(where: str) -> int | None:
    """Open tracefs where it is mounted, return None if it is not. Raises KernelError for EACCES."""
    for path in _ROOTS:
        try:
            number = os.open(path, _OPEN_DIRECTORY)
        except PermissionError as error:
            if path == _ROOTS[0]:  # debugfs denies access to the other one, mounted or not
                raise _refused(where, "", error) from error
            continue
        except OSError:
            continue
        try:
            os.stat("events", dir_fd=number)  # without it this is the empty mount point
        except OSError:
            os.close(number)
            continue
        return number
    return None


def _refused(where: str, path: str, error: OSError) -> KernelError:
    """Return the error for a file that cannot be opened, with advice if it is a permission."""
    number = error.errno or 0
    why = f"{where}: {f'{_ROOTS[0]}/{path}'.rstrip('/')}: {errno_text(number)}"
    if number != errno.EACCES:
        return KernelError(why, number)
    refused = KernelError(
        f"{why}: needs CAP_DAC_READ_SEARCH, or to be readable by this user", number
    )
    refused.add_note(
        f"let your group read it: sudo mount -o remount,gid={os.getegid()},mode=0750 {_ROOTS[0]}"
    )
    return refused


def _open_unmounted(where: str, *, writable: bool) -> int:
    """Open the root of a new detached mount; before v5.2 mount tracefs in place, with a warning."""
    try:
        try:
            with syscall.mount_detached("tracefs", where, writable=writable) as mounted:
                return os.open(".", _OPEN_DIRECTORY, dir_fd=mounted.fileno())
        except KernelError as error:
            if error.errno != errno.ENOSYS:
                raise
        syscall.mount("tracefs", _ROOTS[0], where)
        _log.warning(
            "%s: mounted tracefs at %s: this kernel cannot read it unmounted", where, _ROOTS[0]
        )
        return os.open(_ROOTS[0], _OPEN_DIRECTORY)
    except OSError as error:  # KernelError is one
        failed = KernelError.of(f"{where}: tracefs is not mounted", error)
        failed.add_note(f"mount it: sudo mount -t tracefs tracefs {_ROOTS[0]}")
        raise failed from error
