"""Whose events a run shows: decided in the kernel, at the entry of programs, where that is right.

Where the current process is not the one that an event is about, a variable of the object is set, or
rows are filtered by a field of theirs; where there is neither, the run is refused.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from errno import EBADF, ENOENT, ESRCH
from typing import Final, NamedTuple, TypeAlias

from beepy import sections, subjects
from beepy.collection.collection import Collection
from beepy.collection.group_members import PERIOD_S, GroupMembers, GroupSlots
from beepy.errors import AttachError, RewriteError, UsageError, worded
from beepy.events import schemas, variables
from beepy.events.fields import Field, fields
from beepy.hooks import Target
from beepy.host import cgroups, containers
from beepy.kernel.own_pid import own_pid
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.rewrite import select
from beepy.rewrite.prologue import Ancestor
from beepy.rewrite.select import MAX_CGROUPS, MAX_NAME, Selection
from beepy.sections import Mechanism
from beepy.subjects import Context
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.threads import Repeated

_Find: TypeAlias = Callable[[containers.Tree, str], Sequence[str]]

_YES: Final = b"\1"  # the value of every key
_OLD: Final = "a cgroup of version 1"
_MAX_LISTED: Final = 4
# the fields that tell the same of a record, the surest first
_FIELDS: Final = {"--pid": ("tgid", "pid"), "--uid": ("uid",), "--comm": ("comm",)}


class Subjects(NamedTuple):
    """Whose events: those of one kind are alternatives, and each kind must hold.

    ``pids`` are those of the first PID namespace. ``cgroups`` are directories of cgroup v2;
    containers, pods and units are found by the names that their runtimes give them.
    """

    pids: tuple[int, ...] = ()
    uids: tuple[int, ...] = ()
    comms: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


class Selected(NamedTuple):
    """The objects of a run, changed; ``filters`` are of ``-f``, ``notices`` say what was done."""

    specs: list[CollectionSpec]
    filters: list[str]
    notices: list[str]


def resolve(chosen: Subjects) -> Selection:
    """Return what the kernel compares. Raises UsageError, AttachError for what is not there."""
    names = []
    for comm in chosen.comms:
        try:
            name = os.fsencode(comm)
        except UnicodeEncodeError:  # half of a pair, as JSON may have it
            name = b""
        if not 0 < len(name) <= MAX_NAME or b"\0" in name:
            why = f"a process has a name of 1 to {MAX_NAME} bytes"
            raise UsageError(worded(f"--comm '{safe(comm)}': {why}"))
        names.append(name)
    if chosen.pids and own_pid() != os.getpid():
        error = UsageError(worded("--pid: the kernel has other numbers than this PID namespace"))
        error.add_note("run it in the host's PID namespace, or choose by --comm or --cgroup")
        raise error
    groups = _directories(chosen)
    directories, old_groups, later = [tuple(dict.fromkeys(paths)) for paths in groups]
    directories += later
    if old_groups and own_pid() != os.getpid():
        why = "the kernel has other numbers of its processes than this PID namespace"
        raise UsageError(f"{_listed(old_groups)}: {_OLD}: {why}")
    if old_groups and directories:
        why = f"not together with {_listed(directories)}, which is of v2"
        raise UsageError(f"{_listed(old_groups)}: {_OLD}: {why}")
    if len(directories) > MAX_CGROUPS:
        raise UsageError(worded(f"--cgroup: {len(directories)} cgroups: at most {MAX_CGROUPS}"))
    return Selection(
        pids=tuple(dict.fromkeys(chosen.pids)),
        uids=tuple(dict.fromkeys(chosen.uids)),
        names=tuple(dict.fromkeys(names)),
        cgroups=directories,
        ancestors=_ancestors(directories),
        old_groups=old_groups,
        later=later,
    )


def _directories(chosen: Subjects) -> tuple[list[str], list[str], list[str]]:
    """Return the directories of cgroup v2, and those of version 1 of what has none there.

    The last ones are texts that stand for containers that are not running yet.
    """
    new, old, later = list(chosen.cgroups), list[str](), list[str]()
    finders = _finders(chosen)
    trees = containers.this_machine() if finders else []
    for find, name in finders:
        try:
            tree, paths = containers.first(trees, find, name)
        except AttachError as error:
            if error.errno != ESRCH or any(tree.old for tree in trees):
                raise
            later.append(f"container '{name}'")
        else:
            (old if tree.old else new).extend(paths)
    return new, old, later


def _finders(chosen: Subjects) -> list[tuple[_Find, str]]:
    """Return the names of containers, pods and units, each with what finds its cgroups."""
    return [
        *[(_container, name) for name in chosen.containers],
        *[(_pod, name) for name in chosen.pods],
        *[(containers.unit, name) for name in chosen.units],
    ]


def _container(tree: containers.Tree, name: str) -> Sequence[str]:
    return [containers.container(tree, name)]


def _pod(tree: containers.Tree, name: str) -> Sequence[str]:
    return [containers.pod(tree, name)]


def _ancestors(directories: Sequence[str]) -> tuple[Ancestor, ...]:
    """Return the depths and ids of cgroups; () where the root of all cgroups is not seen."""
    if not directories:
        return ()
    found = [cgroups.identify(path) for path in directories]
    return tuple([Ancestor(*known) for known in found if known]) if all(found) else ()


def common_target(specs: Sequence[CollectionSpec], common: Target, selection: Selection) -> Target:
    """Return ``common`` with the pid and the cgroup, where some program uses them."""
    hooks = [sections.find(program.section) for spec in specs for program in spec.loaded]
    used = {option for hook in hooks if hook for option in hook.options}
    pid = selection.pids[0] if len(selection.pids) == 1 and "pid" in used else None
    cgroup = selection.cgroups[0] if len(selection.cgroups) == 1 and "cgroup" in used else ""
    return common._replace(pid=pid, cgroup=cgroup)


def apply(
    specs: Sequence[CollectionSpec], targets: Sequence[Mapping[str, Target]], selection: Selection
) -> Selected:
    """Return the objects with programs that run for the selected processes only.

    ``targets`` are those of each object's programs. Raises RewriteError with the program for which
    it cannot be decided.
    """
    selected = Selected([], [], [])
    for text in selection.later:
        selected.notices.append(f"{safe(text)}: not running: its events are shown once it runs")
    if selection.old_groups:
        period = f"every {PERIOD_S * 1000:g} ms"
        why = f"new processes are looked for {period}: what they do before is missed"
        selected.notices.append(f"{_listed(selection.old_groups)}: {_OLD}: {why}")
    for spec, spec_targets in zip(specs, targets, strict=True):
        verdicts = {
            program.name: _verdict(program, spec_targets[program.name])
            for program in spec.loaded
            if not _is_aimed(program, selection)
        }
        other = [name for name, verdict in verdicts.items() if verdict.context is Context.OTHER]
        why = f"program '{safe(other[0])}': {safe(verdicts[other[0]].why)}" if other else ""
        if other and len(verdicts) < len(spec.loaded):  # the option is for those that are aimed
            selected.notices.append(f"{_listed(other)}: not restricted: {why}")
            verdicts = {name: verdicts[name] for name in verdicts.keys() - set(other)}
        elif other:
            selected.specs.append(_by_record(spec, selection, why, selected))
            continue
        unknown = [name for name, verdict in verdicts.items() if verdict.context is Context.UNKNOWN]
        if unknown:
            selected.notices.append(f"{_listed(unknown)}: selected by the process that was running")
        selected.specs.append(select.apply(spec, selection, verdicts))
    return selected


def fill(collection: Collection, selection: Selection) -> None:
    """Put what is selected into the maps that the programs ask. Raises KernelError, AttachError."""
    for name, keys in select.contents(selection):
        if name in collection.maps:
            for key in keys:
                collection.maps[name].update(key, _YES)
    if select.CGROUPS in collection.maps:
        for index, path in enumerate(selection.cgroups):
            if path in selection.later:
                continue
            with _open(path) as directory:
                value = directory.fileno().to_bytes(4, "little")
                collection.maps[select.CGROUPS].update(index.to_bytes(4, "little"), value)


def keeper(
    collections: Sequence[Collection], chosen: Subjects, selection: Selection
) -> Repeated | None:
    """Return what follows the cgroups that are chosen, None if there are none.

    The caller starts and closes it. Raises KernelError.
    """
    if selection.old_groups:
        members = GroupMembers(collections, selection.old_groups, selection.pids)
        return Repeated(members.update, PERIOD_S, "cgroups")
    if any(select.CGROUPS in collection.maps for collection in collections):
        slots = GroupSlots(collections, selection.cgroups, lambda: _present(chosen))
        return Repeated(slots.update, PERIOD_S, "cgroups")
    return None


def _present(chosen: Subjects) -> Iterator[str]:
    """Yield the directories of cgroup v2 of what is running now."""
    for find, name in _finders(chosen):
        with suppress(AttachError, OSError):
            tree, paths = containers.first(containers.this_machine(), find, name)
            yield from () if tree.old else paths


def _open(path: str) -> Fd:
    """Open a directory of cgroup v2. Raises AttachError."""
    where = f"cgroup '{safe(path)}'"
    try:
        directory = Fd(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise AttachError.of(where, getattr(error, "errno", None) or ENOENT) from None
    root = cgroups.root()
    if root and os.fstat(directory.fileno()).st_dev == os.stat(root).st_dev:  # noqa: PTH116
        return directory
    directory.close()
    refused = AttachError(f"{where}: not of cgroup v2", EBADF)
    refused.add_note(
        f"cgroup v2 is mounted at {safe(root)}" if root else "cgroup v2 is not mounted"
    )
    raise refused


def _verdict(program: ProgramSpec, target: Target) -> subjects.Verdict:
    hook = sections.find(program.section)
    if hook is None:
        return subjects.Verdict(Context.OTHER, f"section '{program.section}' is unknown")
    return subjects.of(hook, target.name)


def _is_aimed(program: ProgramSpec, selection: Selection) -> bool:
    """Tell whether a program attaches to just what is selected, such as a cgroup's directory."""
    hook = sections.find(program.section)
    if not hook or selection.uids or selection.names:
        return False
    if selection.cgroups or selection.old_groups:
        return "cgroup" in hook.options and bool(selection.cgroups) and not selection.pids
    return hook.mechanism in (Mechanism.ITERATOR, Mechanism.REUSEPORT) and len(selection.pids) == 1


