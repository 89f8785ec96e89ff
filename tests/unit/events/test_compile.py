"""Every kind of BTF as a member, from bytes to a value and to Go's text."""

import math
import struct
from collections.abc import Callable

import pytest

from beepy.btf.writer import BtfWriter, Member
from beepy.errors import BtfError
from beepy.events.codec import Value
from beepy.events.compile import MAX_CALLS, MAX_MEMBERS
from beepy.events.decoder import Decoder
from tests.support.events import decode, read_member, ring, stream, texts
from tests.support.refusal import refused

LARGE = (1 << 64) - 1


def bits(writer: BtfWriter, size: int, members: list[Member], raw: bytes) -> dict[str, list[Value]]:
    schema = stream(writer, writer.struct("s", size, members))
    return decode(schema, ring(schema, [raw]))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("signed", [0, 1])
def test_integers_of_every_size(size: int, signed: int) -> None:
    w = BtfWriter()
    value = -2 if signed else (1 << 8 * size) - 2
    raw = value.to_bytes(size, "little", signed=bool(signed))
    assert read_member(w, w.integer("int", size, signed), raw) == (value, str(value))


def test_a_lone_char_is_a_number() -> None:
    w = BtfWriter()
    assert read_member(w, w.integer("char", 1), b"A") == (65, "65")


@pytest.mark.parametrize(
    ("raw", "value", "text"),
    [(b"\0", False, "false"), (b"\1", True, "true"), (b"\2", True, "true")],
)
@pytest.mark.parametrize("encoding", [0, 4])
def test_bool(raw: bytes, value: bool, text: str, encoding: int) -> None:
    w = BtfWriter()
    found = read_member(w, w.integer("_Bool", 1, encoding), raw)
    assert found == (value, text)
    assert isinstance(found[0], bool)


def test_a_bool_of_four_bytes() -> None:
    w = BtfWriter()
    assert read_member(w, w.integer("bool32", 4, 4), b"\0\0\1\0") == (True, "true")


@pytest.mark.parametrize(
    ("size", "code", "value", "text"),
    [(2, "e", 0.5, "0.5"), (4, "f", 0.5, "0.5"), (8, "d", 1e6, "1e+06")],
)
def test_floats(size: int, code: str, value: float, text: str) -> None:
    w = BtfWriter()
    assert read_member(w, w.real("f", size), struct.pack(f"<{code}", value)) == (value, text)


def test_a_float32_is_its_shortest_form_wherever_it_is() -> None:
    w = BtfWriter()
    single = w.real("float", 4)
    pair = w.struct("pair", 8, [("a", single, 0), ("b", single, 32)])
    raw = struct.pack("<2f", 0.1, -2.7)
    assert read_member(w, single, raw[:4]) == (0.1, "0.1")
    assert read_member(w, w.array(single, 2), raw) == ((0.1, -2.7), "[0.1 -2.7]")
    assert read_member(w, w.array(pair, 1), raw) == (({"a": 0.1, "b": -2.7},), "[{0.1 -2.7}]")


def test_a_float_may_be_nan() -> None:
    w = BtfWriter()
    value, text = read_member(w, w.real("double", 8), struct.pack("<d", math.nan))
    assert isinstance(value, float)
    assert math.isnan(value)
    assert text == "NaN"


@pytest.mark.parametrize("size", [12, 16])
def test_a_long_double_is_shown_as_its_bytes(size: int) -> None:
    w = BtfWriter()
    assert (
        read_member(w, w.real("long double", size), bytes(range(size)))
        == (bytes(range(size)).hex(),) * 2
    )


def test_pointers_are_hex() -> None:
    w = BtfWriter()
    assert (
        read_member(w, w.ptr(w.fwd("task_struct")), struct.pack("<Q", 0xFFFF800012345678))
        == ("0xffff800012345678",) * 2
    )
    assert read_member(w, w.ptr(0), bytes(8)) == ("0x0",) * 2


def test_modifiers_and_typedefs_change_nothing() -> None:
    w = BtfWriter()
    deep = w.const(
        w.volatile(w.typedef("a", w.restrict(w.type_tag("user", w.typedef("b", w.integer())))))
    )
    assert read_member(w, deep, b"\xff\xff\xff\xff") == (-1, "-1")


