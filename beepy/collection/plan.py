"""Plan a load before anything is in the kernel: programs, attach points, CO-RE fixups."""

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
    """Why a program cannot be loaded; ``attaching``: its attach point is missing or unknown."""

    program: str
    error: BeepyError
    attaching: bool = False


class Planned(NamedTuple):
    """A program with CO-RE applied and its attach point found: only descriptors are missing."""

    spec: ProgramSpec
    hook: Hook
    target: Target
    point: AttachPoint
    fixups: tuple[Fixup, ...]


class Plan(NamedTuple):
    """The programs of ``spec`` to load, in order, and its STRUCT_OPS maps (``operations``).

    ``fixups`` has the CO-RE relocations by program, also of programs that cannot be loaded.
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
    """Decide what is loaded into the running kernel, or into the one with the types ``kernel``.

    Skipped are programs whose section begins with ``?``, as in libbpf, unless a STRUCT_OPS map
    refers to them; ``struct_ops`` programs that no map of ``operations`` refers to; and programs
    that cannot be loaded. ``refuse`` gets each reason of the latter (with UnsupportedSection,
    RelocationError, NotSupported or AttachError); it raises the error or records it. ``btf`` is
    used for CO-RE relocations in place of the kernel's types.
    """
    resolver = resolver_of(spec, btf or kernel)
    programs: list[Planned] = []
    fixups: dict[str, tuple[Fixup, ...]] = {}
    loaded = {program.name for program in spec.loaded}
    for program in spec.programs:
        if program.name not in loaded:
            _log.info(
                "program '%s': skipped: autoload is off (SEC starts with '?')", safe(program.name)
            )
            continue
        hook = sections.find(program.section)
        if hook is None:
            from beepy.collection.unknown_section import unknown_section  # noqa: PLC0415 - only on the way to an error

            refuse(Refusal(program.name, unknown_section(spec, program)))
        # after a refusal go on as far as possible: a check reports all reasons
        program_fixups: tuple[Fixup, ...] | None = ()
        try:
            if resolver and program.core:
                program_fixups = fixups[program.name] = _resolve(resolver, program)
        except BeepyError as error:
            refuse(Refusal(program.name, error))
            program_fixups = None
        if hook is None:
            continue
        target = targets.get(program.name) or Target(
            program.target or sections.target(hook, program.section)
        )
        point: AttachPoint | None = None
        try:
            point = _point(program, hook, target, operations, kernel)
            if point is None:
                _log.info(
                    "program '%s': skipped: not referenced by a struct_ops map", safe(program.name)
                )
                continue
        except BeepyError as error:
            refuse(Refusal(program.name, error, attaching=True))
        if program_fixups is None:
            continue
        try:
            relocated = patch(program, program_fixups) if program_fixups else program
        except BeepyError as error:
            refuse(Refusal(program.name, error))
            continue
        if point:
            programs.append(Planned(relocated, hook, target, point, program_fixups))
    for architecture in sorted(resolver.architectures) if resolver else ():
        _log.info(
            "%s: built for x86-64: pt_regs are translated to %s", safe(spec.name), architecture
        )
    return Plan(spec, programs, operations, fixups)


def resolver_of(spec: CollectionSpec, kernel: Btf | None) -> Resolver | None:
    """Return the CO-RE resolver of ``spec``, None if it has no BTF.

    It uses the types ``kernel``, or those of the running kernel and its modules.
    """
    if spec.btf is None:
        return None
    resolver = Resolver(spec.btf, (kernel,) if kernel else kernel_btf.candidates)
    resolver.prefetch(spec.programs)
    return resolver


def _resolve(resolver: Resolver, program: ProgramSpec) -> tuple[Fixup, ...]:
    fixups = resolver.fixups(program)
    for number, fixup in enumerate(fixups) if _log.is_debug() else ():
        name = safe(program.name)
        _log.debug("program '%s': relocation %d: insn %d: %s", name, number, fixup.insn, fixup)
    return fixups


def _point(
    program: ProgramSpec,
    hook: Hook,
    target: Target,
    operations: Sequence[StructOps],
    kernel: Btf | None,
) -> AttachPoint | None:
    """Return where a program attaches at load, None for an operation that no map refers to."""
    if hook.prog_type != ProgType.STRUCT_OPS:
        return attachpoint.find(program, hook, target, kernel)
    for struct_ops in operations:
        if program.name in struct_ops.programs:
            return AttachPoint(struct_ops.type, member=struct_ops.programs[program.name].member)
    return None
