"""Find the cgroups of containers, pods and units: by their ids in the names of directories.

::

    systemd's driver   .../docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope
                       .../kubepods-burstable-podUID.slice, with "_" for each "-" of the UID
    cgroupfs' driver   .../docker/ID, /kubepods/burstable/podUID/ID
                       .../kubepods-podUID.slice:cri-containerd:ID
    a unit             .../NAME.service, in system.slice or a user's

The runtimes' files on the host say which names an id has. ``located`` goes the other way: what a
cgroup's path says.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from errno import ENOENT, ESRCH
from typing import Final, NamedTuple

from beepy.errors import AttachError
from beepy.host import cgroups, runtimes
from beepy.text import safe

_ID: Final = re.compile(r"[0-9a-f]{12,64}")
_SCOPE: Final = re.compile(r"(?:[a-z]+(?:-[a-z]+)*-)?([0-9a-f]{64})(?:\.scope)?")
_POD: Final = re.compile(r"(?:kubepods(?:-[a-z]+)?-)?pod([0-9a-f]{8}[0-9a-f_-]{4,60})(?:\.slice)?")
_UID: Final = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
_NESTED: Final = re.compile(r"[^:]+\.slice:[a-z-]+:[0-9a-f]{64}")  # runc without systemd
_UNIT: Final = re.compile(r".+\.(?:service|scope|socket|mount|swap)")
_MAX_LISTED: Final = 8


class Tree(NamedTuple):
    """The tree of cgroups that is searched, and the root directory of the runtimes' files.

    ``old``: it is a hierarchy of version 1.
    """

    cgroup: str
    root: str = "/"
    old: bool = False


def this_machine() -> list[Tree]:
    """Return the trees of this machine, that of cgroup v2 first. Raises AttachError for none."""
    mount_point = cgroups.root()
    trees = [Tree(mount_point)] if mount_point else []
    trees += [Tree(point, old=True) for point in cgroups.old_roots()]
    if not trees:
        raise _not_found("cgroups: not mounted: containers, pods and units cannot be told apart")
    return trees


def first(
    trees: Sequence[Tree], find: Callable[[Tree, str], Sequence[str]], name: str
) -> tuple[Tree, Sequence[str]]:
    """Return what ``find`` finds in the first tree that has it, and the tree.

    Raises AttachError as it does in the first one.
    """
    failure = None
    for tree in trees:
        try:
            return tree, find(tree, name)
        except AttachError as error:
            failure = failure or error
    assert failure, "there are trees"
    raise failure


class Located(NamedTuple):
    """What the path of a cgroup says: the id of a container, the UID of a pod, a unit; or ""."""

    container: str = ""
    pod: str = ""
    unit: str = ""


def located(path: str) -> Located:
    """Return what a cgroup belongs to, by its path from the root of cgroups on.

    The container is the outermost one: what is below it has names that it chooses itself. The unit
    is the innermost one outside.
    """
    pod = unit = ""
    names = [
        part
        for name in path.split("/")
        for part in (name.split(":") if _NESTED.fullmatch(name) else (name,))
    ]
    for name in names:
        if match := _POD.fullmatch(name):
            pod = match[1].replace("_", "-")
        if _UNIT.fullmatch(name):
            unit = name
        if match := _SCOPE.fullmatch(name):
            return Located(match[1], pod, unit)
    return Located("", pod, unit)


def container(tree: Tree, name: str) -> str:
    """Return the cgroup of the container with this name, or whose id begins so.

    Raises AttachError if there is none, or more than one; with ESRCH if it is known, but not
    running.
    """
    directories = {
        match[1]: path
        for path in cgroups.directories(tree.cgroup)
        if (match := _SCOPE.fullmatch(path.rpartition("/")[2]))
    }
    if _ID.fullmatch(name):
        ids = [identity for identity in directories if identity.startswith(name)]
        if ids:
            return directories[_only(ids, f"container '{safe(name)}'")]
    known = runtimes.containers(tree.root)
    ids = [identity for identity in known.ids.get(name, ()) if identity in directories]
    if ids:
        return directories[_only(ids, f"container '{safe(name)}'")]
    stopped = name in known.ids
    why = "not running" if stopped else "no running container of that name or id"
    error = AttachError(f"container '{safe(name)}': {why}", ESRCH if stopped else ENOENT)
    if known.unreadable:
        error.add_note(f"an id works too: cannot read {_listed(known.unreadable)}")
    elif running := sorted(n for n, i in known.ids.items() if not directories.keys().isdisjoint(i)):
        error.add_note(f"running: {_listed(running)}")
    raise error


def pod(tree: Tree, name: str) -> str:
    """Return the cgroup of a pod: [NAMESPACE/]NAME, or UID.

    Raises AttachError if there is none, or more than one.
    """
    directories: dict[str, str] = {}
    for path in cgroups.directories(tree.cgroup):
        if match := _POD.fullmatch(path.rpartition("/")[2]):
            directories.setdefault(match[1].replace("_", "-"), path)
    where = f"pod '{safe(name)}'"
    if name in directories:
        return directories[name]
    if _UID.fullmatch(name):
        raise _not_found(f"{where}: no cgroup of that UID")
    namespace, slash, short = name.rpartition("/")
    known = runtimes.pods(tree.root)
    uids = [
        pod.uid
        for pod in known.pods
        if pod.name == short
        and (not slash or pod.namespace == namespace)
        and pod.uid in directories
    ]
    if uids:
        return directories[_only(uids, where)]
    error = _not_found(f"{where}: no running pod of that name")
    if known.unreadable:
        error.add_note(f"a UID works too: cannot read {_listed(known.unreadable)}")
    elif running := sorted(
        f"{pod.namespace}/{pod.name}" for pod in known.pods if pod.uid in directories
    ):
        error.add_note(f"running: {_listed(running)}")
    raise error


def unit(tree: Tree, name: str) -> Sequence[str]:
    """Return the cgroups of a unit of systemd; each user may have one of that name.

    Raises AttachError if there is none.
    """
    if "/" in name or "." not in name:
        raise _not_found(f"unit '{safe(name)}': expected a name such as nginx.service")
    paths = list(_matching(tree, lambda directory: directory == name))
    if not paths:
        raise _not_found(f"unit '{safe(name)}': no cgroup of that name: is it running?")
    return paths


def _matching(tree: Tree, matches: Callable[[str], bool]) -> Iterator[str]:
    return (path for path in cgroups.directories(tree.cgroup) if matches(path.rpartition("/")[2]))


def _not_found(message: str) -> AttachError:
    return AttachError(message, ENOENT)


def _only(identities: Sequence[str], where: str) -> str:
    if len(identities) > 1:
        raise _not_found(f"{where}: {len(identities)} match: {_listed(sorted(identities))}")
    return identities[0]


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _MAX_LISTED else ""
    return ", ".join(map(safe, names[:_MAX_LISTED])) + more
