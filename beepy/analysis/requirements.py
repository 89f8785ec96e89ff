"""The lowest kernel and the capabilities that an object needs, by its code and maps.

The lowest kernel is the first release of the newest feature in use, or of its fallback. Code that
is never reached counts as well.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from beepy import capability, sections, since
from beepy.analysis import instructions, pointers
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.btf.names import essential_name
from beepy.btf.types import Void
from beepy.features import OLDER_HELPERS, Feature
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.sections import KSYMS
from beepy.obj.spec import (
    CollectionSpec,
    DataRef,
    ExternRef,
    ExternSpec,
    JumpTableRef,
    MapRef,
    MapSpec,
    ProgramSpec,
)
from beepy.uapi import HELPERS, CoreReloKind, MapFlag, MapType, ProgFlag, ProgType

_MAP_FLAGS: Final = frozenset(MapFlag)
_LOAD: Final = "load"
# instructions of an object that are searched for loops; in later programs any jump back is a loop
_MAX_SEARCHED: Final = 1 << 17


class Need(NamedTuple):
    """A feature of the kernel in words, and its first release."""

    feature: str
    since: str


class Capability(NamedTuple):
    """A capability, and what needs it."""

    name: str
    reason: str


_SYSLOG: Final = Capability("CAP_SYSLOG", "addresses of kernel symbols")


class Requirements(NamedTuple):
    """What an object or program needs.

    ``kernel`` is the lowest release, ``because`` the features that need it. ``types``: the
    kernel's BTF is needed. ``capabilities`` are exactly those that a user other than root needs
    from 5.8 on, sorted by name.
    """

    kernel: str
    because: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    types: bool


def of_collection(spec: CollectionSpec) -> tuple[Requirements, dict[str, Requirements]]:
    """Return what an object needs, and what each program needs with its maps, by name.

    Programs that are not loaded by default do not count for the object.
    """
    created = [map_spec for map_spec in spec.maps if map_spec.autoload]
    maps = {map_spec.name: list(_map(map_spec)) for map_spec in created}
    needs: list[Need] = []
    capabilities = [Capability("CAP_BPF", _LOAD)]
    for map_spec in created:
        capabilities += _map_capabilities(map_spec)
    capabilities += reader_capabilities(spec)
    symbols = dict(_symbols(spec))
    by_address = {extern.name for extern in spec.externs if _is_by_address(spec, extern)}
    if by_address:
        capabilities.append(_SYSLOG)
    types = any(map_spec.type == MapType.STRUCT_OPS for map_spec in created)
    programs = {}
    loaded = {program.name for program in spec.loaded}
    left = _MAX_SEARCHED
    for program in spec.programs:
        left -= len(program.insns)
        externs = dict.fromkeys(ref.name for ref in program.refs if isinstance(ref, ExternRef))
        used_symbols = [name for name in externs if name in symbols]
        code_needs = [*_program(program, search_loops=left >= 0)]
        code_needs += [symbols[name] for name in used_symbols]
        program_capabilities = list(_program_capabilities(program))
        if by_address & externs.keys():
            program_capabilities.append(_SYSLOG)
        needs_types = bool(used_symbols) or _needs_types(program)
        used_maps = [ref.map for ref in program.refs if isinstance(ref, MapRef | DataRef)]
        map_needs = [need for name in dict.fromkeys(used_maps) for need in maps.get(name, ())]
        programs[program.name] = _summarize(
            [*code_needs, *map_needs], program_capabilities, types=needs_types
        )
        if program.name in loaded:
            needs += code_needs
            capabilities += program_capabilities
            types = types or needs_types
    needs += [need for map_needs in maps.values() for need in map_needs]
    return _summarize(needs, capabilities, types=types), programs


def _summarize(
    needs: Sequence[Need], capabilities: Iterable[Capability], *, types: bool
) -> Requirements:
    kernel = since.newest(need.since for need in needs)
    because = dict.fromkeys(need.feature for need in needs if need.since == kernel and kernel)
    return Requirements(kernel, tuple(because), merge(capabilities), types)


def merge(capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
    """Return each capability once, with all its reasons, unless another one includes it."""
    reasons: dict[str, dict[str, None]] = {}
    for name, reason in capabilities:
        reasons.setdefault(name, {})[reason] = None
    return tuple(
        Capability(name, ", ".join(reasons_of_name))
        for name, reasons_of_name in sorted(reasons.items())
        if capability.included_in(name) not in reasons
    )


def _program_capabilities(program: ProgramSpec) -> Iterator[Capability]:
    """Yield the capabilities to load and attach a program.

    Those of helpers are omitted if the program type needs them already.
    """
    hook = sections.find(program.section)
    prog_type = hook.prog_type if hook else ProgType.UNSPEC
    by_type = capability.to_load(prog_type)
    for name in by_type:
        yield Capability(name, _LOAD if name == "CAP_BPF" else f"{prog_type.name.lower()} programs")
    for number in helpers(program.insns):
        helper = HELPERS[number] if number < len(HELPERS) else ""
        for name in capability.to_call(helper) - by_type:
            yield Capability(name, f"helper {helper}")
    if pointers.subtracts(prog_type, program):
        yield Capability("CAP_PERFMON", "difference of packet pointers")
    if hook:
        for name in capability.to_attach(prog_type):
            yield Capability(name, f"attaching {prog_type.name.lower()} programs")
        target = program.attach_to or sections.target(hook, program.section)
        if hook.mechanism and hook.mechanism.reads_tracefs(target):
            yield Capability("CAP_DAC_READ_SEARCH", "tracefs is readable by root only")
        if hook.mechanism and hook.mechanism.opens_uprobes:
            yield Capability("CAP_SYS_ADMIN", "perf events of uprobes")
        kernel_type = hook.kernel_type(target)
        module = kernel_type[0] if kernel_type else ""
        if module not in {"", "vmlinux"}:
            yield Capability("CAP_SYS_ADMIN", f"types of module {module}")


def reader_capabilities(spec: CollectionSpec) -> Iterator[Capability]:
    """Yield the capabilities to read the tracked maps, besides those to create them."""
    tracked = {tracked.map for tracked in spec.tracked}
    if any(
        map_spec.type == MapType.PERF_EVENT_ARRAY and map_spec.name in tracked
        for map_spec in spec.maps
    ):
        yield Capability("CAP_PERFMON", "perf buffers")


def capabilities(prog_type: ProgType, insns: Sequence[Insn]) -> frozenset[str]:
    """Return the capabilities to load a program of that type with that code."""
    names = [HELPERS[number] for number in helpers(insns) if number < len(HELPERS)]
    return capability.to_load(prog_type).union(*[capability.to_call(name) for name in names])


def helpers(insns: Sequence[Insn]) -> list[int]:
    """Return the numbers of the helpers that a program calls, each once, in order of first call."""
    calls = [insn.imm for insn in insns if insn.code == op.CALL and insn.src == 0]
    return [number for number in dict.fromkeys(calls) if number > 0]


def _needs_types(program: ProgramSpec) -> bool:
    """Tell whether loading a program needs the kernel's BTF."""
    hook = sections.find(program.section)
    if hook and (hook.kernel_type("") is not None or hook.prog_type == ProgType.STRUCT_OPS):
        return True
    return any(ref.kind != CoreReloKind.TYPE_ID_LOCAL for ref in program.core)


