import logging

import pytest

from beepy import source
from beepy.oci.image import Image
from beepy.uapi import MapType
from tests.support.objects import Object


def rings(*names: str) -> bytes:
    """An object with ring buffers of these names, whose records have no type."""
    one = Object()
    one.program()
    pointers = [one.btf.ptr(one.btf.array(1, number)) for number in (MapType.RINGBUF, 4096)]
    definition = one.btf.struct(
        "", 16, [("type", pointers[0], 0), ("max_entries", pointers[1], 64)]
    )
    one.maps(*[one.btf.var(name, definition) for name in names], names=names, size=16)
    return one.data()


def image(*programs: bytes) -> Image:
    return Image("two:1", "sha256:0", "", {}, 0, "bee", {}, programs)


WHY = "the type of its records is unknown: declare it with __type(value, struct event)"


@pytest.mark.parametrize("warn", [True, False])
def test_each_map_that_is_not_shown_is_a_warning(
    caplog: pytest.LogCaptureFixture, *, warn: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        spec = source.parse(rings("print_a\x1b"), warn=warn)
    assert [(refused.map, refused.reason) for refused in spec.not_shown] == [("print_a\x1b", WHY)]
    assert [record.getMessage() for record in caplog.records] == [
        f"map 'print_a\\x1b': not shown: {WHY}"
    ] * warn


def test_maps_that_are_not_shown_are_counted_after_ten(caplog: pytest.LogCaptureFixture) -> None:
    source.parse(rings(*[f"print_{number}" for number in range(13)]))
    assert len(caplog.records) == 11
    assert caplog.records[-1].getMessage() == "3 more maps: not shown"


def test_the_programs_of_an_image() -> None:
    pair = image(rings("print_a"), rings("print_b"))
    specs = source.parse_all(pair, warn=False)
    assert [spec.name for spec in specs] == ["two:1", "two:1"]
    assert [refused.map for spec in specs for refused in spec.not_shown] == ["print_a", "print_b"]
    assert source.parse(pair, 1, warn=False).not_shown == specs[1].not_shown
    with pytest.raises(IndexError):
        source.parse(pair, 2)
