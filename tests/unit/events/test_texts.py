import pytest

from beepy import conventions
from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events.decoder import Decoder
from beepy.events.schemas import of_tracked
from beepy.events.texts import apply_all
from beepy.obj.spec import CollectionSpec, MapSpec
from beepy.uapi import MapType
from tests.support.events import ring
from tests.support.told import message


def image() -> CollectionSpec:
    """Two rings: line, path.bytes, flags; and line."""
    w = BtfWriter()
    u8, i8 = w.integer("unsigned char", 1, 0), w.integer("i8", 1)
    line = w.array(w.typedef("u8", u8), 8)
    inner = w.struct("path", 8, [("bytes", w.array(i8, 8), 0)])
    flags = w.array(w.integer("_Bool", 1, 4), 8)
    both = w.struct("event", 24, [("line", line, 0), ("path", inner, 64), ("flags", flags, 128)])
    one = w.struct("other", 8, [("line", line, 0)])
    maps = [
        MapSpec(name, ".maps", MapType.RINGBUF, value=of)
        for name, of in (("print_a", both), ("print_b", one))
    ]
    spec = CollectionSpec("image:1", "GPL", (), tuple(maps), (), (), Btf(w.data(), name="object"))
    return conventions.apply(spec, "bee")


def shown(spec: CollectionSpec, number: int, raw: bytes) -> list[object]:
    found = of_tracked(spec, spec.tracked[number])
    decoder = Decoder(found)
    values = [
        value for column in decoder.values(ring(found, [raw]), decoder.fields) for value in column
    ]
    assert [
        text for column in decoder.texts(ring(found, [raw]), decoder.fields[:1]) for text in column
    ] == values[:1]
    return list(values)


RAW = b"ls -l\0\xff\xff" + b"/etc\0\0\0\0" + bytes(8)


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (["line"], [{"line"}, {"line"}]),
        (["print_b,line"], [set(), {"line"}]),
        (["b,line"], [set(), {"line"}]),
        (["a,path.bytes", "b,line"], [{"path.bytes"}, {"line"}]),
        (["path_bytes"], [{"path.bytes"}, set()]),
    ],
)
def test_fields_are_named_with_or_without_their_map(
    options: list[str], texts: list[set[str]]
) -> None:
    (spec,) = apply_all([image()], options)
    assert [tracked.texts for tracked in spec.tracked] == texts


def test_chosen_arrays_of_bytes_are_text() -> None:
    plain = image()
    flags = (False,) * 8
    assert shown(plain, 0, RAW) == ["6c73202d6c00ffff", (47, 101, 116, 99, 0, 0, 0, 0), flags]
    (spec,) = apply_all([plain], ["line", "path.bytes"])
    assert shown(spec, 0, RAW) == ["ls -l", "/etc", flags]
    assert shown(spec, 1, RAW[:8]) == ["ls -l"]


@pytest.mark.parametrize("option", ["lines", "c,line", "b,path.bytes", "flags", "", "print_a,"])
def test_a_name_of_no_array_of_bytes_is_refused(option: str) -> None:
    with pytest.raises(UsageError) as caught:
        apply_all([image()], [option])
    assert message(caught.value) == f"--text '{option}': no array of bytes has that name"
    assert caught.value.__notes__ == [
        "arrays of bytes: print_a,line, print_a,path.bytes, print_b,line"
    ]
