"""What can be decided before anything is in the kernel: which programs are loaded, as what, and with which fixups."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from beepy import hooks
from beepy.btf.btf import Btf
from beepy.collection import attachpoint
from beepy.collection.absent import Absent
from beepy.collection.attachpoint import AttachPoint
from beepy.collection.structops import StructOps
from beepy.core.patch import patch
from beepy.core.resolve import Fixup, Resolver
from beepy.errors import KernelError
from beepy.hooks import Hook, Target
from beepy.kernel import btf as kernel_btf
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.text import safe
from beepy.uapi import ProgType

_log = Log(__name__)


class Planned(NamedTuple):
    """A program whose types are resolved: only file descriptors are missing."""

    spec: ProgramSpec
    hook: Hook
    target: Target
    point: AttachPoint
    fixups: tuple[Fixup, ...]


def plan(
    spec: CollectionSpec,
    targets: Mapping[str, Target],
    operations: Sequence[StructOps],
    absent: Absent,
    btf: Btf | None = None,
) -> list[Planned]:
    """Return the programs to load, in their order.

    Left out are those whose section begins with ``?``, as libbpf does, unless a map of operations names them; those of
    ``struct_ops`` that no map of ``operations`` names; and what ``absent`` skips. ``btf`` are the kernel's types for
    CO-RE relocations, in the place of its own. Raises UnsupportedSection, RelocationError, NotSupported or AttachError.
    """
    resolver = Resolver(spec.btf, (btf,) if btf else kernel_btf.candidates) if spec.btf else None
    if resolver:
        resolver.expect(spec.programs)
    planned = []
    loaded = {one.name for one in spec.loaded}
    for one in spec.programs:
        if one.name not in loaded:
            _log.info("program '%s': left out, its section says so: %s", safe(one.name), safe(one.section))
            continue
        hook = hooks.find(one.section)
        if hook is None:
            from beepy.collection.unknown_section import unknown_section  # noqa: PLC0415 - only on the way to an error

            raise unknown_section(spec, one)
        target = targets.get(one.name) or Target(hooks.target(hook, one.section))
        fixups: tuple[Fixup, ...] = ()
        if resolver and one.core:
            fixups = resolver.fixups(one)
            for number, fixup in enumerate(fixups) if _log.is_debug() else ():
                _log.debug("program '%s': relocation %d: insn %d: %s", safe(one.name), number, fixup.insn, fixup)
        try:
            point = _point(one, hook, target, operations)
        except KernelError as error:
            absent.skip(one.name, error)
            continue
        if point is None:
            _log.info("program '%s': left out: no map of operations names it", safe(one.name))
            continue
        planned.append(Planned(patch(one, fixups) if fixups else one, hook, target, point, fixups))
    for architecture in sorted(resolver.architectures) if resolver else ():
        _log.info("%s: made for x86-64: its registers are read as those of %s", safe(spec.name), architecture)
    return planned


def _point(one: ProgramSpec, hook: Hook, target: Target, operations: Sequence[StructOps]) -> AttachPoint | None:
    """Return where a program attaches at load; None for an operation that is in no map."""
    if hook.prog_type != ProgType.STRUCT_OPS:
        return attachpoint.find(one, hook, target)
    for each in operations:
        if one.name in each.programs:
            return AttachPoint(each.type, member=each.programs[one.name].member)
    return None
