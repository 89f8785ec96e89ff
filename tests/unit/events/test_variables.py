import struct

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import Kind, TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import BeepyError, BtfError, UsageError
from beepy.events.variables import apply, apply_all, pid_variable, settable, settings
from beepy.obj.spec import CollectionSpec, MapSpec, Value, VariableSpec
from beepy.uapi import MapType

SIZE = 512


class Object:
    """Types, and variables one after the other in .data, each at a multiple of 16."""

    def __init__(self) -> None:
        self.writer = writer = BtfWriter()
        u8, self.u32 = writer.integer("unsigned char", 1, 0), writer.integer("unsigned int", 4, 0)
        self.u64, self.s32, self.s8 = (
            writer.integer("unsigned long", 8, 0),
            writer.integer("int", 4, 1),
            writer.integer("signed char", 1, 1),
        )
        char, self.bool = writer.integer("char", 1, 1), writer.integer("_Bool", 1, 4)
        u128 = writer.integer("unsigned __int128", 16, 0)
        self.variables: list[VariableSpec] = []
        self.end = 0
        self.add("small", u8, 1)
        self.add("number", writer.const(writer.volatile(self.u32)), 4)
        self.add("large", self.u64, 8)
        self.add("min_us", self.u64, 8)
        self.add("wait_ms", self.u32, 4)
        self.add("huge", u128, 16)
        self.add("signed", self.s32, 4)
        self.add("tiny", self.s8, 1)
        self.add("letter", char, 1)
        self.add("flag", self.bool, 1)
        self.add("latency", writer.typedef("duration", self.u64), 8)
        self.add("colour", writer.enum("colour", {"RED": 0, "GREEN": 5, "BLUE": 8}), 4)
        self.add("sign", writer.enum("sign", {"MINUS": -1, "PLUS": 1}, signed=True), 4)
        self.add("wide", writer.enum64("wide", {"ONE": 1, "LAST": 1 << 63}), 8)
        self.add("name", writer.array(writer.typedef("char_t", char), 8), 8)
        self.add("mac", writer.array(u8, 6), 6)
        self.add("table", writer.array(self.u32, 4), 16)
        self.add("matrix", writer.array(writer.array(u8, 2), 2), 4)
        self.add("waits_ms", writer.array(self.u32, 2), 8)
        self.add("source", writer.typedef("ipv4_addr", self.u32), 4)
        self.add("target", writer.typedef("ipv6_addr", writer.array(u8, 16)), 16)
        self.add("ratio", writer.real("double", 8), 8)
        self.add("pointer", writer.ptr(self.u32), 8)
        inner = writer.struct("", 4, [("low", self.u32, 0, 3), ("high", self.s32, 3, 5)])
        point = writer.struct(
            "point", 12, [("x", self.s32, 0), ("", inner, 32), ("tag", writer.array(char, 4), 64)]
        )
        self.add("points", writer.array(point, 2), 24)
        self.add("loop.count", self.u32, 4)
        self.add("loop", writer.struct("loop", 4, [("other", self.u32, 0)]), 4)
        self.add("twice", self.u32, 4)
        self.variables.append(VariableSpec("twice", ".bss", self.u32, 4, 4, False))
        self.variables.append(VariableSpec("CONFIG_HZ", ".kconfig", self.u32, 0, 4, True))
        self.add("folded", writer.const(self.u32), 4)

    def add(self, name: str, type_id: TypeId, size: int) -> None:
        self.variables.append(VariableSpec(name, ".data", type_id, self.end, size, False))
        self.end += 16 * -(-size // 16)

    def spec(self, name: str = "object") -> CollectionSpec:
        data = MapSpec(".data", ".data", MapType.ARRAY, 4, SIZE, 1, contents=b"\xee" * self.end)
        bss = MapSpec(".bss", ".bss", MapType.ARRAY, 4, 8, 1, contents=b"")
        kconfig = MapSpec(".kconfig", ".kconfig", MapType.ARRAY, 4, 4, 1, contents=b"")
        variables = tuple(self.variables)
        return CollectionSpec(
            name, "GPL", (), (data, bss, kconfig), variables, (), Btf(self.writer.data())
        )


def after(name: str, value: Value) -> bytes:
    """Return the variable's bytes once it is set; all others must have stayed."""
    spec = Object().spec()
    bare = name.rpartition(":")[2]
    variable = max(
        [one for one in spec.variables if bare.startswith(one.name)], key=lambda one: len(one.name)
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
def test_numbers(name: str, value: Value, code: str, number: float) -> None:
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


def test_members() -> None:
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
            r"\(enum colour\): 'PINK': expected one of RED, GREEN, BLUE, or a number from 0 to 42949",
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
def test_what_does_not_fit(name: str, value: Value, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        apply(Object().spec(), {name: value})


def test_bss_grows_as_far_as_needed() -> None:
    assert apply(Object().spec(), {".bss:twice": "1"}).maps[1].contents == b"\0\0\0\0\1\0\0\0"


def test_unknown_variables_are_told_which_there_are() -> None:
    with pytest.raises(UsageError, match="variable 'numbr\\\\x1b': not found in object") as caught:
        apply(Object().spec(), {"numbr\x1b": "1"})
    similar, listed = caught.value.__notes__
    assert similar == "similar ones: number"
    assert listed.startswith("variables: colour, flag, folded, huge, large,")
    assert "CONFIG_HZ" not in listed
    with pytest.raises(UsageError):
        apply(Object().spec(), {"CONFIG_HZ": "1"})
    empty = Object().spec()._replace(variables=())
    with pytest.raises(UsageError) as caught:
        apply(empty, {"x": "1"})
    assert caught.value.__notes__ == ["it has no variables"]


def test_of_several_objects_one_must_know_it() -> None:
    known, other = Object().spec("one"), Object().spec("two")._replace(variables=())
    first, second = apply_all((known, other), {"number": "3"})
    assert second == other
    assert first != known
    with pytest.raises(UsageError, match="not found in one, two"):
        apply_all((known, other), {"nothing": "3"})


def test_a_constant_may_be_in_the_code_already(caplog: pytest.LogCaptureFixture) -> None:
    apply(Object().spec(), {"number": "1"})
    assert not caplog.records
    apply(Object().spec(), {"folded": "1"})
    assert "variable 'folded': const but not volatile" in caplog.text


def test_settable() -> None:
    assert "CONFIG_HZ" not in {one.name for one in settable(Object().spec())}


def test_settings() -> None:
    assert settings(["a=1", " b =x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in ("a", "=1"):
        with pytest.raises(UsageError, match=r"--set '.*': expected NAME=VALUE"):
            settings([wrong])


def test_malformed_types() -> None:
    writer = BtfWriter()
    u32 = writer.integer("u32", 4, 0)
    far = writer.struct("far", 4, [("x", u32, 64)])
    loop = writer.struct("loop", 4, [("", TypeId(far + 1), 0)])
    void = writer.const(0)
    variables = [("far", far, 4), ("loop", loop, 4), ("wrong", u32, 8), ("void", void, 4)]
    specs = tuple(
        [VariableSpec(name, ".data", type_id, 0, size, False) for name, type_id, size in variables]
    )
    data = MapSpec(".data", ".data", MapType.ARRAY, 4, 8, 1, contents=bytes(8))
    spec = CollectionSpec("object", "GPL", (), (data,), specs, (), Btf(writer.data()))
    for name in ("far.x", "loop.x", "wrong", "void", "loop"):
        with pytest.raises(BeepyError):
            apply(spec, {name: "1"})
    with pytest.raises(BtfError, match="its section does not hold it"):
        apply(spec._replace(maps=()), {"far": "1"})


def _one(
    writer: BtfWriter, type_id: int, size: int, section: str = ".data", offset: int = 0
) -> CollectionSpec:
    area = MapSpec(section, section, MapType.ARRAY, 4, offset + size, 1, contents=b"")
    variable = VariableSpec("level", section, TypeId(type_id), offset, size, False)
    return CollectionSpec(
        "object", "GPL", (), (area,), (variable,), (), Btf(writer.data(), name="object")
    )


@pytest.mark.parametrize("value", ["1", 1, "A", "true"])
@pytest.mark.parametrize(
    ("kind", "size", "words", "bits"),
    [
        (Kind.INT, 4, [1 << 24], 0),  # signed
        (Kind.INT, 4, [0], 0),
        (Kind.INT, 4, [4 << 24], 0),  # bool
        (Kind.INT, 4, [1 << 24 | 33], 33),
        (Kind.INT, 32, [1 << 24 | 255], 255),
        (Kind.INT, 0, [1 << 24 | 8], 8),
        (Kind.ENUM, 0, [], 0),
        (Kind.ENUM, 1 << 20, [], 1 << 23),
    ],
)
def test_integers_of_no_bits_or_too_many(
    value: Value, kind: Kind, size: int, words: list[int], bits: int
) -> None:
    writer = BtfWriter()
    odd = writer.add(kind, "odd", size, words, flag=kind is Kind.ENUM)
    with pytest.raises(
        BtfError, match=rf"variable 'level': type (enum )?odd: {bits} bits in {size} bytes"
    ):
        apply(_one(writer, odd, size), {"level": value})


def test_structs_in_structs() -> None:
    writer = BtfWriter()
    last = writer.struct("s", 8, [("a", writer.integer(), 0)])
    for _ in range(30):
        last = writer.union("", 8, [("", last, 0), ("", last, 0)])
    spec = _one(writer, last, 8)
    assert apply(spec, {"level.a": "1"}).maps[0].contents == b"\1\0\0\0\0\0\0\0"
    with pytest.raises(UsageError, match=r"expected one of its members to be set: level\.a$"):
        apply(spec, {"level": "1"})


def test_structs_of_very_many_members() -> None:
    writer = BtfWriter()
    byte = writer.integer("char", 1)
    spec = _one(writer, writer.struct("s", 1, [("a", byte, 0)] * 65537), 1)
    assert apply(spec, {"level.a": "1"}).maps[0].contents == b"\1"
    for name in ("level", "level.b"):
        with pytest.raises(BtfError, match="'level': more than 65536 members"):
            apply(spec, {name: "1"})


def test_a_section_of_gigabytes_is_not_filled() -> None:
    writer = BtfWriter()
    spec = _one(writer, writer.integer(), 4, ".bss", (1 << 31) - 8)
    with pytest.raises(
        UsageError, match=r"variable 'level': ends at byte 2147483644 of \.bss: at most 33554432"
    ):
        apply(spec, {"level": "1"})


def with_variables(**kinds: str) -> CollectionSpec:
    writer = BtfWriter()
    number = writer.integer("int", 4, 1)
    types = {
        "int": writer.const(writer.volatile(writer.typedef("pid_t", number))),
        "bool": writer.integer("_Bool", 1, 4),
        "array": writer.array(number, 4),
        "text": writer.array(writer.integer("char", 1, 1), 16),
    }
    variables = tuple(
        [VariableSpec(name, ".rodata", types[kind], 0, 4, True) for name, kind in kinds.items()]
    )
    return CollectionSpec("image", "GPL", (), (), variables, (), Btf(writer.data()))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["target_pid", "uid"], "target_pid"),
        (["targ_pid", "targ_tgid"], "targ_tgid"),  # of bcc: a thread, and a process
        (["filter_pid"], "filter_pid"),
        (["my_pid", "pid"], "pid"),
        (["only_this_pid"], "only_this_pid"),
        (["trace_by_process", "rapid", "tid", "ppid", "filter_ppid", "my_pid", "ignore_pid"], ""),
        ([], ""),
    ],
)
def test_the_variable_that_chooses_a_process(names: list[str], expected: str) -> None:
    assert (
        pid_variable([with_variables(), with_variables(**dict.fromkeys(names, "int"))]) == expected
    )


@pytest.mark.parametrize("kind", ["bool", "array", "text"])
def test_what_is_no_number_chooses_none(kind: str) -> None:
    assert pid_variable([with_variables(target_pid=kind)]) == ""
