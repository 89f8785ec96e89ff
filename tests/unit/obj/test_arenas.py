import pytest

from beepy.btf.types import TypeId
from beepy.errors import ElfError
from beepy.obj.arenas import in_arena, with_globals
from beepy.obj.elf import Section
from beepy.obj.mapdefs import PlacedMap
from beepy.obj.spec import MapSpec, VariableSpec
from beepy.uapi import MapType

SECTION = Section(5, ".addr_space.1", False, False, 3, b"abc")
EMPTY = SECTION._replace(size=0, data=b"")


def placed(name: str, map_type: MapType) -> PlacedMap:
    return PlacedMap(MapSpec(name, ".maps", map_type), 4, 0, 32, None)


TABLE, ARENA = placed("table", MapType.HASH), placed("ar\x1bena", MapType.ARENA)


def test_the_arena_holds_the_section() -> None:
    filled = ARENA._replace(spec=ARENA.spec._replace(contents=b"abc"))
    assert with_globals("object", (TABLE, ARENA), SECTION) == ((TABLE, filled), "ar\x1bena")


@pytest.mark.parametrize("section", [None, EMPTY])
def test_an_arena_without_variables(section: Section | None) -> None:
    assert with_globals("object", (TABLE, ARENA), section) == ((TABLE, ARENA), "")
    assert with_globals("object", (TABLE,), section) == ((TABLE,), "")


def test_variables_need_an_arena() -> None:
    with pytest.raises(
        ElfError, match=r"^object: section .addr_space.1: its variables need a map of type ARENA$"
    ):
        with_globals("object", (TABLE,), SECTION)


def test_a_second_arena() -> None:
    with pytest.raises(
        ElfError, match=r"^object: map 'ar\\x1bena': a second arena: at most one is allowed$"
    ):
        with_globals("object", (placed("first", MapType.ARENA), ARENA), None)


def test_variables_of_the_section_stand_in_the_map() -> None:
    inside = VariableSpec("a", ".addr_space.1", TypeId(1), 0, 4, False)
    outside = VariableSpec("b", ".data", TypeId(1), 0, 4, False)
    assert in_arena((inside, outside), "arena") == (inside._replace(map="arena"), outside)
