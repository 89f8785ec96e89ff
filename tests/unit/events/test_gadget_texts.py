"""Numbers as Inspektor Gadget's tools write them."""

import re
import time

import pytest

from beepy.events import gadget_texts


@pytest.mark.parametrize(
    ("function", "number", "text"),
    [
        ("signal", 9, "SIGKILL"),
        ("signal", 0, "signal#0"),
        ("signal", 4_000_000_000, "signal#4000000000"),
        ("errno", 2, "ENOENT"),
        ("errno", 0, ""),
        ("errno", 4_000, "error#4000"),
        ("syscall", 1 << 60, "SYS_UNKNOWN"),
        ("protocol", 6, "TCP"),
        ("protocol", 250, "proto#250"),
        ("size", 0, "0 B"),
        ("size", 999, "999 B"),
        ("size", 4096, "4.1 kB"),
        ("size", 82_854_982, "83 MB"),
        ("size", (1 << 64) - 1, "18 EB"),
        ("duration", 12, "12ns"),
        ("duration", 1_500, "1.50µs"),
        ("duration", 20_250_000, "20.25ms"),
        ("duration", 61_000_000_000, "1m1s"),
        ("file_mode", 0o644, "-rw-r--r--"),
        ("file_mode", 0o100755, "-rwxr-xr-x"),
        ("file_flags", 0o101, "O_WRONLY|O_CREAT"),
        ("timestamp", 0, ""),
    ],
)
def test_texts(function: str, number: int, text: str) -> None:
    assert getattr(gadget_texts, function)(number) == text


def test_a_time_since_the_boot_is_the_wall_clock() -> None:
    text = gadget_texts.timestamp(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", text)
    assert gadget_texts.timestamp((1 << 64) - 1).startswith("26")  # the largest does not overflow
