import struct

import pytest

from beepy.errors import UsageError
from beepy.events.variables import apply
from beepy.obj.spec import Value
from tests.support.variables import Variables


def after(name: str, value: Value) -> bytes:
    """Return the variable's bytes once it is set; all others must have stayed."""
    spec = Variables().spec()
    bare = name.rpartition(":")[2]
    variable = max(
        [known for known in spec.variables if bare.startswith(known.name)],
        key=lambda known: len(known.name),
    )
    changed = apply(spec, {name: value})
    contents = changed.maps[0].contents
    assert contents is not None
    start, end = variable.offset, variable.offset + variable.size
    assert contents[:start] + contents[end:] == b"\xee" * (len(contents) - variable.size)
    assert changed._replace(maps=spec.maps) == spec
    assert changed.maps[1:] == spec.maps[1:]
    return contents[start:end]


@pytest.mark.parametrize(
    ("name", "value", "code", "number"),
    [
        ("small", "255", "B", 255),
        ("small", "'a'", "B", 97),
        ("number", "0xFFFFFFFF", "I", 0xFFFFFFFF),
        ("number", " 010 ", "I", 10),
        ("number", 7, "I", 7),
        ("signed", "-2147483648", "i", -(1 << 31)),
        ("signed", "-0x10", "i", -16),
        ("tiny", "-128", "b", -128),
        ("letter", "x", "b", 120),
        ("letter", "'7'", "b", 55),
        ("letter", "7", "b", 7),
        ("large", "18446744073709551615", "Q", (1 << 64) - 1),
        ("large", "10ms", "Q", 10_000_000),
        ("large", "1h2m3.000000001s", "Q", 3_723_000_000_001),
        ("latency", "1.5s", "Q", 1_500_000_000),
        ("latency", "250µs", "Q", 250_000),
        ("latency", "42", "Q", 42),
        ("min_us", "10ms", "Q", 10_000),
        ("min_us", "10", "Q", 10),
        ("wait_ms", "2s", "I", 2000),
        ("waits_ms[1]", "2s", "4xI", 2000),
        ("flag", "true", "?", True),
        ("flag", "Off", "?", False),
        ("flag", True, "?", True),
        ("colour", "GREEN", "I", 5),
        ("colour", "GREEN|BLUE", "I", 13),
        ("colour", "77", "I", 77),
        ("sign", "MINUS", "i", -1),
        ("wide", "LAST", "Q", 1 << 63),
        ("ratio", "0.25", "d", 0.25),
        ("ratio", 2, "d", 2.0),
        ("loop.count", "3", "I", 3),
        ("loop.other", "4", "I", 4),
        (".data:twice", "5", "I", 5),
    ],
)
def test_numbers_characters_and_durations(
    name: str, value: Value, code: str, number: float
) -> None:
    raw = after(name, value)
    if "x" in code:
        raw = bytes(4) + raw[4:]
    assert raw == struct.pack(f"<{code}", number)


@pytest.mark.parametrize(
    ("name", "value", "raw"),
    [
        ("name", "bash", b"bash\0\0\0\0"),
        ("name", "", bytes(8)),
        ("name", "a,b[1]", b"a,b[1]\0\0"),
        ("name", "é\udcff", b"\xc3\xa9\xff\0\0\0\0\0"),
        ("name", b"12345678", b"12345678"),
        ("mac", "[0x52, 0x54]", b"\x52\x54\0\0\0\0"),
        ("mac", b"\1\2", b"\1\2\0\0\0\0"),
        ("mac", "", bytes(6)),
        ("table", "1,2,3,4", struct.pack("4I", 1, 2, 3, 4)),
        ("table", [7], struct.pack("4I", 7, 0, 0, 0)),
        ("matrix", "[[1,2],[3]]", b"\1\2\3\0"),
        ("matrix", [(1,), (2, 3)], b"\1\0\2\3"),
        ("source", "10.0.0.1", b"\x0a\0\0\1"),
        ("source", "1", b"\1\0\0\0"),
        ("target", "fe80::1", b"\xfe\x80" + bytes(13) + b"\1"),
        ("huge", str(1 << 127), bytes(15) + b"\x80"),
    ],
)
def test_texts_arrays_and_addresses(name: str, value: Value, raw: bytes) -> None:
    assert after(name, value) == raw


