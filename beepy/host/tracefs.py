"""tracefs: tracepoints, functions that can be traced, and probes where the perf PMUs are missing.

It is read where it is mounted, or through a detached mount that ends with its use.
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
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC if hasattr(os, "O_DIRECTORY") else 0
_NAMED: Final = "available_filter_functions"
_ADDRESSED: Final = f"{_NAMED}_addrs"
_NAMELESS: Final = "__ftrace_invalid_address__"  # of a weak function that another one replaced


def tracepoint_id(category: str, name: str) -> int:
    """Return the number that perf_event_open takes for a tracepoint, from tracefs.

    Raises KernelError: errno ENOENT where the kernel has no such tracepoint, with similar names as advice.
    """
    where = f"tracepoint {safe(category)}/{safe(name)}"
    with _events(where) as events:
        try:
            number = os.open(_id_path(category, name), os.O_RDONLY | os.O_CLOEXEC, dir_fd=events)
        except FileNotFoundError:
            missing = KernelError(f"{where}: this kernel has none of that name", errno.ENOENT)
            similar = _similar(events, category, name)
            if similar:
                missing.add_note(f"similar ones: {', '.join(similar)}")
            raise missing from None
        except OSError as error:
            raise _refused(where, f"events/{_id_path(category, name)}", error) from error
        with open(number, encoding="ascii") as file:  # noqa: PTH123 - a descriptor
            return int(file.read())


def functions() -> Iterator[tuple[int, str]]:
    """Yield address and name of each function that can be traced, modules' included; several may share a name.

    The addresses are 0 where the kernel lists names alone: before v6.5 (83f74441bcb1, "ftrace: Show all functions
    with addresses in available_filter_functions_addrs"), and where it hides its addresses. Raises KernelError.
    """
    where = "traceable functions"
    with root(where) as folder:
        number, addressed = _listed(folder, where)
        with open(number, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - a descriptor
            for line in file:
                words = line.split(maxsplit=2)
                name = words[addressed]
                if not name.startswith(_NAMELESS):
                    yield int(words[0], 16) if addressed else 0, name


def _listed(folder: int, where: str) -> tuple[int, bool]:
    """Open the list of functions; tell whether their addresses stand before their names."""
    failed: OSError | None = None
    for name in (_ADDRESSED, _NAMED):
        try:
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder), name == _ADDRESSED
        except OSError as error:
            failed = error
    assert failed
    raise _refused(where, _NAMED, failed) from failed


def _id_path(category: str, name: str) -> str:
    """Return the path of a tracepoint's number, for names that stay below the directory of events."""
    if any("/" in part or "\0" in part or part in {"", ".", ".."} for part in (category, name)):
        raise FileNotFoundError
    return f"{category}/{name}/id"


def _similar(events: int, category: str, name: str) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    try:
        number = os.open(category, _FOLDER, dir_fd=events)
    except (OSError, ValueError):
        return [safe(f"{other}/...") for other in get_close_matches(category, os.listdir(events))]
    try:
        return [safe(f"{category}/{other}") for other in get_close_matches(name, os.listdir(number))]  # noqa: PTH208 - a descriptor
    finally:
        os.close(number)


@contextmanager
def _events(where: str) -> Iterator[int]:
    """Open tracefs' directory of events."""
    with root(where) as folder:
        try:
            number = os.open("events", _FOLDER, dir_fd=folder)
        except OSError as error:
            raise _refused(where, "events", error) from error
        try:
            yield number
        finally:
            os.close(number)


@contextmanager
def root(where: str, *, writable: bool = False) -> Iterator[int]:
    """Open tracefs' root: mounted, or else a detached mount that ends with the block. Raises KernelError."""
    number = _mounted(where)
    if number is None:
        number = _open_unmounted(where, writable=writable)
    try:
        yield number
    finally:
        os.close(number)


def _mounted(where: str) -> int | None:
    """Open tracefs where it is mounted, None if it is not. Raises KernelError where it may not be read."""
    for place in _ROOTS:
        try:
            number = os.open(place, _FOLDER)
        except PermissionError as error:
            if place == _ROOTS[0]:  # the other one may be hidden by debugfs, whatever is there
                raise _refused(where, "", error) from error
            continue
        except OSError:
            continue
        try:
            os.stat("events", dir_fd=number)  # else it is the folder that tracefs is to be mounted on
        except OSError:
            os.close(number)
            continue
        return number
    return None


def _refused(where: str, path: str, error: OSError) -> KernelError:
    """Return why something of tracefs was not opened, with advice where that is for want of privilege."""
    number = error.errno or 0
    why = f"{where}: {f'{_ROOTS[0]}/{path}'.rstrip('/')}: {errno_text(number)}"
    if number != errno.EACCES:
        return KernelError(why, number)
    refused = KernelError(f"{why}: needs CAP_DAC_READ_SEARCH, or to be readable by this user", number)
    refused.add_note(f"let your group read it: sudo mount -o remount,gid={os.getegid()},mode=0750 {_ROOTS[0]}")
    return refused


def _open_unmounted(where: str, *, writable: bool) -> int:
    try:
        try:
            with syscall.mount_detached("tracefs", where, writable=writable) as folder:
                return os.open(".", _FOLDER, dir_fd=folder.fileno())
        except KernelError as error:
            if error.errno != errno.ENOSYS:
                raise
        syscall.mount("tracefs", _ROOTS[0], where)
        _log.warning("%s: mounted tracefs at %s: this kernel cannot read it unmounted", where, _ROOTS[0])
        return os.open(_ROOTS[0], _FOLDER)
    except OSError as error:  # KernelError is one too
        failed = KernelError.of(f"{where}: tracefs is not mounted", error)
        failed.add_note(f"mount it: sudo mount -t tracefs tracefs {_ROOTS[0]}")
        raise failed from error
