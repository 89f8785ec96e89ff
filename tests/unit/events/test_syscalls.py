"""Names of system calls, against the kernel's own headers where they are installed."""

import re
from pathlib import Path

import pytest

from beepy.events.syscalls import name

X86 = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
GENERIC = Path("/usr/include/asm-generic/unistd.h")


@pytest.mark.parametrize(
    ("number", "machine", "expected"),
    [
        (0, "x86_64", "read"),
        (257, "x86_64", "openat"),
        (334, "x86_64", "rseq"),
        (56, "aarch64", "openat"),
        (260, "aarch64", "wait4"),
        (435, "aarch64", "clone3"),
        (452, "x86_64", "fchmodat2"),
        (400, "x86_64", ""),
        (0, "ppc64le", ""),
    ],
)
def test_names(number: int, machine: str, expected: str) -> None:
    assert name(number, machine) == expected


@pytest.mark.parametrize(("header", "machine"), [(X86, "x86_64"), (GENERIC, "aarch64")])
def test_the_headers_agree(header: Path, machine: str) -> None:
    if not header.is_file():
        pytest.skip(f"not installed: {header}")
    defined = re.findall(r"#define __NR_(\w+)\s+(\d+)\s*$", header.read_text(), re.MULTILINE)
    # numbers that are not calls, or only of machines with 32 bits
    skipped = {"syscalls", "arch_specific_syscall"}
    numbers = {int(n): call for call, n in defined if call not in skipped}
    known = {number: name(number, machine) for number in numbers if name(number, machine)}
    assert known == {number: call for number, call in numbers.items() if number in known}
    assert len(known) > 280