def test_text_is_an_array_of_a_type_named_char() -> None:
    w = BtfWriter()
    char = w.const(w.typedef("letter", w.integer("char", 1)))
    assert (
        read_member(w, w.typedef("name_t", w.array(char, 8)), b"ba\xffsh\0xx") == ("ba\\xffsh",) * 2
    )


@pytest.mark.parametrize("encoding", [0, 1, 2, 3])
def test_the_encoding_char_does_not_make_a_text(encoding: int) -> None:
    """bpf-gcc 12.2 gives ``unsigned char`` the encoding CHAR, and ``char`` SIGNED|CHAR."""
    w = BtfWriter()
    char, u8, i8 = (w.integer(name, 1, encoding) for name in ("char", "unsigned char", "i8"))
    shown = "deadbe" if not encoding & 1 else (-34, -83, -66)
    assert read_member(w, w.array(w.typedef("u8", u8), 3), b"\xde\xad\xbe")[0] == shown
    assert read_member(w, w.array(i8, 3), b"\xde\xad\xbe")[0] == shown
    assert read_member(w, w.array(char, 3), b"ab\0") == ("ab", "ab")


def test_an_array_of_bytes_is_hex() -> None:
    w = BtfWriter()
    assert (
        read_member(
            w,
            w.array(w.typedef("u8", w.integer("unsigned char", 1, 0)), 6),
            b"\x02\0\xac\x10\0\xff",
        )
        == ("0200ac1000ff",) * 2
    )


def test_arrays_of_numbers_are_lists() -> None:
    w = BtfWriter()
    assert read_member(w, w.array(w.integer(), 3), struct.pack("<3i", 1, -2, 3)) == (
        (1, -2, 3),
        "[1 -2 3]",
    )
    assert read_member(w, w.array(w.integer("signed char", 1), 2), b"\xff\x01") == (
        (-1, 1),
        "[-1 1]",
    )
    assert read_member(w, w.array(w.integer("_Bool", 1, 4), 2), b"\0\1") == (
        (False, True),
        "[false true]",
    )
    assert read_member(w, w.array(w.ptr(0), 2), struct.pack("<2Q", 1, 2)) == (
        ("0x1", "0x2"),
        "[0x1 0x2]",
    )


def test_arrays_of_arrays() -> None:
    w = BtfWriter()
    assert read_member(
        w, w.array(w.array(w.integer("short", 2), 2), 2), struct.pack("<4h", 1, 2, 3, 4)
    ) == (
        ((1, 2), (3, 4)),
        "[[1 2] [3 4]]",
    )
    assert read_member(w, w.array(w.array(w.integer("char", 1), 3), 2), b"ab\0c\0\0") == (
        ("ab", "c"),
        "[ab c]",
    )
    assert read_member(
        w, w.array(w.array(w.integer("unsigned char", 1, 0), 2), 2), b"\0\1\2\3"
    ) == (
        ("0001", "0203"),
        "[0001 0203]",
    )


@pytest.mark.parametrize(
    ("name", "value", "text"), [("char", "", ""), ("unsigned char", "", ""), ("short", (), "[]")]
)
def test_arrays_without_elements_are_empty_but_at_the_end(
    name: str, value: Value, text: str
) -> None:
    w = BtfWriter()
    size = 2 if name == "short" else 1
    u32 = w.integer("unsigned int", 4, 0)
    schema = stream(
        w, w.struct("s", 4, [("none", w.array(w.integer(name, size, 0), 0), 0), ("n", u32, 0)])
    )
    batch = ring(schema, [b"\5\0\0\0and a tail that nobody reads"])
    assert decode(schema, batch) == {"none": [value], "n": [5]}
    assert texts(schema, batch) == {"none": [text], "n": ["5"]}


def test_arrays_of_structs_are_lists_of_objects() -> None:
    w = BtfWriter()
    u16, char = w.integer("u16", 2, 0), w.integer("char", 1)
    inner = w.struct("", 2, [("b", char, 0), ("c", char, 8)])
    pair = w.struct(
        "pair",
        8,
        [("a", u16, 0), ("", inner, 16), ("name", w.array(char, 2), 32), ("f", u16, 48, 3)],
    )
    raw = struct.pack("<HBB2sH", 1, 2, 3, b"x", 0xFFFD) + struct.pack("<HBB2sH", 4, 5, 6, b"yz", 2)
    value, text = read_member(w, w.array(pair, 2), raw)
    assert value == (
        {"a": 1, "b": 2, "c": 3, "name": "x", "f": 5},
        {"a": 4, "b": 5, "c": 6, "name": "yz", "f": 2},
    )
    assert text == "[{1 2 3 x 5} {4 5 6 yz 2}]"


