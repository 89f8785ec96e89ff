"""Names of enums, by the image's numbers and by the kernel's."""

import struct

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import Kind
from beepy.btf.writer import BtfWriter, Member
from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.events.codec import Value
from beepy.events.compile import MAX_ENUMERATORS
from beepy.events.decoder import Decoder
from tests.support.events import decode, read_member, ring, stream
from tests.support.refusal import refused

LARGE = (1 << 64) - 1

NEWER = {"NONE": 0, "CONSUMED": 1, "MIDDLE": 2, "NO_SOCKET": 3, "LAST": 4}


def kernel(
    values: dict[str, int] = NEWER,
    name: str = "drop_reason",
    *,
    wide: bool = False,
    signed: bool = False,
) -> Btf:
    w = BtfWriter()
    w.struct(name, 4)
    make = w.enum64 if wide else w.enum
    make(name, values, signed=signed)
    return Btf(w.data(), name="vmlinux")


def record(
    values: dict[str, int], name: str = "drop_reason", size: int = 4, *, signed: bool = False
) -> Schema:
    w = BtfWriter()
    enum = w.enum(name, values, size, signed=signed)
    return stream(w, w.struct("s", size, [("reason", w.const(enum), 0)]))


def read(schema: Schema, of: Btf | None, raw: bytes) -> Value:
    schema = schema._replace(kernel=lambda: of)
    (value,) = decode(schema, ring(schema, [raw]))["reason"]
    return value


def named(schema: Schema, of: Btf | None, number: int) -> Value:
    return read(schema, of, struct.pack("<i", number))


def test_the_kernels_own_enum_has_the_kernels_numbers() -> None:
    older = record({"NONE": 0, "CONSUMED": 1, "NO_SOCKET": 2})
    assert [named(older, kernel(), number) for number in range(6)] == [*NEWER, 5]
    assert [named(older, None, number) for number in range(4)] == [
        "NONE",
        "CONSUMED",
        "NO_SOCKET",
        3,
    ]


def test_a_number_that_the_kernels_enum_lacks_keeps_the_images_name() -> None:
    newer = record({"NONE": 0, "LAST": 9})
    assert named(newer, kernel(), 9) == "LAST"
    assert named(newer, kernel(), 4) == "LAST"


def test_an_enum_with_a_name_that_the_kernels_enum_lacks_keeps_its_numbers() -> None:
    own = record({"NONE": 0, "CONSUMED": 1, "MINE": 3})
    assert [named(own, kernel(), number) for number in (3, 4)] == ["MINE", 4]


def test_names_that_the_kernel_dropped() -> None:
    """The kernel's numbers count if it has most of the names: three of five, not three of six."""
    older = {"NONE": 0, "CONSUMED": 1, "NO_SOCKET": 2, "DROPPED": 3, "RENAMED": 9}
    assert [named(record(older), kernel(), number) for number in (3, 4, 9)] == [
        "NO_SOCKET",
        "LAST",
        "RENAMED",
    ]
    assert named(record({**older, "ANOTHER": 10}), kernel(), 3) == "DROPPED"


def test_flavors_are_ignored() -> None:
    older = record({"NONE": 0, "NO_SOCKET___old": 2}, "drop_reason___x")
    assert named(older, kernel(), 3) == "NO_SOCKET"


def test_of_several_enums_of_one_name_the_one_with_all_members_is_used() -> None:
    w = BtfWriter()
    w.enum("drop_reason", {"OTHER": 2})
    w.enum("drop_reason", NEWER)
    assert named(record({"NO_SOCKET": 2}), Btf(w.data()), 3) == "NO_SOCKET"


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_sizes_and_signs_are_the_images(size: int) -> None:
    negative = {"BAD": -1, "NONE": 0}
    raw = b"\xff" * size
    assert (
        read(
            record({"BAD": -2}, size=size, signed=True),
            kernel(negative, wide=True, signed=True),
            raw,
        )
        == "BAD"
    )
    assert (
        read(
            record({"BAD": -2}, size=size, signed=True),
            kernel({"BAD": 0xFFFFFFFFFFFFFFFF}, wide=True),
            raw,
        )
        == "BAD"
    )
    assert read(record({"BAD": 7}, size=size), kernel(negative, signed=True), raw) == "BAD"