def _by_record(
    spec: CollectionSpec, selection: Selection, why: str, selected: Selected
) -> CollectionSpec:
    """Return an object whose own variable selects, or whose rows are filtered by their fields."""
    wanted = _texts(selection)
    if selection.cgroups or selection.old_groups:
        raise _refused("--cgroup", why, "its records do not say in which cgroup it was")
    variable = variables.pid_variable([spec]) if len(selection.pids) == 1 else ""
    if variable and len(wanted) == 1:
        selected.notices.append(f"{safe(spec.name)}: variable '{safe(variable)}' is set: {why}")
        return variables.apply(spec, {variable: selection.pids[0]})
    for tracked in spec.tracked:
        names = {field.name for field in _fields(spec, tracked.map)}
        for option, texts in wanted.items():
            name = next((name for name in _FIELDS[option] if name in names), "")
            if not name:
                raise _refused(option, why, f"the records of {safe(tracked.map)} do not tell it")
            alternatives = "|".join(map(re.escape, texts))
            selected.filters.append(f"{tracked.map},{name},^({alternatives})$")
    selected.notices.append(f"{safe(spec.name)}: rows are filtered when they are read: {why}")
    return spec


def _texts(selection: Selection) -> dict[str, list[str]]:
    texts = {
        "--pid": [*map(str, selection.pids)],
        "--uid": [*map(str, selection.uids)],
        "--comm": [os.fsdecode(name) for name in selection.names],
    }
    return {option: values for option, values in texts.items() if values}


def _fields(spec: CollectionSpec, map_name: str) -> Sequence[Field]:
    tracked = next(tracked for tracked in spec.tracked if tracked.map == map_name)
    return fields(schemas.of_tracked(spec, tracked))


def _listed(programs: Sequence[str]) -> str:
    more = ", ..." if len(programs) > _MAX_LISTED else ""
    return ", ".join(map(safe, programs[:_MAX_LISTED])) + more


def _refused(option: str, program: str, why: str) -> RewriteError:
    return RewriteError(worded(f"{option}: {program}; {why}"))
