import struct

import pytest

from beepy.errors import ElfError
from beepy.obj.spec import MapSpec
from beepy.uapi import MapFlag, MapType
from tests.writers.elf import OBJECT
from tests.writers.objects import EXIT, LOAD, Object
from tests.writers.refusal import refused


def definitions(size: int, *maps: tuple[int, ...]) -> Object:
    """Return an object with maps ``m0``, ``m1``, ... of ``size`` bytes each in its section maps, the last one first."""
    one = Object()
    one.program(*LOAD, EXIT)
    one.elf.section("maps", b"".join([struct.pack("<5I", *words).ljust(size, b"\0") for words in maps]))
    for number in reversed(range(len(maps))):
        one.elf.symbol(f"m{number}", "maps", size * number, size, type=OBJECT)
    return one


@pytest.mark.parametrize("size", [20, 24, 64])
def test_maps_in_the_order_of_their_places(size: int) -> None:
    """A definition may be larger than the five words, as other loaders' are, where the rest is 0."""
    one = definitions(size, (MapType.HASH, 4, 8, 100, MapFlag.NO_PREALLOC), (MapType.ARRAY, 4, 4, 1, 0))
    assert one.parsed().maps == (
        MapSpec("m0", "maps", MapType.HASH, 4, 8, 100, MapFlag.NO_PREALLOC),
        MapSpec("m1", "maps", MapType.ARRAY, 4, 4, 1),
    )


def test_programs_refer_to_them_with_types_and_without() -> None:
    one = definitions(20, (MapType.ARRAY, 4, 4, 1, 0), (MapType.HASH, 4, 8, 100, 0))
    one.calls(len(one.elf.symbols) - 1, 0, type=1)  # the symbol that came last: m0
    assert [[ref[1] for ref in program.refs] for program in one.parsed().programs] == [["m0"]]


@pytest.mark.parametrize(
    ("size", "words", "got"), [(16, (1, 4, 4, 1), 16), (24, (1, 4, 4, 1, 0, 7), 24), (40, (1, 4, 4, 1, 0, 0, 7), 40)]
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
