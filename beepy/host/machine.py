"""Facts about the machine that runs: CPUs, version, the kernel's symbols and modules."""

import errno
import os
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from beepy.errors import KernelError
from beepy.text import safe

SYSCALL_PREFIXES: Final[Mapping[str, str]] = {
    "x86_64": "__x64_sys_",
    "aarch64": "__arm64_sys_",
    "s390x": "__s390x_sys_",
    "riscv64": "__riscv_sys_",
}
"""What the names of system calls that take a ``struct pt_regs`` begin with, by uname's machine."""

NO_SYSCALL_WRAPPER: Final = "__se_sys_"
"""What they begin with where they take their arguments as they are."""

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
        raise KernelError.of(str(_CPUS / which), error) from error


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
        raise KernelError.of("/proc/kallsyms", error) from error


def modules() -> bytes:
    """Return /proc/modules, empty where the kernel knows none: it changes with what is loaded."""
    try:
        return Path("/proc/modules").read_bytes()
    except OSError:
        return b""


def is_loaded(module: str) -> bool:
    """Tell whether a module is loaded, or built in."""
    return bool(re.fullmatch(r"\w+", module)) and Path("/sys/module", module).is_dir()


def kernel_addresses(names: Collection[str]) -> dict[str, set[int]]:
    """Return the addresses of the kernel's symbols of these names; a name may have several.

    Where ``hides_addresses`` they are all 0. Raises KernelError.
    """
    found: dict[str, set[int]] = {}
    for address, _, name in symbols():
        if name in names:
            found.setdefault(name, set()).add(int(address, 16))
    return found


def hides_addresses() -> bool:
    """Tell whether the kernel shows no address but 0 (kptr_restrict, no CAP_SYSLOG). Raises KernelError.

    A symbol's own may be 0: on x86-64 before v6.15 those of per-CPU data count from it (9d7de2aa8b41, "x86/percpu/64:
    Use relative percpu offsets").
    """
    return not any(address.strip("0") for address, _, _ in symbols())
