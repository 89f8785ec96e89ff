"""Collection: the maps, programs and links of one loaded object; attach and close them."""

import errno
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from beepy import hooks, sections
from beepy.btf.btf import Btf
from beepy.collection.missing import SkippedPrograms
from beepy.errors import KernelError
from beepy.hooks import Target
from beepy.kernel import btf as kernel_btf
from beepy.kernel.link import Link
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.spec import CollectionSpec
from beepy.text import safe
from beepy.uapi import ProgType

if TYPE_CHECKING:
    from beepy.collection.forms import Forms  # it imports this module's neighbors

_log = Log(__name__)


class Registration(NamedTuple):
    """A STRUCT_OPS map and the ``value`` that registers its operations when it is stored there."""

    map: Map
    value: bytes
    flags: int


class Collection:
    """Owns the ``maps`` and ``programs`` of ``spec``, by name, and the ``links`` of programs.

    ``link_of`` has those of programs by name.
    ``targets`` has where each program attaches, by name. ``skipped`` has the programs that were
    skipped because the kernel lacks something. ``shared`` is state that hooks share between
    programs. Closing ``pinned`` removes the pins that were made while loading. ``created`` are the
    maps that were not pinned before. ``forms`` says which programs count what they lose, None: no
    program does. ``btf`` is used in place of the running kernel's types. A context manager;
    ``close`` detaches first, and keeps the pins.
    """

    def __init__(
        self,
        spec: CollectionSpec,
        targets: Mapping[str, Target],
        skipped: SkippedPrograms | None = None,
        btf: Btf | None = None,
    ) -> None:
        self.spec = spec
        self.targets = targets
        self.skipped = skipped or SkippedPrograms()
        self.btf = btf
        self.maps: dict[str, Map] = {}
        self.shared: dict[str, object] = {}
        self.programs: dict[str, Program] = {}
        self.links: list[Link] = []
        self.link_of: dict[str, Link] = {}
        self.operations: list[Registration] = []
        self.pinned = ExitStack()
        self.created: AbstractSet[str] = frozenset()
        self.forms: Forms | None = None

    def attach(self) -> None:
        """Attach every program to its target, or skip those that the kernel lacks something for.

        Raises AttachError if the kernel refuses a program; then none is attached.
        """
        hooks.sweep()
        try:
            for program in self._attached_by_hooks():
                target = self.target(program.name)
                try:
                    link = hooks.attach(program, target)
                except KernelError as error:
                    self.skipped.skip(program.name, _explained(error, program), attaching=True)
                    continue
                self.links.append(link)
                self.link_of[program.name] = link
                _log.info(
                    "program '%s': attached to %s",
                    safe(program.name),
                    safe(hooks.describe_target(program.section, target)),
                )
            for registration in self.operations:
                from beepy.hooks import struct_ops  # noqa: PLC0415 - few objects have any

                self.links.append(struct_ops.attach(*registration))
                _log.info("map '%s': registered", safe(registration.map.name))
        except BaseException:
            self.detach()
            raise

    def _attached_by_hooks(self) -> list[Program]:
        """Return all programs but those of STRUCT_OPS, which their map attaches."""
        return [
            program for program in self.programs.values() if program.type != ProgType.STRUCT_OPS
        ]

    def target(self, program: str) -> Target:
        """Return where a program attaches, with this collection's maps and shared state."""
        return self.targets[program]._replace(maps=self.maps, shared=self.shared)

    def kernel_types(self) -> Btf | None:
        """Return the kernel's types, None if it has none or this process may not read them."""
        try:
            return kernel_btf.vmlinux() if self.btf is None else self.btf
        except KernelError:
            return None

    def detach(self) -> None:
        """Close all links, the last first, each even if one before it raises."""
        with ExitStack() as steps:
            for link in self.links:
                steps.callback(link.close)
            self.links.clear()
            self.link_of.clear()

    def close(self) -> None:
        """Detach, then close programs and maps, each even if one before it raises."""
        with ExitStack() as steps:
            for map_ in self.maps.values():
                steps.callback(map_.close)
            for program in self.programs.values():
                steps.callback(program.close)
            steps.callback(self.detach)
            self.programs.clear()
            self.maps.clear()

    def __repr__(self) -> str:
        counts = f"programs={len(self.programs)}, maps={len(self.maps)}, links={len(self.links)}"
        return f"Collection({self.spec.name[:50]!r}, {counts})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _explained(error: KernelError, program: Program) -> KernelError:
    """Return ``error`` with the missing capability in its message, if it is one of permission."""
    hook = sections.find(program.section)
    if hook is None or error.errno not in (errno.EPERM, errno.EACCES):
        return error
    from beepy.collection import refusals  # noqa: PLC0415 - only where the kernel refuses

    explained = refusals.explain_attach(error, hook)
    if explained is not error:
        explained.__cause__ = error
    return explained
