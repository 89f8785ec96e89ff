"""Choose which programs of an object are loaded."""

from collections.abc import Sequence
from itertools import groupby

from beepy.errors import UsageError, worded
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, DataRef, MapRef, MapSpec, ProgramSpec
from beepy.text import safe
from beepy.uapi import MapType

_log = Log(__name__)


def only(specs: Sequence[CollectionSpec], names: Sequence[str]) -> list[CollectionSpec]:
    """Return ``specs`` with only the programs of these names, even if their section has a ``?``.

    Entries of program arrays that name another program are dropped with a warning, and maps that
    only other programs use are not shown. Raises
    UsageError for a name that no program has, and for an image that would keep no program.
    """
    known = {program.name for spec in specs for program in spec.programs}
    for name in names:
        if name not in known:
            raise _unknown(name, known)
    chosen = [_only(spec, frozenset(names)) for spec in specs]
    for image, objects in groupby(chosen, lambda spec: spec.name):
        if not any(spec.programs for spec in objects):
            listed = ", ".join(
                [safe(p.name) for spec in specs if spec.name == image for p in spec.programs]
            )
            why = f"--prog: {safe(image)}: none of its programs is named: it has {listed or 'none'}"
            raise UsageError(worded(why))
    return chosen


def _only(spec: CollectionSpec, names: frozenset[str]) -> CollectionSpec:
    kept = tuple([_loaded(program) for program in spec.programs if program.name in names])
    maps = tuple([_without_others(map_spec, names) for map_spec in spec.maps])
    unused = _maps_of(spec.programs, spec.maps) - _maps_of(kept, maps)
    for tracked in spec.tracked:
        if tracked.map in unused:
            _log.info("map '%s': not shown: no loaded program uses it (--prog)", safe(tracked.map))
    return spec._replace(
        programs=kept,
        maps=maps,
        tracked=tuple([tracked for tracked in spec.tracked if tracked.map not in unused]),
        not_shown=tuple([hidden for hidden in spec.not_shown if hidden.map not in unused]),
    )


def _maps_of(programs: Sequence[ProgramSpec], maps: Sequence[MapSpec]) -> set[str]:
    """Return the maps that programs use, and those that these maps hold."""
    slots = {map_spec.name: [name for _, name in map_spec.slots] for map_spec in maps}
    names: set[str] = set()
    to_add = [ref.map for p in programs for ref in p.refs if isinstance(ref, MapRef | DataRef)]
    while to_add:
        name = to_add.pop()
        if name in slots and name not in names:
            names.add(name)
            to_add += slots[name]
    return names


def _loaded(program: ProgramSpec) -> ProgramSpec:
    return program._replace(section=program.section.removeprefix("?"))


def _without_others(spec: MapSpec, names: frozenset[str]) -> MapSpec:
    if spec.type != MapType.PROG_ARRAY:
        return spec
    for index, program in spec.slots:
        if program not in names:
            where = f"map '{safe(spec.name)}': entry {index}"
            _log.warning(
                "%s: program '%s' is not loaded (--prog): tail calls to it do nothing",
                where,
                safe(program),
            )
    return spec._replace(slots=tuple([slot for slot in spec.slots if slot[1] in names]))


def _unknown(name: str, known: set[str]) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    listed = ", ".join(map(safe, sorted(known))) or "none"
    error = UsageError(
        worded(f"--prog '{safe(name)}': no program has that name: expected {listed}")
    )
    if similar := get_close_matches(name, known, 3):
        error.add_note(f"did you mean {' or '.join(map(safe, similar))}?")
    return error
