"""Values of ``.kconfig`` variables, by libbpf's rules for their types."""

from collections.abc import Callable

import pytest

from beepy.collection.externs import with_kconfig
from beepy.errors import RelocationError
from beepy.host import kconfig
from tests.support.elf import R_64_64
from tests.support.objects import EXIT, LOAD, Object

INT, U32, U64 = 1, 2, 3
SIGNED, CHAR, BOOL = 1, 2, 4


def contents(one: Object, kind: int, size: int) -> bytes:
    """Return the bytes of a variable CONFIG_A of a type."""
    one.btf.datasec(".kconfig", 0, [(one.btf.var("CONFIG_A", kind, 2), 0, size)])
    one.program(*LOAD, EXIT)
    one.calls(one.elf.symbol("CONFIG_A"), 0, type=R_64_64)
    (area,) = with_kconfig(one.parsed()).maps
    assert area.contents
    return area.contents[:size]


def of_type(name: str) -> tuple[Object, int, int]:
    """Return an object with a type of that name, its id and its size in bytes."""
    one = Object()
    makes: dict[str, Callable[[], tuple[int, int]]] = {
        "s8": lambda: (one.btf.integer("s8", 1, SIGNED), 1),
        "u8": lambda: (one.btf.integer("u8", 1, 0), 1),
        "int": lambda: (INT, 4),
        "u32": lambda: (U32, 4),
        "u64": lambda: (U64, 8),
        "s64": lambda: (one.btf.integer("s64", 8, SIGNED), 8),
        "bool": lambda: (one.btf.integer("_Bool", 1, BOOL), 1),
        "tristate": lambda: (
            one.btf.enum("libbpf_tristate", {"TRI_NO": 0, "TRI_YES": 1, "TRI_MODULE": 2}),
            4,
        ),
        "char[4]": lambda: (one.btf.array(one.btf.integer("char", 1, SIGNED), 4), 4),
        "int[2]": lambda: (one.btf.array(INT, 2), 8),
        "struct": lambda: (one.btf.struct("s", 4), 4),
    }
    kind, size = makes[name]()
    return one, kind, size


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("s8", "127", b"\x7f"),
        ("s8", "-128", b"\x80"),
        ("u8", "255", b"\xff"),
        ("int", "-1", b"\xff" * 4),
        ("u32", "0xffffffff", b"\xff" * 4),
        ("u64", "-1", b"\xff" * 8),
        ("s64", "0xffffffffffffffff", b"\xff" * 8),
        ("bool", "y", b"\1"),
        ("bool", "n", b"\0"),
        ("tristate", "m", b"\2\0\0\0"),
        ("s8", "m", b"m"),
        ("char[4]", '"ab"', b"ab\0\0"),
        ("char[4]", '"abcdef"', b"abc\0"),
        ("char[4]", '""', bytes(4)),
    ],
)
def test_values(monkeypatch: pytest.MonkeyPatch, kind: str, value: str, expected: bytes) -> None:
    monkeypatch.setattr(kconfig, "options", lambda: {"CONFIG_A": value})
    assert contents(*of_type(kind)) == expected


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("s8", "250", "250 does not fit its 1 bytes, signed"),
        ("u8", "-1", "-1 does not fit its 1 bytes, unsigned"),
        ("u8", "256", "256 does not fit its 1 bytes, unsigned"),
        ("int", "0x80000000", "2147483648 does not fit its 4 bytes, signed"),
        ("u32", "-1", "-1 does not fit its 4 bytes, unsigned"),
        ("bool", "m", "its type does not fit the option's value m"),
        ("bool", "1", "its type does not fit the option's value 1"),
        ("int", "y", "its type does not fit the option's value y"),
        ("int", '"text"', 'its type does not fit the option\'s value "text"'),
        ("tristate", "1", "its type does not fit the option's value 1"),
        ("char[4]", "y", "its type does not fit the option's value y"),
        ("int[2]", '"text"', 'its type does not fit the option\'s value "text"'),
        ("struct", "y", "its type does not fit the option's value y"),
    ],
)
def test_values_that_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, kind: str, value: str, why: str
) -> None:
    monkeypatch.setattr(kconfig, "options", lambda: {"CONFIG_A": value})
    with pytest.raises(RelocationError) as caught:
        contents(*of_type(kind))
    assert str(caught.value) == f"object: extern 'CONFIG_A': {why}"
