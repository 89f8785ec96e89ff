import re
from pathlib import Path

import pytest

from beepy.syscall_names import of

HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


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


@pytest.mark.skipif(not HEADER.exists(), reason="no headers of x86-64")
def test_the_kernels_own_numbers() -> None:
    found = re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text())
    assert {int(number): name for name, number in found}.items() <= of("x86_64").items()
