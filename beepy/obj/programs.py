"""Choose which programs of an object are loaded."""

from collections.abc import Sequence
from itertools import groupby

from beepy.errors import UsageError, worded
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec
from beepy.text import safe
from beepy.uapi import MapType

_log = Log(__name__)


def only(specs: Sequence[CollectionSpec], names: Sequence[str]) -> list[CollectionSpec]:
    """Return ``specs`` with only the programs of these names, even if their section has a ``?``.

    Entries of program arrays that name another program are dropped with a warning. Raises
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
    return spec._replace(
        programs=kept, maps=tuple([_without_others(map_spec, names) for map_spec in spec.maps])
    )


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
