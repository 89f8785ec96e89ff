"""Facts about the machine that runs: CPUs, version, tracepoints."""

import errno
import logging
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from beepy.errors import KernelError
from beepy.kernel import syscall
from beepy.text import safe

_log = logging.getLogger(__name__)

_TRACEFS: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC if hasattr(os, "O_DIRECTORY") else 0


_CPUS: Final = Path("/sys/devices/system/cpu")


@cache
def possible_cpus() -> int:
    """Return how many CPUs the kernel makes room for: the slots of a per-CPU value. Raises KernelError."""
    return len(_cpus("possible"))


def online_cpus() -> tuple[int, ...]:
    """Return the numbers of the CPUs that run now. Raises KernelError."""
    return _cpus("online")


def _cpus(which: str) -> tuple[int, ...]:
    try:
        return parse_cpus((_CPUS / which).read_text("ascii"))
    except OSError as error:
        raise KernelError(f"{_CPUS / which}: {syscall.reason(error.errno or 0)}", error.errno or 0) from error


def parse_cpus(listed: str) -> tuple[int, ...]:
    """Return the numbers of the CPUs that a list such as "0-3,8" names."""
    try:
        ranges = [part.partition("-") for part in listed.strip().split(",")]
        return tuple([cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1)])
    except ValueError:
        raise KernelError(f"CPUs: '{safe(listed.strip())}': expected a list such as 0-3", errno.EINVAL) from None


@cache
def release() -> tuple[int, int, int]:
    """Return (major, minor, patch) of LINUX_VERSION_CODE, as libbpf's ``get_kernel_version`` finds them.

    uname's release is not enough: Debian and Ubuntu put an ABI number there and the version elsewhere.
    """
    try:
        signature = Path("/proc/version_signature").read_text("utf-8", "replace")
    except OSError:
        signature = ""
    name = os.uname()
    return parse_release(name.release, name.version, signature)


def version() -> str:
    """Return ``release`` as text: "6.18.44"."""
    return ".".join(map(str, release()))


def parse_release(release: str, version: str = "", signature: str = "") -> tuple[int, int, int]:
    """Return (major, minor, patch) from uname's two texts and Ubuntu's /proc/version_signature ("": not there)."""
    ubuntu = re.match(r"\S+ \S+ (\d+)\.(\d+)\.(\d+)", signature)
    debian = re.search(r"Debian (\d+)\.(\d+)\.(\d+)", version)
    found = ubuntu or debian or re.match(r"(\d+)\.(\d+)\.(\d+)", release)
    if not found:
        raise KernelError(f"kernel release: '{safe(release)}': expected three numbers", errno.EINVAL)
    return int(found[1]), int(found[2]), int(found[3])


def version_code(release: tuple[int, int, int]) -> int:
    """Return LINUX_VERSION_CODE of a release; the kernel stops counting patches at 255."""
    major, minor, patch = release
    return (major << 16) + (minor << 8) + min(patch, 255)


def symbols() -> Iterator[tuple[str, str, str]]:
    """Yield address (hexadecimal), kind as nm(1) has it, and name of the kernel's symbols, its modules' included.

    They are those of /proc/kallsyms, several MB of it. Raises KernelError.
    """
    try:
        with open("/proc/kallsyms", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 - line by line
            for line in lines:
                address, kind, name, *_ = line.split(maxsplit=3)
                yield address, kind, name
    except OSError as error:
        raise KernelError(f"/proc/kallsyms: {syscall.reason(error.errno or 0)}", error.errno or 0) from error


def modules() -> bytes:
    """Return /proc/modules, empty where the kernel knows none: it changes with what is loaded."""
    try:
        return Path("/proc/modules").read_bytes()
    except OSError:
        return b""


def kernel_addresses(names: Collection[str]) -> dict[str, set[int]]:
    """Return the addresses of the kernel's symbols of these names; a name may have several.

    Where the kernel hides its addresses (kptr_restrict, no CAP_SYSLOG) they are 0. Raises KernelError.
    """
    found: dict[str, set[int]] = {}
    for address, _, name in symbols():
        if name in names:
            found.setdefault(name, set()).add(int(address, 16))
    return found


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
            raise KernelError(f"{where}: {syscall.reason(error.errno or 0)}", error.errno or 0) from error
        with open(number, encoding="ascii") as file:  # noqa: PTH123 - a descriptor
            return int(file.read())


def traceable_functions() -> Iterator[str]:
    """Yield the names of the functions that fprobes can trace, modules' included, from tracefs; some come twice.

    Raises KernelError.
    """
    where = "traceable functions"
    with tracefs(where) as root:
        try:
            number = os.open("available_filter_functions", os.O_RDONLY | os.O_CLOEXEC, dir_fd=root)
        except OSError as error:
            raise KernelError(f"{where}: {syscall.reason(error.errno or 0)}", error.errno or 0) from error
        with open(number, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - a descriptor
            yield from (line.split(maxsplit=1)[0] for line in file)


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
    with tracefs(where) as root:
        number = os.open("events", _FOLDER, dir_fd=root)
        try:
            yield number
        finally:
            os.close(number)


@contextmanager
def tracefs(where: str, *, writable: bool = False) -> Iterator[int]:
    """Open tracefs' root: mounted, or else a detached mount that ends with the block. Raises KernelError."""
    number = _mounted()
    if number is None:
        number = _open_unmounted(where, writable=writable)
    try:
        yield number
    finally:
        os.close(number)


def _mounted() -> int | None:
    for root in _TRACEFS:
        try:
            number = os.open(root, _FOLDER)
        except OSError:
            continue
        try:
            os.stat("events", dir_fd=number)  # else it is the folder that tracefs is to be mounted on
        except OSError:
            os.close(number)
            continue
        return number
    return None


def _open_unmounted(where: str, *, writable: bool) -> int:
    try:
        try:
            with syscall.mount_detached("tracefs", where, writable=writable) as root:
                return os.open(".", _FOLDER, dir_fd=root.fileno())
        except KernelError as error:
            if error.errno != errno.ENOSYS:
                raise
        syscall.mount("tracefs", _TRACEFS[0], where)
        _log.warning("%s: mounted tracefs at %s: this kernel cannot read it unmounted", where, _TRACEFS[0])
        return os.open(_TRACEFS[0], _FOLDER)
    except OSError as error:  # KernelError is one too
        failed = KernelError(f"{where}: tracefs: {syscall.reason(error.errno or 0)}", error.errno or 0)
        failed.add_note(f"mount -t tracefs tracefs {_TRACEFS[0]}")
        raise failed from error
