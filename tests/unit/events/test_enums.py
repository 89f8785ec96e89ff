import struct

import pytest

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.events.batch import Schema
from beepy.events.codec import Value
from tests.support.events import decode, ring, stream

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


def test_an_enum_of_the_kernel_has_the_kernels_numbers() -> None:
    older = record({"NONE": 0, "CONSUMED": 1, "NO_SOCKET": 2})
    assert [named(older, kernel(), number) for number in range(6)] == [*NEWER, 5]
    assert [named(older, None, number) for number in range(4)] == [
        "NONE",
        "CONSUMED",
        "NO_SOCKET",
        3,
    ]


def test_a_number_that_the_kernels_lacks_keeps_the_images_name() -> None:
    newer = record({"NONE": 0, "LAST": 9})
    assert named(newer, kernel(), 9) == "LAST"
    assert named(newer, kernel(), 4) == "LAST"


def test_an_enum_with_a_name_that_the_kernels_lacks_is_the_images_own() -> None:
    own = record({"NONE": 0, "CONSUMED": 1, "MINE": 3})
    assert [named(own, kernel(), number) for number in (3, 4)] == ["MINE", 4]


def test_flavors_are_of_the_essential_name() -> None:
    older = record({"NONE": 0, "NO_SOCKET___old": 2}, "drop_reason___x")
    assert named(older, kernel(), 3) == "NO_SOCKET"


def test_of_several_enums_of_that_name_the_one_with_all_names_counts() -> None:
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


def test_the_kernels_types_are_not_asked_for_without_a_named_enum() -> None:
    def never() -> Btf:
        raise AssertionError

    w = BtfWriter()
    members = [("reason", w.integer(), 0), ("other", w.enum("", {"A": 1}), 32)]
    schema = stream(w, w.struct("s", 8, members))._replace(kernel=never)
    assert decode(schema, ring(schema, [bytes(8)])) == {"reason": [0], "other": [0]}