def test_an_array_of_empty_structs_is_empty_however_long() -> None:
    w = BtfWriter()
    assert read_member(w, w.array(w.struct("nothing", 0), 0xFFFFFFFF), b"") == ((), "[]")


@pytest.mark.parametrize("width", [8, 250])
def test_a_record_of_one_byte_has_a_bounded_number_of_values(width: int) -> None:
    w = BtfWriter()
    inner = w.integer("unsigned char", 1, 0)
    for _ in range(12):
        each = w.array(inner, 1)
        inner = w.union("u", 1, [(f"m{at}", each, 0) for at in range(width)])
    with refused(BtfError, f"object: more than {MAX_CALLS} values in a record"):
        Decoder(stream(w, w.struct("s", 1, [("it", w.array(inner, 1), 0)])))


@pytest.mark.parametrize(("size", "count"), [(4, 16_000), (1, 64_000)])
def test_arrays_that_share_their_bytes_have_a_bounded_number_of_values(
    size: int, count: int
) -> None:
    w = BtfWriter()
    array = w.array(w.integer("unsigned char", size, 0), count)
    with refused(BtfError, f"object: more than {MAX_CALLS} values in a record"):
        Decoder(stream(w, w.union("u", 64_000, [(f"m{at}", array, 0) for at in range(4000)])))


def test_a_long_array_of_structs_has_a_bounded_number_of_values() -> None:
    w = BtfWriter()
    pair = w.struct(
        "pair",
        2,
        [(name, w.integer("unsigned char", 1, 0), at * 8) for at, name in enumerate("ab")],
    )
    Decoder(stream(w, w.struct("s", 40_000, [("pairs", w.array(pair, 20_000), 0)])))
    with refused(BtfError, f"object: more than {MAX_CALLS} values in a record"):
        Decoder(stream(w, w.struct("s", 60_000, [("pairs", w.array(pair, 30_000), 0)])))
    with refused(BtfError, f"object: more than {MAX_CALLS} values in a record"):
        members = [(f"pairs{at}", w.array(pair, 15_000), at * 30_000 * 8) for at in range(2)]
        Decoder(stream(w, w.struct("s", 60_000, members)))


@pytest.mark.parametrize("size", [1, 3, 32, 1 << 29])
def test_floats_of_unknown_sizes_are_refused(size: int) -> None:
    w = BtfWriter()
    with refused(BtfError, f"object: a float of {size} bytes"):
        Decoder(stream(w, w.struct("s", size, [("it", w.real("real", size), 0)])))


def test_bitfields_cross_bytes_and_have_signs() -> None:
    w = BtfWriter()
    u32, i32, u64 = (
        w.integer("unsigned int", 4, 0),
        w.integer("int", 4, 1),
        w.integer("unsigned long", 8, 0),
    )
    enum = w.enum("e", {"OFF": 0, "ON": 1})
    boolean = w.integer("_Bool", 1, 4)
    members = [
        ("a", u32, 0, 3),
        ("b", i32, 3, 7),
        ("c", u32, 10, 22),
        ("d", u64, 32, 60),
        ("e", enum, 92, 2),
        ("f", boolean, 94, 1),
        ("g", u32, 95, 1),
    ]
    number = 5 | (-3 & 0x7F) << 3 | 0x2ABCDE << 10 | ((1 << 60) - 7) << 32 | 1 << 92 | 1 << 94
    found = bits(w, 12, list(members), number.to_bytes(12, "little"))
    assert found == {
        "a": [5],
        "b": [-3],
        "c": [0x2ABCDE],
        "d": [(1 << 60) - 7],
        "e": ["ON"],
        "f": [True],
        "g": [0],
    }
    assert found["f"] == [True]
    assert isinstance(found["f"][0], bool)


def test_a_bitfield_may_extend_over_nine_bytes() -> None:
    w = BtfWriter()
    u64 = w.integer("unsigned long", 8, 0)
    number = 7 | 0xFEDCBA9876543210 << 4
    assert bits(w, 16, [("a", u64, 0, 4), ("b", u64, 4, 64)], number.to_bytes(16, "little")) == {
        "a": [7],
        "b": [0xFEDCBA9876543210],
    }


