"""Names of system calls, against the kernel's own headers where they are installed."""

import re
from pathlib import Path

import pytest

from beepy.syscall_names import of

X86 = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
GENERIC = Path("/usr/include/asm-generic/unistd.h")


def test_names() -> None:
    assert [of("x86_64")[number] for number in (0, 59, 231, 321, 424, 471)] == [
        "read",
        "execve",
        "exit_group",
        "bpf",
        "pidfd_send_signal",
        "rseq_slice_yield",
    ]
    assert [of("aarch64")[number] for number in (0, 93, 280, 424)] == [
        "io_setup",
        "exit",
        "bpf",
        "pidfd_send_signal",
    ]
    assert of("riscv64")[259] == "riscv_flush_icache"
    assert of("m68k") == {}


@pytest.mark.parametrize(
    ("number", "machine", "expected"),
    [
        (0, "x86_64", "read"),
        (257, "x86_64", "openat"),
        (334, "x86_64", "rseq"),
        (56, "aarch64", "openat"),
        (260, "aarch64", "wait4"),
        (435, "aarch64", "clone3"),
        (435, "loongarch64", "clone3"),
        (452, "x86_64", "fchmodat2"),
        (400, "x86_64", ""),
        (0, "ppc64le", ""),
    ],
)
def test_single_numbers(number: int, machine: str, expected: str) -> None:
    assert of(machine).get(number, "") == expected


@pytest.mark.skipif(not X86.exists(), reason="no headers of x86-64")
def test_the_kernels_own_numbers() -> None:
    definitions = re.findall(r"#define __NR_(\w+) (\d+)", X86.read_text())
    assert {int(number): name for name, number in definitions}.items() <= of("x86_64").items()


@pytest.mark.parametrize(("header", "machine"), [(X86, "x86_64"), (GENERIC, "aarch64")])
def test_the_headers_agree(header: Path, machine: str) -> None:
    if not header.is_file():
        pytest.skip(f"not installed: {header}")
    defined = re.findall(r"#define __NR_(\w+)\s+(\d+)\s*$", header.read_text(), re.MULTILINE)
    # numbers that are not calls, or only of machines with 32 bits
    skipped = {"syscalls", "arch_specific_syscall"}
    numbers = {int(number): call for call, number in defined if call not in skipped}
    known = {number: of(machine)[number] for number in numbers if number in of(machine)}
    assert known == {number: call for number, call in numbers.items() if number in known}
    assert len(known) > 280
