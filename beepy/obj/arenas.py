"""Place variables (``__arena`` in C, address space 1) at the beginning of the object's arena."""

from collections.abc import Sequence

from beepy.errors import ElfError
from beepy.obj.elf import Section
from beepy.obj.mapdefs import PlacedMap
from beepy.obj.sections import ARENA
from beepy.obj.spec import VariableSpec
from beepy.text import safe
from beepy.uapi import MapType


def with_globals(
    name: str, maps: Sequence[PlacedMap], section: Section | None
) -> tuple[tuple[PlacedMap, ...], str]:
    """Return the maps with the variables in ``section`` as the arena's contents, and its name.

    The name is "" without variables. Raises ElfError for several arenas, which a program could not
    tell apart, and for variables without an arena.
    """
    arenas = [placed for placed in maps if placed.spec.type == MapType.ARENA]
    if len(arenas) > 1:
        raise ElfError(
            f"{name}: map '{safe(arenas[1].spec.name)}': a second arena: at most one is allowed"
        )
    if section is None or not section.size:
        return tuple(maps), ""
    if not arenas:
        raise ElfError(f"{name}: section {ARENA}: its variables need a map of type ARENA")
    (arena,) = arenas
    filled = arena._replace(spec=arena.spec._replace(contents=section.data))
    return tuple([filled if placed is arena else placed for placed in maps]), arena.spec.name


def in_arena(variables: Sequence[VariableSpec], arena: str) -> tuple[VariableSpec, ...]:
    """Return the variables; those in the arena's section get the map ``arena``."""
    return tuple([v._replace(map=arena) if v.map == ARENA else v for v in variables])
