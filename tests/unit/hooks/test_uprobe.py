"""The grammar of uprobe sections."""

import pytest

from beepy.hooks import Target
from beepy.hooks.uprobe import UprobeTarget, parse


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("libc.so.6:getenv"), UprobeTarget("libc.so.6", "getenv", 0)),
        (Target("libc.so.6:getenv+16"), UprobeTarget("libc.so.6", "getenv", 16)),
        (Target("/bin/bash:readline+0x10"), UprobeTarget("/bin/bash", "readline", 16)),
        (Target("/bin/bash:readline+010"), UprobeTarget("/bin/bash", "readline", 8)),
        (Target("/bin/bash:+0x1000"), UprobeTarget("/bin/bash", "", 4096)),
        (Target("x:memcpy@@GLIBC_2.14+4"), UprobeTarget("x", "memcpy@@GLIBC_2.14", 4)),
        (Target("x:std::operator+"), UprobeTarget("x", "std::operator+", 0)),
        (Target("x:operator++8"), UprobeTarget("x", "operator+", 8)),
        (Target("x:f+09"), UprobeTarget("x", "f+09", 0)),
        (Target("x:f+ 4"), UprobeTarget("x", "f+ 4", 0)),
        (Target("x:f", binary="/y"), UprobeTarget("/y", "f", 0)),
        (Target("f+2", binary="/y"), UprobeTarget("/y", "f", 2)),
        (Target("f", pid=1), UprobeTarget("", "f", 0)),
        (Target(), UprobeTarget("", "", 0)),
    ],
)
def test_binary_function_and_offset(target: Target, expected: UprobeTarget) -> None:
    assert parse(target) == expected