def test_the_kernels_types_are_not_read_without_a_named_enum() -> None:
    def never() -> Btf:
        raise AssertionError

    w = BtfWriter()
    members = [("reason", w.integer(), 0), ("other", w.enum("", {"A": 1}), 32)]
    schema = stream(w, w.struct("s", 8, members))._replace(kernel=never)
    assert decode(schema, ring(schema, [bytes(8)])) == {"reason": [0], "other": [0]}


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_enums_by_name_and_by_number(size: int) -> None:
    w = BtfWriter()
    enum = w.enum("state", {"IDLE": 0, "BUSY": 1, "DONE": 2}, size)
    assert read_member(w, enum, (1).to_bytes(size, "little")) == ("BUSY", "BUSY")
    assert read_member(w, enum, (7).to_bytes(size, "little")) == (7, "7")


def test_signed_enums_and_wide_enums() -> None:
    w = BtfWriter()
    assert read_member(
        w, w.enum("e", {"BAD": -1, "GOOD": 0}, signed=True), b"\xff\xff\xff\xff"
    ) == (
        "BAD",
        "BAD",
    )
    assert read_member(w, w.enum64("e", {"MAX": LARGE}), b"\xff" * 8) == ("MAX", "MAX")
    assert read_member(
        w, w.enum64("e", {"MIN": -(1 << 63)}, signed=True), struct.pack("<q", -5)
    ) == (
        -5,
        "-5",
    )
    assert read_member(
        w, w.enum64("e", {"MIN": -(1 << 63)}, signed=True), struct.pack("<q", -(1 << 63))
    ) == ("MIN", "MIN")


def test_the_first_of_two_names_of_one_value_is_shown() -> None:
    w = BtfWriter()
    assert read_member(w, w.enum("e", {"FIRST": 3, "SECOND": 3}), b"\3\0\0\0") == ("FIRST", "FIRST")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "NONE"),
        (1, "R"),
        (3, "R|W"),
        (7, "R|W|X"),
        (0x15, "R|X|0x10"),
        (0x10, 16),
        (0xFFFFFFFF, "R|W|X|0xfffffff8"),
    ],
)
def test_three_single_bits_make_an_enum_of_flags(value: int, shown: Value) -> None:
    w = BtfWriter()
    enum = w.enum("mode", {"NONE": 0, "R": 1, "W": 2, "X": 4})
    assert read_member(w, enum, struct.pack("<I", value)) == (shown, str(shown))


@pytest.mark.parametrize(
    "names", [{"A": 1, "B": 2}, {"A": 1, "B": 2, "C": 3}, {"A": 1, "B": 2, "C": -4}]
)
def test_other_enums_are_not_flags(names: dict[str, int]) -> None:
    w = BtfWriter()
    assert read_member(w, w.enum("e", names), struct.pack("<I", 9)) == (9, "9")


def test_enums_of_more_names_than_any_record_has() -> None:
    w = BtfWriter()
    count = MAX_ENUMERATORS // 2
    enums = [w.add(Kind.ENUM, name, 4, [0, 0] * count, vlen=count) for name in ("a", "b")]
    enums.append(w.enum("c", {"ONE": 1}))
    record = [(f"m{at}", enum, 32 * at) for at, enum in enumerate(enums)]
    assert [field.name for field in Decoder(stream(w, w.struct("s", 8, record[:2]))).fields] == [
        "m0",
        "m1",
    ]
    with refused(BtfError, f"object: enum c: more than {MAX_ENUMERATORS} enumerators in a record"):
        Decoder(stream(w, w.struct("s", 12, record)))


def test_negative_enumerators_as_clang_14_writes_them() -> None:
    """An enum without a sign, 4294967295 for -1, in a bitfield and in one packed byte."""
    w = BtfWriter()
    enum = {"A": 0xFFFFFFFF, "B": 1}
    wide, small = w.enum("e", enum), w.enum("p", enum, 1)
    members: list[Member] = [("it", wide, 0), ("bits", wide, 32, 4), ("byte", small, 40)]
    schema = stream(w, w.struct("s", 8, members))
    minus = ring(schema, [b"\xff\xff\xff\xff\x0f\xff\0\0"])
    assert decode(schema, minus) == {"it": ["A"], "bits": ["A"], "byte": ["A"]}
    plus = ring(schema, [b"\x01\0\0\0\x01\x01\0\0"])
    assert decode(schema, plus) == {
        "it": ["B"],
        "bits": ["B"],
        "byte": ["B"],
    }
