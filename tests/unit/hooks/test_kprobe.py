"""The grammar of kprobe sections, and the names of system calls."""

import pytest

from beepy.hooks.kprobe import native_name, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vfs_read", ("vfs_read", 0)),
        ("vfs_read+16", ("vfs_read", 16)),
        ("vfs_read+0x1F", ("vfs_read", 31)),
        ("vfs_read+020", ("vfs_read", 16)),
        ("vfs_read+0", ("vfs_read", 0)),
        ("do_fork.isra.0+4", ("do_fork.isra.0", 4)),
        ("nfs:nfs_file_read", ("nfs:nfs_file_read", 0)),
        ("", ("", 0)),
        ("vfs read", ("", 0)),
        ("vfs_read+", ("", 0)),
        ("vfs_read+08", ("", 0)),
        ("vfs_read-4", ("", 0)),
        ("vfs_read+4\n", ("", 0)),
        ("vfs/read", ("", 0)),
    ],
)
def test_function_and_offset(text: str, expected: tuple[str, int]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("name", "machine", "expected"),
    [
        ("__x64_sys_connect", "aarch64", "__arm64_sys_connect"),
        ("__x64_sys_connect", "riscv64", "__riscv_sys_connect"),
        ("__arm64_sys_connect", "x86_64", "__x64_sys_connect"),
        ("__x64_sys_connect", "x86_64", "__x64_sys_connect"),
        ("__x64_sys_connect", "loongarch64", "__x64_sys_connect"),
        ("tcp_v4_connect", "aarch64", "tcp_v4_connect"),
        ("__se_sys_connect", "aarch64", "__se_sys_connect"),
    ],
)
def test_system_calls_of_another_architecture(name: str, machine: str, expected: str) -> None:
    assert native_name(name, machine) == expected
