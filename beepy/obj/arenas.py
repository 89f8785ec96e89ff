"""Variables in an arena (``__arena`` in C, address space 1): they stand at the beginning of the object's only arena."""

from collections.abc import Sequence

from beepy.errors import ElfError
from beepy.obj.elf import Section
from beepy.obj.mapdefs import PlacedMap
from beepy.obj.sections import ARENA
from beepy.obj.spec import VariableSpec
from beepy.text import safe
from beepy.uapi import MapType


def with_globals(name: str, maps: Sequence[PlacedMap], section: Section | None) -> tuple[tuple[PlacedMap, ...], str]:
    """Return the maps, the arena with the contents of ``section``; and the arena's name, "" where nothing stands in it.

    Raises ElfError for several arenas, which a program could not tell apart, and for variables without one.
    """
    arenas = [one for one in maps if one.spec.type == MapType.ARENA]
    if len(arenas) > 1:
        raise ElfError(f"{name}: map '{safe(arenas[1].spec.name)}': a second arena: an object has one at most")
    if section is None or not section.size:
        return tuple(maps), ""
    if not arenas:
        raise ElfError(f"{name}: section {ARENA}: its variables need a map of type ARENA")
    (arena,) = arenas
    filled = arena._replace(spec=arena.spec._replace(contents=section.data))
    return tuple([filled if one is arena else one for one in maps]), arena.spec.name


def in_arena(variables: Sequence[VariableSpec], arena: str) -> tuple[VariableSpec, ...]:
    """Return the variables, those of the arena's section in the map called ``arena``."""
    return tuple([one._replace(map=arena) if one.map == ARENA else one for one in variables])
