"""What can be decided before anything is in the kernel: which programs are loaded, as what, and with which fixups."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from beepy import sections
from beepy.btf.btf import Btf
from beepy.collection import attachpoint
from beepy.collection.attachpoint import AttachPoint
from beepy.collection.structops import StructOps
from beepy.core.patch import patch
from beepy.core.resolve import Fixup, Resolver
from beepy.errors import BeepyError
from beepy.hooks import Target
from beepy.kernel import btf as kernel_btf
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.sections import Hook
from beepy.text import safe
from beepy.uapi import ProgType

_log = Log(__name__)


class Refusal(NamedTuple):
    """Why a program cannot be loaded. ``attaching``: what it attaches to was not found, or was not to be looked up."""

    program: str
    error: BeepyError
    attaching: bool = False


class Planned(NamedTuple):
    """A program whose types are resolved: only file descriptors are missing."""

    spec: ProgramSpec
    hook: Hook
    target: Target
    point: AttachPoint
    fixups: tuple[Fixup, ...]


class Plan(NamedTuple):
    """What becomes of ``spec``: the programs to load, in their order, and the maps of ``operations``.

    ``fixups`` are what relocations become, by program, also of programs that cannot be loaded.
    """

    spec: CollectionSpec
    programs: Sequence[Planned]
    operations: Sequence[StructOps]
    fixups: Mapping[str, tuple[Fixup, ...]]


def plan(
    spec: CollectionSpec,
    targets: Mapping[str, Target],
    operations: Sequence[StructOps],
    refuse: Callable[[Refusal], None],
    *,
    btf: Btf | None = None,
    kernel: Btf | None = None,
) -> Plan:
    """Decide what is loaded into the running kernel, or into the one of which ``kernel`` are the types.

    Programs are skipped whose section begins with ``?``, as libbpf does, unless a map of operations names them; those
    of ``struct_ops`` that no map of ``operations`` names; and those that cannot be loaded. ``refuse`` gets each reason
    of the latter (UnsupportedSection, RelocationError, NotSupported or AttachError), and raises or remembers it.
    ``btf`` are the types for CO-RE relocations, in the place of the kernel's own.
    """
    resolver = resolver_of(spec, btf or kernel)
    programs: list[Planned] = []
    fixups: dict[str, tuple[Fixup, ...]] = {}
    loaded = {program.name for program in spec.loaded}
    for program in spec.programs:
        if program.name not in loaded:
            _log.info("program '%s': left out, its section says so: %s", safe(program.name), safe(program.section))
            continue
        hook = sections.find(program.section)
        if hook is None:
            from beepy.collection.unknown_section import unknown_section  # noqa: PLC0415 - only on the way to an error

            refuse(Refusal(program.name, unknown_section(spec, program)))
        own: tuple[Fixup, ...] | None = ()
        try:
            if resolver and program.core:
                own = fixups[program.name] = _resolved(resolver, program)
        except BeepyError as error:
            refuse(Refusal(program.name, error))
            own = None
        if hook is None:
            continue
        target = targets.get(program.name) or Target(sections.target(hook, program.section))
        point: AttachPoint | None = None
        try:
            point = _point(program, hook, target, operations, kernel)
            if point is None:
                _log.info("program '%s': left out: no map of operations names it", safe(program.name))
                continue
        except BeepyError as error:
            refuse(Refusal(program.name, error, attaching=True))
        if own is None:
            continue
        try:
            relocated = patch(program, own) if own else program
        except BeepyError as error:
            refuse(Refusal(program.name, error))
            continue
        if point:
            programs.append(Planned(relocated, hook, target, point, own))
    for architecture in sorted(resolver.architectures) if resolver else ():
        _log.info("%s: made for x86-64: its registers are read as those of %s", safe(spec.name), architecture)
    return Plan(spec, programs, operations, fixups)


def resolver_of(spec: CollectionSpec, kernel: Btf | None) -> Resolver | None:
    """Return what resolves the CO-RE relocations of ``spec`` by the types of a kernel, None: of the running one."""
    if spec.btf is None:
        return None
    resolver = Resolver(spec.btf, (kernel,) if kernel else kernel_btf.candidates)
    resolver.prefetch(spec.programs)
    return resolver


def _resolved(resolver: Resolver, program: ProgramSpec) -> tuple[Fixup, ...]:
    fixups = resolver.fixups(program)
    for number, fixup in enumerate(fixups) if _log.is_debug() else ():
        _log.debug("program '%s': relocation %d: insn %d: %s", safe(program.name), number, fixup.insn, fixup)
    return fixups


def _point(
    program: ProgramSpec, hook: Hook, target: Target, operations: Sequence[StructOps], kernel: Btf | None
) -> AttachPoint | None:
    """Return where a program attaches at load; None for an operation that is in no map."""
    if hook.prog_type != ProgType.STRUCT_OPS:
        return attachpoint.find(program, hook, target, kernel)
    for each in operations:
        if program.name in each.programs:
            return AttachPoint(each.type, member=each.programs[program.name].member)
    return None