def _need(feature: Feature) -> Need:
    return Need(feature.text, feature.since)


def _symbols(spec: CollectionSpec) -> Iterator[tuple[str, Need]]:
    """Yield the name and need of each kfunc and typed kernel variable that is not weak."""
    for extern in spec.externs:
        name = extern.name
        if extern.section != KSYMS or extern.weak or spec.btf is None:
            continue
        if extern.function:
            release = since.kfunc(essential_name(name)) or Feature.KFUNCS.since
            yield name, Need(f"kfunc {name}", release)
        elif not _is_by_address(spec, extern):
            yield name, Need(f"kernel variable {name}", Feature.TYPED_KSYMS.since)


def _is_by_address(spec: CollectionSpec, extern: ExternSpec) -> bool:
    """Tell whether a kernel symbol has no type and is looked up in /proc/kallsyms."""
    if extern.section != KSYMS or extern.function or spec.btf is None:
        return False
    return isinstance(skip_mods_and_typedefs(spec.btf, extern.type)[1], Void)


def _program(program: ProgramSpec, *, search_loops: bool) -> Iterator[Need]:
    yield from _hook(program)
    for number in helpers(program.insns):
        name = HELPERS[number] if number < len(HELPERS) else ""
        if first := since.helper(OLDER_HELPERS.get(number, number)):
            yield Need(f"helper {name}", first)
    if any(isinstance(ref, DataRef) for ref in program.refs):
        yield _need(Feature.GLOBAL_DATA)
    if any(isinstance(ref, JumpTableRef) for ref in program.refs):
        yield Need("jump tables", since.map_type(MapType.INSN_ARRAY))
    for feature in instructions.features(program.insns, search_loops=search_loops):
        yield _need(feature)


def _hook(program: ProgramSpec) -> Iterator[Need]:
    hook = sections.find(program.section)
    if hook is None:
        return
    yield Need(f"program type {hook.prog_type.name.lower()}", since.prog_type(hook.prog_type))
    if hook.needs_attach_type:
        yield Need(
            f"attach type {hook.attach_type.name.lower()}", since.attach_type(hook.attach_type)
        )
    if hook.flags & ProgFlag.SLEEPABLE and (
        first := since.sleepable(hook.prog_type, hook.attach_type)
    ):
        yield Need("sleepable programs", first)
    others = hook.flags & ~ProgFlag.SLEEPABLE
    for first in since.prog_flags(others):
        yield Need(f"flag {others.name}", first)


def _map_capabilities(map_spec: MapSpec) -> Iterator[Capability]:
    for name in capability.to_create(map_spec.type):
        if name == "CAP_BPF":
            yield Capability(name, _LOAD)
        else:
            yield Capability(name, f"{MapType(map_spec.type).name.lower()} maps")
    if map_spec.inner:
        yield from _map_capabilities(map_spec.inner)


def _map(map_spec: MapSpec) -> Iterator[Need]:
    if map_spec.inner:
        yield from _map(map_spec.inner)
    if first := since.map_type(map_spec.type):
        yield Need(f"map type {MapType(map_spec.type).name.lower()}", first)
    is_data = map_spec.contents is not None
    flags = map_spec.flags
    if is_data and map_spec.type == MapType.ARRAY:
        flags &= ~MapFlag.MMAPABLE  # omitted on kernels that lack it
    for flag in [1 << bit for bit in range(32) if flags >> bit & 1]:
        name = MapFlag(flag).name if flag in _MAP_FLAGS else f"{flag:#x}"
        feature = Feature.GLOBAL_DATA.text if is_data else f"map flag {name}"
        yield Need(feature, since.newest(since.map_flags(flag)))
    if is_data and not flags:
        yield _need(Feature.GLOBAL_DATA)