def test_old_bitfields_are_integers_of_few_bits() -> None:
    w = BtfWriter()
    three = w.add(1, "int", 4, [0 << 24 | 5 << 16 | 3])  # bit_offset 5, 3 bits
    rest = w.add(1, "int", 4, [1 << 24 | 8])  # 8 bits, signed, at the member's own bit offset
    assert bits(
        w,
        4,
        [("a", three, 0), ("b", rest, 8), ("c", rest, 20)],
        (0b110 << 5 | 0xFE << 8 | 0x7F << 20).to_bytes(4, "little"),
    ) == {"a": [6], "b": [-2], "c": [127]}


def test_an_array_of_integers_of_few_bits_keeps_its_step() -> None:
    w = BtfWriter()
    nibble = w.add(1, "int", 4, [4])
    assert read_member(w, w.array(nibble, 2), struct.pack("<2I", 0xFFFFFFF3, 0x14)) == (
        (3, 4),
        "[3 4]",
    )


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (lambda _: 0, "object: type 0: void has no size"),
        (lambda w: w.func_proto(0), "funcproto has no size"),
        (lambda w: w.fwd("t"), "fwd has no size"),
        (lambda w: w.integer("odd", 0, 0), "object: int odd: 0 bits from bit 0 on in 0 bytes"),
        (lambda w: w.integer("odd", 17, 0), "object: int odd: 136 bits from bit 0 on in 17 bytes"),
        (
            lambda w: w.array(w.integer("odd", 4, 0, 1), 2),
            "object: int odd: 32 bits from bit 1 on in 4 bytes",
        ),
        (lambda w: w.enum("odd", {}, 3), "object: enum odd: size 3"),
        (
            lambda w: w.array(w.integer("odd", 17, 0), 0),
            "object: int odd: 136 bits from bit 0 on in 17 bytes",
        ),
        (lambda _: 1, "nested deeper than 32"),
        (lambda w: w.array(1, 1), "nested deeper than 32"),
        (lambda _: 99, "type 99: there are only"),
    ],
)
@pytest.mark.parametrize("name", ["a", ""])
def test_members_of_malformed_types_are_refused(
    of: Callable[[BtfWriter], int], message: str, name: str
) -> None:
    w = BtfWriter()
    trial = BtfWriter()
    trial.struct("", 64)
    member = of(trial)  # its ids are those that follow the struct's
    w.struct("s", 64, [(name, member, 0)])
    of(w)
    with pytest.raises(BtfError) as caught:
        Decoder(stream(w, 1))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a", 1, 40)], "object: struct s: member 'a': ends at bit 72 of 64"),
        ([("a", 1, 0, 33)], "object: type u32: a bitfield of 33 bits in 4 bytes"),
        ([("a", 2, 3)], "object: member 'a': only integers can be bitfields"),
        ([("a", 3, 0, 7)], "object: member 'a': only integers can be bitfields"),
        ([("a", 4, 3)], "object: struct s: member 'a': only integers can be bitfields"),
        ([("", 4, 0, 7)], "object: struct s: member '': only integers can be bitfields"),
        ([("a", 5, 32, 32)], "object: struct s: member 'a': ends at bit 65 of 64"),
        ([("a", 1, 0)] * 100, "more than 16 of that name"),
        (
            [(f"m{n}", 1, 0) for n in range(MAX_MEMBERS + 1)],
            f"object: struct s: more than {MAX_MEMBERS} members",
        ),
    ],
)
def test_malformed_members_are_refused(members: list[Member], message: str) -> None:
    w = BtfWriter()
    w.integer("u32", 4, 0)
    w.real("float", 4)
    w.ptr(0)
    w.struct("inner", 4, [("b", 1, 0)])
    w.integer("late", 4, 0, 1)
    with pytest.raises(BtfError) as caught:
        Decoder(stream(w, w.struct("s", 8, members)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_structs_that_double_at_every_level_are_bounded() -> None:
    w = BtfWriter()
    inner = w.struct("s0", 4)
    for level in range(1, 31):
        inner = w.struct(f"s{level}", 4, [("a", inner, 0), ("b", inner, 0)])
    with pytest.raises(BtfError, match="more than 4096 members"):
        Decoder(stream(w, inner))
