"""The pass that lets programs run for some processes only; tables and histograms hold for them."""

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final, NamedTuple, TypeVar

from beepy import sections
from beepy.errors import RewriteError
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec
from beepy.rewrite import edit
from beepy.rewrite.edit import Code, ReachedBy
from beepy.rewrite.prologue import Ancestor, Choice, entry, entry_with_note, returning
from beepy.text import safe
from beepy.uapi import MapType, ProgFlag

PIDS: Final = ".beepy.pids"
UIDS: Final = ".beepy.uids"
NAMES: Final = ".beepy.names"
CGROUPS: Final = ".beepy.cgroups"
_NOTES: Final = ".beepy.chosen"  # threads between the two ends of execve

MAX_CGROUPS: Final = 16
MAX_MEMBERS: Final = 1 << 15  # processes of cgroups of version 1
MAX_NAME: Final = 15  # bytes: TASK_COMM_LEN without the NUL
_MAX_NOTES: Final = 1 << 14  # threads that execute a file at a time

_EXECVE: Final = "*execve*"

_Value = TypeVar("_Value", int, bytes)


class Selection(NamedTuple):
    """Which processes events may come from: one of each kind that is not empty.

    ``pids`` are those of the first PID namespace, ``uids`` of the first user namespace, ``names``
    what processes call themselves (comm), ``cgroups`` directories of cgroup v2, ``ancestors`` what
    these are to the kernel, empty if that is not known. ``old_groups`` are directories of cgroups
    of version 1: of these, the map of pids has the processes, which change. ``later`` are those of
    ``cgroups`` that stand for what is not running yet.
    """

    pids: tuple[int, ...] = ()
    uids: tuple[int, ...] = ()
    names: tuple[bytes, ...] = ()
    cgroups: tuple[str, ...] = ()
    ancestors: tuple[Ancestor, ...] = ()
    old_groups: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


def apply(spec: CollectionSpec, selection: Selection, programs: Collection[str]) -> CollectionSpec:
    """Return the object with ``programs`` changed, and with the maps that their code asks.

    Whoever loads it fills these maps (``contents``). Raises RewriteError.
    """
    pair = _pair(spec, programs) if selection.names else frozenset()
    changed = [
        _changed(program, _code(program, _choice(program, selection), pair))
        if program.name in programs
        else program
        for program in spec.programs
    ]
    maps = (*spec.maps, *_maps(selection, has_notes=bool(pair)))
    return spec._replace(programs=tuple(changed), maps=maps)


def contents(selection: Selection) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the name of each map of several values, with its keys; cgroups are not among them."""
    pids = () if selection.old_groups else selection.pids
    for name, size, numbers in ((PIDS, 4, pids), (UIDS, 4, selection.uids)):
        if len(numbers) > 1:
            yield name, [number.to_bytes(size, "little") for number in numbers]
    if len(selection.names) > 1:
        yield NAMES, [name.ljust(MAX_NAME + 1, b"\0") for name in selection.names]


def _choice(program: ProgramSpec, selection: Selection) -> Choice:
    choice = Choice(
        pids=PIDS if selection.old_groups else _one(selection.pids, PIDS),
        uids=_one(selection.uids, UIDS),
        names=_one(selection.names, NAMES),
    )
    hook = sections.find(program.section)
    if not selection.cgroups:
        return choice
    if not (hook and hook.flags & ProgFlag.SLEEPABLE):
        return choice._replace(cgroups=CGROUPS, cgroup_count=len(selection.cgroups))
    if not selection.ancestors:
        where = f"program '{safe(program.name)}' may sleep"
        if selection.later:
            raise RewriteError(f"{where}: {safe(selection.later[0])} has no cgroup yet")
        raise RewriteError(f"{where}: the cgroup's depth is not known in a cgroup namespace")
    return choice._replace(ancestors=selection.ancestors)


def _one(values: tuple[_Value, ...], several: str) -> _Value | str | None:
    if not values:
        return None
    return values[0] if len(values) == 1 else several


def _pair(spec: CollectionSpec, programs: Collection[str]) -> frozenset[str]:
    """Return the programs at both ends of execve, between which a process changes its name."""
    both = [
        program
        for program in spec.programs
        if program.name in programs and fnmatchcase(program.section, _EXECVE)
    ]
    ends = {_is_return(program) for program in both}
    return frozenset(program.name for program in both) if len(ends) > 1 else frozenset()


def _is_return(program: ProgramSpec) -> bool:
    return "sys_exit" in program.section or sections.returns(program.section)


def _code(program: ProgramSpec, choice: Choice, pair: Collection[str]) -> Code:
    if program.name not in pair:
        return entry(choice)
    return returning(_NOTES) if _is_return(program) else entry_with_note(choice, _NOTES)


def _changed(program: ProgramSpec, code: Code) -> ProgramSpec:
    return edit.apply(program, [edit.insert(0, code, ReachedBy.FALL_THROUGH)])


def _maps(selection: Selection, *, has_notes: bool) -> Iterable[MapSpec]:
    for name, keys in contents(selection):
        key_size = len(keys[0])
        yield MapSpec(name, ".maps", MapType.HASH, key_size, 1, max_entries=len(keys))
    if selection.old_groups:
        yield MapSpec(PIDS, ".maps", MapType.HASH, 4, 1, max_entries=MAX_MEMBERS)
    if selection.cgroups:
        count = len(selection.cgroups)
        yield MapSpec(CGROUPS, ".maps", MapType.CGROUP_ARRAY, 4, 4, max_entries=count)
    if has_notes:
        yield MapSpec(_NOTES, ".maps", MapType.LRU_HASH, 8, 8, max_entries=_MAX_NOTES)
