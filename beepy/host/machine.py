"""Read this machine's CPUs and this kernel's release, symbols and modules."""

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
"""The prefix of functions of system calls that take a ``struct pt_regs``, by uname's machine."""

NO_SYSCALL_WRAPPER: Final = "__se_sys_"
"""The prefix where they take their arguments directly (no CONFIG_ARCH_HAS_SYSCALL_WRAPPER)."""

_CPUS: Final = Path("/sys/devices/system/cpu")


@cache
def possible_cpus() -> int:
    """Return the number of possible CPUs, which is that of the slots of a per-CPU value.

    Raises KernelError if sysfs cannot be read.
    """
    return len(_cpus("possible"))


def online_cpus() -> tuple[int, ...]:
    """Return the numbers of the online CPUs. Raises KernelError if sysfs cannot be read."""
    return _cpus("online")


def _cpus(file: str) -> tuple[int, ...]:
    try:
        return parse_cpus((_CPUS / file).read_text("ascii"))
    except OSError as error:
        raise KernelError.of(str(_CPUS / file), error) from error


def parse_cpus(text: str) -> tuple[int, ...]:
    """Return the numbers in a list such as "0-3,8". Raises KernelError if it is malformed."""
    try:
        ranges = [part.partition("-") for part in text.strip().split(",")]
        return tuple(
            [cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1)]
        )
    except ValueError:
        raise KernelError(
            f"CPUs: '{safe(text.strip())}': expected a list such as 0-3", errno.EINVAL
        ) from None


@cache
def release() -> tuple[int, int, int]:
    """Return (major, minor, patch) of the running kernel's LINUX_VERSION_CODE.

    As in libbpf's get_kernel_version, uname's release is not enough: Debian and Ubuntu put an ABI
    number there and the version elsewhere. Raises KernelError if no version is found.
    """
    try:
        signature = Path("/proc/version_signature").read_text("utf-8", "replace")
    except OSError:
        signature = ""
    name = os.uname()
    return parse_release(name.release, name.version, signature)


def version() -> str:
    """Return ``release()`` as text: "6.18.44"."""
    return ".".join(map(str, release()))


def parse_release(release: str, version: str = "", signature: str = "") -> tuple[int, int, int]:
    """Return (major, minor, patch) from uname's texts and Ubuntu's /proc/version_signature.

    ``signature`` is "" if that file does not exist. Raises KernelError if no version is found.
    """
    ubuntu = re.match(r"\S+ \S+ (\d+)\.(\d+)\.(\d+)", signature)
    debian = re.search(r"Debian (\d+)\.(\d+)\.(\d+)", version)
    match = ubuntu or debian or re.match(r"(\d+)\.(\d+)\.(\d+)", release)
    if not match:
        raise KernelError(
            f"kernel release: '{safe(release)}': expected three numbers", errno.EINVAL
        )
    return int(match[1]), int(match[2]), int(match[3])


def version_code(release: tuple[int, int, int]) -> int:
    """Return LINUX_VERSION_CODE of a release; as in the kernel, a patch level is at most 255."""
    major, minor, patch = release
    return (major << 16) + (minor << 8) + min(patch, 255)


def symbols() -> Iterator[tuple[str, str, str]]:
    """Yield address (hexadecimal), type (as in nm(1)) and name of each symbol, of modules too.

    This reads several MB from /proc/kallsyms. Raises KernelError if it cannot be read.
    """
    try:
        with open("/proc/kallsyms", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 - line by line
            for line in lines:
                address, kind, name, *_ = line.split(maxsplit=3)
                yield address, kind, name
    except OSError as error:
        raise KernelError.of("/proc/kallsyms", error) from error


def modules() -> bytes:
    """Return the contents of /proc/modules, empty if there is no such file (CONFIG_MODULES).

    They change when a module is loaded or unloaded.
    """
    try:
        return Path("/proc/modules").read_bytes()
    except OSError:
        return b""


def is_loaded(module: str) -> bool:
    """Return whether a module is loaded or built in."""
    return bool(re.fullmatch(r"\w+", module)) and Path("/sys/module", module).is_dir()


def kernel_addresses(names: Collection[str]) -> dict[str, set[int]]:
    """Return the addresses of the kernel symbols ``names``; a name may have several.

    They are all 0 if ``hides_addresses()``. Raises KernelError if the symbols cannot be read.
    """
    addresses: dict[str, set[int]] = {}
    for address, _, name in symbols():
        if name in names:
            addresses.setdefault(name, set()).add(int(address, 16))
    return addresses


def hides_addresses() -> bool:
    """Return whether the kernel shows all addresses as 0 (kptr_restrict, no CAP_SYSLOG).

    One address of 0 proves nothing: on x86-64 before v6.15, per-CPU symbols are offsets from 0
    (9d7de2aa8b41, "x86/percpu/64: Use relative percpu offsets"). Raises KernelError if the symbols
    cannot be read.
    """
    return not any(address.strip("0") for address, _, _ in symbols())
