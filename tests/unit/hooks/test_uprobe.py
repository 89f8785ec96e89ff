"""The grammar of uprobe sections."""

import pytest

from beepy.hooks import Target
from beepy.hooks.uprobe import Place, parse


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("libc.so.6:getenv"), Place("libc.so.6", "getenv", 0)),
        (Target("libc.so.6:getenv+16"), Place("libc.so.6", "getenv", 16)),
        (Target("/bin/bash:readline+0x10"), Place("/bin/bash", "readline", 16)),
        (Target("/bin/bash:readline+010"), Place("/bin/bash", "readline", 8)),
        (Target("/bin/bash:+0x1000"), Place("/bin/bash", "", 4096)),
        (Target("x:memcpy@@GLIBC_2.14+4"), Place("x", "memcpy@@GLIBC_2.14", 4)),
        (Target("x:std::operator+"), Place("x", "std::operator+", 0)),
        (Target("x:operator++8"), Place("x", "operator+", 8)),
        (Target("x:f+09"), Place("x", "f+09", 0)),
        (Target("x:f+ 4"), Place("x", "f+ 4", 0)),
        (Target("x:f", binary="/y"), Place("/y", "f", 0)),
        (Target("f+2", binary="/y"), Place("/y", "f", 2)),
        (Target("f", pid=1), Place("", "f", 0)),
        (Target(), Place("", "", 0)),
    ],
)
def test_binary_function_and_offset(target: Target, expected: Place) -> None:
    assert parse(target) == expected
