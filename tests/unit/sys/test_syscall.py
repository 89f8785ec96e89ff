import pytest

from beepy.sys import syscall


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("exits", b"exits"),
        ("print_exits.long_name", b"print_exits.lon"),
        ("a-b c/d", b"a_b_c_d"),
        ("größe", b"gr__e"),
        ("\udcff\x1b[0m", b"___0m"),
        ("", b""),
    ],
)
def test_object_name_replaces_what_the_kernel_refuses(name: str, seen: bytes) -> None:
    assert syscall.object_name(name) == seen
