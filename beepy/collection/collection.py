"""What is loaded: maps, programs and links of one object, and their end."""

import errno
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

from beepy import hooks
from beepy.btf.btf import Btf
from beepy.collection.absent import Absent
from beepy.errors import KernelError
from beepy.hooks import Target, struct_ops
from beepy.kernel import btf as kernel_btf
from beepy.kernel.link import Link
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.spec import CollectionSpec
from beepy.text import safe
from beepy.uapi import ProgType

_log = Log(__name__)


class Registration(NamedTuple):
    """What registers operations with the kernel: the ``value`` that their map is to be given."""

    map: Map
    value: bytes
    flags: int


class Collection:
    """Owns the ``maps`` and ``programs`` of ``spec``, by name, and the ``links`` of what is attached.

    ``targets`` says where each program attaches. ``absent`` knows the programs that were left out because the kernel
    lacks what they attach to; ``pinned`` how to take back the pins that were made for it. ``btf`` are the kernel's
    types, in the place of its own. A context manager; ``close`` detaches first, and leaves the pins.
    """

    def __init__(
        self,
        spec: CollectionSpec,
        targets: Mapping[str, Target],
        absent: Absent | None = None,
        btf: Btf | None = None,
    ) -> None:
        self.spec = spec
        self.targets = targets
        self.absent = absent or Absent()
        self.btf = btf
        self.maps: dict[str, Map] = {}
        self.programs: dict[str, Program] = {}
        self.links: list[Link] = []
        self.operations: list[Registration] = []
        self.pinned = ExitStack()

    def attach(self) -> None:
        """Attach every program to its target.

        Raises AttachError when the kernel refuses one: then none is. One whose attach point it lacks may be left out,
        see ``absent``.
        """
        ready = [(program, _attach(program)) for program in self._attached_one_by_one()]
        hooks.sweep()
        try:
            for program, attach in ready:
                where = self.target(program.name)
                try:
                    link = attach(program, where)
                except KernelError as error:
                    self.absent.skip(program.name, _explained(error, program))
                    continue
                self.links.append(link)
                _log.info("program '%s': attached to %s", safe(program.name), safe(hooks.place(program.section, where)))
            for registration in self.operations:
                self.links.append(struct_ops.attach(*registration))
                _log.info("map '%s': registered", safe(registration.map.name))
        except BaseException:
            self.detach()
            raise

    def _attached_one_by_one(self) -> list[Program]:
        """Return the programs that are not attached by their map of operations."""
        return [program for program in self.programs.values() if program.type != ProgType.STRUCT_OPS]

    def target(self, program: str) -> Target:
        """Return where that program attaches, with this collection's maps."""
        return self.targets[program]._replace(maps=self.maps)

    def kernel_types(self) -> Btf | None:
        """Return the kernel's types, None where it has none, or shows none to us."""
        try:
            return kernel_btf.vmlinux() if self.btf is None else self.btf
        except KernelError:
            return None

    def detach(self) -> None:
        """Detach every program, the last first, each even if one before it raises; maps and programs stay."""
        with ExitStack() as steps:
            for link in self.links:
                steps.callback(link.close)
            self.links.clear()

    def close(self) -> None:
        """Detach, and let go of programs and maps; each is let go even if one before it raises."""
        with ExitStack() as steps:
            for close in (*[one.close for one in self.maps.values()], *[one.close for one in self.programs.values()]):
                steps.callback(close)
            steps.callback(self.detach)
            self.programs.clear()
            self.maps.clear()

    def __repr__(self) -> str:
        counts = f"programs={len(self.programs)}, maps={len(self.maps)}, links={len(self.links)}"
        return f"Collection({self.spec.name[:50]!r}, {counts})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _explained(error: KernelError, program: Program) -> KernelError:
    """Return what is wrong, where the kernel forbids it."""
    hook = hooks.find(program.section)
    if hook is None or error.errno not in (errno.EPERM, errno.EACCES):
        return error
    from beepy.collection import diagnosis  # noqa: PLC0415 - only where the kernel refuses

    explained = diagnosis.of_attachment(error, hook)
    if explained is not error:
        explained.__cause__ = error
    return explained


def _attach(program: Program) -> Callable[[Program, Target], Link]:
    hook = hooks.find(program.section)
    assert hook  # it was loaded by it
    assert hook.attach  # but for what a map of operations attaches
    return hook.attach
