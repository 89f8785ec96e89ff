import struct

import pytest

from beepy import conventions
from beepy.btf.types import TypeId
from beepy.errors import ElfError
from beepy.obj.parse import parse
from beepy.obj.spec import MapSpec, Role
from beepy.uapi import MapFlag, MapType
from tests.support.elf import OBJECT
from tests.support.objects import EXIT, LOAD, Object
from tests.support.refusal import refused


def definitions(size: int, *maps: tuple[int, ...]) -> Object:
    """Return an object with maps ``m0``, ``m1``, ... of ``size`` bytes each in section maps.

    The last one comes first.
    """
    one = Object()
    one.program(*LOAD, EXIT)
    one.elf.section(
        "maps", b"".join([struct.pack("<5I", *words).ljust(size, b"\0") for words in maps])
    )
    for number in reversed(range(len(maps))):
        one.elf.symbol(f"m{number}", "maps", size * number, size, type=OBJECT)
    return one


@pytest.mark.parametrize("size", [20, 24, 64])
def test_maps_in_the_order_of_their_places(size: int) -> None:
    """A definition may exceed five words, as other loaders' do, if the rest is 0."""
    one = definitions(
        size, (MapType.HASH, 4, 8, 100, MapFlag.NO_PREALLOC), (MapType.ARRAY, 4, 4, 1, 0)
    )
    assert one.parsed().maps == (
        MapSpec("m0", "maps", MapType.HASH, 4, 8, 100, MapFlag.NO_PREALLOC),
        MapSpec("m1", "maps", MapType.ARRAY, 4, 4, 1),
    )


def test_programs_refer_to_them_with_types_and_without() -> None:
    one = definitions(20, (MapType.ARRAY, 4, 4, 1, 0), (MapType.HASH, 4, 8, 100, 0))
    one.calls(len(one.elf.symbols) - 1, 0, type=1)  # the symbol that came last: m0
    assert [[ref[1] for ref in program.refs] for program in one.parsed().programs] == [["m0"]]


@pytest.mark.parametrize(
    ("size", "words", "got"),
    [(16, (1, 4, 4, 1), 16), (24, (1, 4, 4, 1, 0, 7), 24), (40, (1, 4, 4, 1, 0, 0, 7), 40)],
)
def test_what_is_no_definition(size: int, words: tuple[int, ...], got: int) -> None:
    one = Object()
    one.program()
    one.elf.section("maps", struct.pack(f"<{len(words)}I", *words).ljust(size, b"\0"))
    one.elf.symbol("m\x1b", "maps", 0, size, type=OBJECT)
    what = f"{got} bytes in section maps: not a struct bpf_map_def of 20 bytes"
    with refused(ElfError, f"object: map 'm\\x1b': {what}"):
        one.parsed()


def test_an_object_without_them() -> None:
    one = Object()
    one.program()
    one.elf.section("maps", b"")
    assert one.parsed().maps == ()


def annotated(key: int, value: int, names: tuple[str, str] = ("key", "value")) -> Object:
    """Return an object with a map ``print_h`` (HASH, 4 and 8 bytes) and its annotation.

    The annotation is what BPF_ANNOTATE_KV_PAIR writes.
    """
    one = Object()
    one.program()
    one.elf.section("maps", struct.pack("<5I", MapType.HASH, 4, 8, 16, 0))
    one.elf.symbol("print_h", "maps", 0, 20, type=OBJECT)
    pair = one.btf.struct("____btf_map_print_h", 16, [(names[0], key, 0), (names[1], value, 64)])
    variable = one.btf.var("____btf_map_print_h", pair)
    one.maps(variable, names=["____btf_map_print_h"], section=".maps.print_h", size=16)
    return one


def test_an_annotation_gives_types_and_is_no_map() -> None:
    spec = conventions.apply(annotated(2, 3).parsed(), "elf")
    assert spec.maps == (
        MapSpec("print_h", "maps", MapType.HASH, 4, 8, 16, 0, TypeId(2), TypeId(3)),
    )
    assert [tracked.role for tracked in spec.tracked] == [Role.PRINT]


def test_an_annotation_is_held_against_the_sizes() -> None:
    (refused,) = conventions.apply(annotated(3, 3).parsed(), "elf").not_shown
    assert refused.reason == "the key's type has 8 bytes: the map has 4"


def test_a_struct_that_is_no_annotation() -> None:
    spec = annotated(2, 3, ("value", "key")).parsed()
    assert spec.maps == (MapSpec("print_h", "maps", MapType.HASH, 4, 8, 16),)


def test_an_annotation_without_type_information() -> None:
    """clang without -g: the variable is still there, as the map is."""
    spec = parse(annotated(2, 3).data(types=False))
    assert spec.maps == (MapSpec("print_h", "maps", MapType.HASH, 4, 8, 16),)


def test_maps_in_sections_of_their_own_are_no_annotations() -> None:
    """As bee up to 0.0.14 has them."""
    one = annotated(2, 3)
    type_, entries = (one.btf.ptr(one.btf.array(1, number)) for number in (MapType.RINGBUF, 4096))
    map_ = one.btf.var(
        "exits", one.btf.struct("", 16, [("type", type_, 0), ("max_entries", entries, 64)])
    )
    one.maps(map_, names=["exits"], section=".maps.print", size=16)
    assert [(found.name, found.section) for found in one.parsed().maps] == [
        ("exits", ".maps.print"),
        ("print_h", "maps"),
    ]
