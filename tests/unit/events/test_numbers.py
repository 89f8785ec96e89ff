import os
import signal

import pytest

from beepy.events import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-2, "-2 ENOENT"),
        (-11, "-11 EAGAIN"),
        (-35, "-35 EDEADLK"),
        (-95, "-95 EOPNOTSUPP"),
        (-512, "-512 ERESTARTSYS"),
        (-4096, "-4096"),
        (0, "0"),
        (2, "2"),
    ],
)
def test_result(value: int, text: str) -> None:
    assert numbers.result(value) == text


def test_an_errno_of_either_sign() -> None:
    assert numbers.errno(2) == "2 ENOENT"
    assert numbers.errno(-13) == "-13 EACCES"
    assert numbers.errno(0) == "0"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "O_RDONLY"),
        (os.O_CLOEXEC, "O_RDONLY|O_CLOEXEC"),
        (os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "O_WRONLY|O_CREAT|O_TRUNC"),
        (os.O_RDWR | os.O_SYNC, "O_RDWR|O_SYNC"),
        (os.O_RDWR | os.O_DSYNC, "O_RDWR|O_DSYNC"),
        (os.O_RDWR | os.O_TMPFILE, "O_RDWR|O_TMPFILE"),
        (os.O_DIRECTORY | os.O_PATH | os.O_NOFOLLOW, "O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_PATH"),
        (1 << 30, "O_RDONLY|0x40000000"),
    ],
)
def test_open_flags(value: int, text: str) -> None:
    assert numbers.open_flags(value) == text


def test_o_largefile_which_the_c_library_defines_as_0() -> None:
    bit = 0o400000 if os.uname().machine == "aarch64" else 0o100000
    assert numbers.open_flags(bit | os.O_RDWR) == "O_RDWR|O_LARGEFILE"
    flags = bit | os.O_RDWR | os.O_CREAT | os.O_CLOEXEC  # named in the order of their bits
    assert numbers.open_flags(flags) == "O_RDWR|O_CREAT|O_LARGEFILE|O_CLOEXEC"


def test_modes_are_octal() -> None:
    assert [numbers.mode(value) for value in (0, 0o644, 0o100755)] == ["0", "0644", "0100755"]


def test_signals() -> None:
    assert numbers.signal(9) == "SIGKILL"
    assert numbers.signal(signal.SIGSEGV | 0x80) == "SIGSEGV (core dumped)"
    assert [numbers.signal(value) for value in (0, 0x80, 65, 300, -1)] == [
        "0",
        "128",
        "65",
        "300",
        "-1",
    ]


def test_names_of_small_numbers() -> None:
    assert [numbers.capability(value) for value in (0, 21, 40, 41, -1)] == [
        "CAP_CHOWN",
        "CAP_SYS_ADMIN",
        "CAP_CHECKPOINT_RESTORE",
        "41",
        "-1",
    ]
    assert [numbers.family(value) for value in (2, 10, 99)] == ["AF_INET", "AF_INET6", "99"]
    assert [numbers.protocol(value) for value in (6, 17, 0)] == ["TCP", "UDP", "0"]
    assert [numbers.tcp_state(value) for value in (0, 1, 7, 10, 13, 14)] == [
        "0",
        "ESTABLISHED",
        "CLOSE",
        "LISTEN",
        "BOUND_INACTIVE",
        "14",
    ]
