"""Control groups: the paths of those that links name, and programs attached without a link."""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from beepy import sections, uapi
from beepy.errors import KernelError
from beepy.host import mounts
from beepy.kernel import objects
from beepy.sections import Mechanism
from beepy.uapi import AttachType, LinkType, ProgType
from beepy.uapi_objects import LinkInfo

_MAX_DIRECTORIES: Final = 20_000
_MECHANISMS: Final = frozenset({Mechanism.CGROUP, Mechanism.CGROUP_SKB})


class Cgroups:
    """What is attached to control groups; their tree is walked only if that can find something.

    ``links`` are all links, ``unlinked`` the programs without one. The tree is that of version 2,
    as it is mounted here: at most ``_MAX_DIRECTORIES`` of it.
    """

    def __init__(self, links: Sequence[LinkInfo], unlinked: Sequence[uapi.ProgInfo]) -> None:
        self._paths = {link.cgroup.cgroup_id: "" for link in links if link.type == LinkType.CGROUP}
        self._attached: dict[int, list[str]] = {}
        types = {program.type for program in unlinked} - {ProgType.LSM}
        attach_types = {
            hook.attach_type
            for hook in sections.TABLE
            if hook.mechanism in _MECHANISMS and hook.prog_type in types
        }
        if self._paths or attach_types:
            for path in _directories():
                self._look_into(path, attach_types)

    def path(self, number: int) -> str:
        """Return the path of a control group, or its number if it is not found."""
        return self._paths.get(number) or f"cgroup {number}"

    def of(self, program: int) -> list[str]:
        """Return where a program is attached without a link."""
        return self._attached.get(program, [])

    def _look_into(self, path: str, attach_types: set[AttachType]) -> None:
        """Note the path of a control group, and the programs that are attached to it."""
        try:
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # removed since
            return
        try:
            number = os.fstat(directory).st_ino  # the id of the control group
            if number in self._paths:
                self._paths[number] = path
            for attach_type in sorted(attach_types):
                try:
                    programs = objects.attached_to(directory, attach_type)
                except KernelError:  # this kernel lacks the attach type
                    continue
                for program in programs:
                    text = f"{attach_type.name.lower()} {path}"
                    self._attached.setdefault(program, []).append(text)
        finally:
            os.close(directory)


def _directories() -> Iterator[str]:
    """Yield the directories of control groups, each before those below it."""
    pending = [mount.point for mount in mounts.mounts() if mount.type == "cgroup2"][:1]
    for _ in range(_MAX_DIRECTORIES):
        if not pending:
            return
        path = pending.pop()
        yield path
        try:
            with os.scandir(path) as entries:
                below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:  # removed since
            continue
        pending += sorted(below, reverse=True)