def test_members_and_bitfields() -> None:
    kept = b"\xee" * 24
    assert after("points[1].x", "-1") == kept[:12] + b"\xff" * 4 + kept[:8]
    assert after("points[0].tag", "abc") == kept[:8] + b"abc\0" + kept[:12]
    low = 0xEE & ~7 | 5
    assert after("points[0].low", "5") == kept[:4] + bytes([low]) + kept[:19]
    high = 0xEE & 7 | (-16 & 0x1F) << 3
    assert after("points[0].high", -16) == kept[:4] + bytes([high]) + kept[:19]
    both: Value = [{"x": 1, "tag": "t"}]
    assert after("points", both) == struct.pack("<iI4s", 1, 0, b"t") + bytes(12)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        (
            "small",
            "256",
            r"variable 'small' \(unsigned char\): '256': expected a number from 0 to 255$",
        ),
        ("number", "-1", "expected a number from 0 to 4294967295$"),
        ("number", "1s", "expected a number from 0 to 4294967295$"),
        ("number", 1.5, r"\(unsigned int\): '1.5': expected a number"),
        ("signed", "2147483648", "expected a number from -2147483648 to 2147483647$"),
        (
            "large",
            "soon",
            "expected a number from 0 to 18446744073709551615, or a duration such as 10ms$",
        ),
        ("large", "10000000h", "expected a number"),
        (
            "min_us",
            "10ns",
            "'10ns': expected a multiple of its unit, 1000 ns",
        ),
        ("flag", "2", r"\(_Bool\): '2': expected true or false"),
        ("flag", 1.0, "expected true or false"),
        (
            "colour",
            "PINK",
            r"\(enum colour\): 'PINK': expected one of RED, GREEN, BLUE, or a number from 0 to 4",
        ),
        (
            "name",
            "12345678",
            r"\(char_t\[8\]\): '12345678': expected a text of at most 7 bytes, not 8",
        ),
        ("name", b"123456789", "expected at most 8 bytes, not 9"),
        (
            "table",
            "1,2,3,4,5",
            r"\(unsigned int\[4\]\): '1,2,3,4,5': expected at most 4 values, not 5",
        ),
        ("table", "1,x", r"variable 'table\[1\]' \(unsigned int\): 'x': expected a number"),
        ("table", "1,,2", "'': expected a number"),
        ("table", 5, "expected at most 4 values, such as 1,2,3"),
        ("source", "10.0.0", r"\(ipv4_addr\): '10.0.0': expected an address such as 10.0.0.1"),
        ("target", "10.0.0.1", "expected an address such as fe80::1"),
        ("ratio", "much", "expected a number that a float of 8 bytes holds"),
        ("pointer", "0", "expected a type that can be set"),
        ("points", "1,2", r"expected one of its members to be set: points\[0\].x, points\[0\].low"),
        ("points[0]", {"z": 1}, "'z': expected one of its members: x, low, high, tag"),
        ("points[0].low", "8", r"\(unsigned int:3\): '8': expected a number from 0 to 7"),
        ("points[0].high", "16", "expected a number from -16 to 15"),
        ("points[0].low", b"\1", "expected 4 bytes, not 1"),
        ("points[2].x", "1", r"variable 'points': struct point\[2\] has no \[2\]"),
        ("points[0].z", "1", r"variable 'points\[0\]': struct point has no z"),
        ("number.x", "1", "variable 'number': unsigned int has no x"),
        (
            "points[0]x",
            "1",
            r"variable 'points\[0\]x': expected .member or \[number\] after its name",
        ),
        ("twice", "1", r"variable 'twice': 2 of that name: expected .data:twice or .bss:twice"),
        ("number", "9" * 50, r"'9{40}\.\.\.': expected a number"),
    ],
)
def test_values_that_do_not_fit_are_refused(name: str, value: Value, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        apply(Variables().spec(), {name: value})
