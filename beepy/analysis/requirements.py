"""What an object asks of a kernel and of a process, read from its code and maps: nothing is asked of this machine.

The lowest kernel is that of the newest thing in use, fallbacks counted: code that is never reached counts as well.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from beepy import capability, sections, since
from beepy.analysis import pointers
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.btf.names import essential_name
from beepy.btf.types import Void
from beepy.features import OLDER_HELPERS, Feature
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.sections import KSYMS
from beepy.obj.spec import CollectionSpec, DataRef, ExternRef, ExternSpec, JumpTableRef, MapRef, MapSpec, ProgramSpec
from beepy.uapi import HELPERS, CoreReloKind, MapFlag, MapType, ProgFlag, ProgType

_MAP_FLAGS: Final = frozenset(MapFlag)
_LOAD: Final = "load"
_MAX_OLD: Final = 4096  # instructions of a program without Feature.LARGE_PROGRAMS
_MAX_SEARCHED: Final = 1 << 17  # instructions of an object; in the programs beyond them a jump back counts as a loop
_JA: Final = 0x00
_JCOND: Final = 0xE0
_EXIT_OR_CALL: Final = (0x80, 0x90)
_OPERATION: Final = 0xF0
_MOV, _END, _DIV, _MOD = 0xB0, 0xD0, 0x30, 0x90
_ATOMIC: Final = 0xC0
_ADD: Final = 0
_LOAD_ACQUIRE: Final = (0x100, 0x110)


class Need(NamedTuple):
    """One thing, and the first release that has it."""

    what: str
    since: str


class Capability(NamedTuple):
    """One capability, and what asks for it."""

    name: str
    reason: str


_SYSLOG: Final = Capability("CAP_SYSLOG", "addresses of kernel symbols")


class Requirements(NamedTuple):
    """``kernel`` is the lowest release, ``because`` what asks for it; ``types``: the kernel's own types are asked for.

    ``capabilities`` are what a user other than root needs from 5.8 on, no more and no less, sorted by name.
    """

    kernel: str
    because: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    types: bool


def of_collection(spec: CollectionSpec) -> tuple[Requirements, dict[str, Requirements]]:
    """Return what all of an object needs, and each program by name, with the maps that it refers to.

    Programs that are not loaded by default do not count for the whole.
    """
    created = [one for one in spec.maps if one.autoload]
    maps = {one.name: list(_map(one)) for one in created}
    whole: list[Need] = []
    asked = [Capability("CAP_BPF", _LOAD), *(one for map_ in created for one in _map_capabilities(map_))]
    asked += _reader_capabilities(spec)
    symbols, addressed = dict(_symbols(spec)), {one.name for one in spec.externs if _by_address(spec, one)}
    if addressed:
        asked.append(_SYSLOG)
    types, programs = any(one.type == MapType.STRUCT_OPS for one in created), {}
    loaded = {one.name for one in spec.loaded}
    left = _MAX_SEARCHED
    for one in spec.programs:
        left -= len(one.insns)
        externs = dict.fromkeys(ref.name for ref in one.refs if isinstance(ref, ExternRef))
        used = [name for name in externs if name in symbols]
        own = [*_program(one, searched=left >= 0), *(symbols[name] for name in used)]
        needed = list(_program_capabilities(one))
        if addressed & externs.keys():
            needed.append(_SYSLOG)
        typed = bool(used) or _types(one)
        held = dict.fromkeys(ref.map for ref in one.refs if isinstance(ref, MapRef | DataRef))
        for_maps = [need for name in held for need in maps.get(name, ())]
        programs[one.name] = _summed([*own, *for_maps], needed, types=typed)
        if one.name in loaded:
            whole += own
            asked += needed
            types = types or typed
    whole += [need for found in maps.values() for need in found]
    return _summed(whole, asked, types=types), programs


def _summed(found: Sequence[Need], asked: Iterable[Capability], *, types: bool) -> Requirements:
    kernel = since.newest(need.since for need in found)
    because = dict.fromkeys(need.what for need in found if need.since == kernel and kernel)
    return Requirements(kernel, tuple(because), _merged(asked), types)


def _merged(asked: Iterable[Capability]) -> tuple[Capability, ...]:
    """Return each capability once, with all its reasons; those that another one includes are left out."""
    reasons: dict[str, dict[str, None]] = {}
    for name, reason in asked:
        reasons.setdefault(name, {})[reason] = None
    return tuple(
        Capability(name, ", ".join(why))
        for name, why in sorted(reasons.items())
        if capability.included_in(name) not in reasons
    )


def _program_capabilities(program: ProgramSpec) -> Iterator[Capability]:
    """Yield what loading and attaching a program takes; of helpers only what its type does not take already."""
    hook = sections.find(program.section)
    kind = hook.prog_type if hook else ProgType.UNSPEC
    by_type = capability.to_load(kind)
    for name in by_type:
        yield Capability(name, _LOAD if name == "CAP_BPF" else f"{kind.name.lower()} programs")
    for number in helpers(program.insns):
        helper = HELPERS[number] if number < len(HELPERS) else ""
        for name in capability.to_call(helper) - by_type:
            yield Capability(name, f"helper {helper}")
    if pointers.subtracts(kind, program):
        yield Capability("CAP_PERFMON", "difference of packet pointers")
    if hook:
        for name in capability.to_attach(kind):
            yield Capability(name, f"attaching {kind.name.lower()} programs")
        target = sections.target(hook, program.section)
        if hook.mechanism and hook.mechanism.reads_tracefs(target):
            yield Capability("CAP_DAC_READ_SEARCH", "tracefs is readable by root only")
        if hook.mechanism and hook.mechanism.opens_uprobes:
            yield Capability("CAP_SYS_ADMIN", "perf events of uprobes")
        wanted = hook.kernel_type(target)
        if wanted and wanted[0] not in {"", "vmlinux"}:
            yield Capability("CAP_SYS_ADMIN", f"types of module {wanted[0]}")


def _reader_capabilities(spec: CollectionSpec) -> Iterator[Capability]:
    """Yield what reading the maps takes that are shown."""
    tracked = {one.map for one in spec.tracked}
    if any(one.type == MapType.PERF_EVENT_ARRAY and one.name in tracked for one in spec.maps):
        yield Capability("CAP_PERFMON", "perf buffers")


def capabilities(prog_type: ProgType, insns: Sequence[Insn]) -> frozenset[str]:
    """Return the capabilities that loading such a program takes."""
    called = [capability.to_call(HELPERS[one]) for one in helpers(insns) if one < len(HELPERS)]
    return capability.to_load(prog_type).union(*called)


def helpers(insns: Sequence[Insn]) -> list[int]:
    """Return the numbers of the helpers that a program calls, each once, in the order of their first calls."""
    calls = [insn.imm for insn in insns if insn.code == op.CALL and insn.src == 0]
    return [number for number in dict.fromkeys(calls) if number > 0]


def _types(program: ProgramSpec) -> bool:
    hook = sections.find(program.section)
    by_type = hook is not None and (hook.kernel_type("") is not None or hook.prog_type == ProgType.STRUCT_OPS)
    return by_type or any(ref.kind != CoreReloKind.TYPE_ID_LOCAL for ref in program.core)


def _need(feature: Feature) -> Need:
    return Need(feature.text, feature.since)


def _symbols(spec: CollectionSpec) -> Iterator[tuple[str, Need]]:
    """Yield what each symbol of the kernel that is not weak needs, if it is looked up by type."""
    for one in spec.externs:
        if one.section != KSYMS or one.weak or spec.btf is None:
            continue
        if one.function:
            yield one.name, Need(f"kfunc {one.name}", since.kfunc(essential_name(one.name)) or Feature.KFUNCS.since)
        elif not _by_address(spec, one):
            yield one.name, Need(f"kernel variable {one.name}", Feature.TYPED_KSYMS.since)


def _by_address(spec: CollectionSpec, extern: ExternSpec) -> bool:
    """Tell whether a symbol of the kernel is one without a type, looked up in /proc/kallsyms."""
    if extern.section != KSYMS or extern.function or spec.btf is None:
        return False
    return isinstance(skip_mods_and_typedefs(spec.btf, extern.type)[1], Void)


def _program(program: ProgramSpec, *, searched: bool) -> Iterator[Need]:
    yield from _hook(program)
    for number in helpers(program.insns):
        name = HELPERS[number] if number < len(HELPERS) else ""
        if first := since.helper(OLDER_HELPERS.get(number, number)):
            yield Need(f"helper {name}", first)
    if any(isinstance(ref, DataRef) for ref in program.refs):
        yield _need(Feature.GLOBAL_DATA)
    if any(isinstance(ref, JumpTableRef) for ref in program.refs):
        yield Need("jump tables", since.map_type(MapType.INSN_ARRAY))
    yield from _code(program.insns, searched=searched)


def _hook(program: ProgramSpec) -> Iterator[Need]:
    hook = sections.find(program.section)
    if hook is None:
        return
    yield Need(f"program type {hook.prog_type.name.lower()}", since.prog_type(hook.prog_type))
    if hook.needs_attach_type:
        yield Need(f"attach type {hook.attach_type.name.lower()}", since.attach_type(hook.attach_type))
    if hook.flags & ProgFlag.SLEEPABLE and (first := since.sleepable(hook.prog_type, hook.attach_type)):
        yield Need("sleepable programs", first)
    others = hook.flags & ~ProgFlag.SLEEPABLE
    for first in since.prog_flags(others):
        yield Need(f"flag {others.name}", first)


def _map_capabilities(one: MapSpec) -> Iterator[Capability]:
    for name in capability.to_create(one.type):
        yield Capability(name, _LOAD if name == "CAP_BPF" else f"{MapType(one.type).name.lower()} maps")
    if one.inner:
        yield from _map_capabilities(one.inner)


def _map(one: MapSpec) -> Iterator[Need]:
    if one.inner:
        yield from _map(one.inner)
    if first := since.map_type(one.type):
        yield Need(f"map type {MapType(one.type).name.lower()}", first)
    flags = one.flags & ~MapFlag.MMAPABLE if one.contents is not None and one.type == MapType.ARRAY else one.flags
    for flag in [1 << bit for bit in range(32) if flags >> bit & 1]:
        name = MapFlag(flag).name if flag in _MAP_FLAGS else f"{flag:#x}"
        what = Feature.GLOBAL_DATA.text if one.contents is not None else f"map flag {name}"
        yield Need(what, since.newest(since.map_flags(flag)))
    if one.contents is not None and not flags:
        yield _need(Feature.GLOBAL_DATA)


def _code(insns: Sequence[Insn], *, searched: bool) -> Iterator[Need]:
    if len(insns) > _MAX_OLD:
        yield _need(Feature.LARGE_PROGRAMS)
    kinds = {(code, src, off) for code, _, src, off, _ in insns}
    if any(code == op.CALL and src == op.PSEUDO_CALL for code, src, _ in kinds):
        yield _need(Feature.SUBPROGRAMS)
    if any(code == op.LD_IMM64 and src == op.PSEUDO_FUNC for code, src, _ in kinds):
        yield _need(Feature.CALLBACKS)
    for code, off in sorted({(code, off if code & op.CLASS in (op.ALU, op.ALU64) else 0) for code, _, off in kinds}):
        if code & (op.CLASS | op.MODE) == op.STX | _ATOMIC:
            yield from _atomics({insn.imm for insn in insns if insn.code == code})
        else:
            yield from _instruction(code, off)
    if any(off < 0 and _jumps(code) for code, _, off in kinds) and (not searched or _loops(insns)):
        yield _need(Feature.LOOPS)


def _atomics(operations: set[int]) -> Iterator[Need]:
    if operations & set(_LOAD_ACQUIRE):
        yield _need(Feature.LOAD_ACQUIRE)
    if operations - {_ADD, *_LOAD_ACQUIRE}:
        yield _need(Feature.ATOMICS)


def _instruction(code: int, off: int) -> Iterator[Need]:
    """Yield what instructions of later sets need; Documentation/bpf/standardization/instruction-set.rst."""
    operation = code & _OPERATION
    match code & op.CLASS:
        case op.JMP32:
            yield _need(Feature.JMP32_JA if operation == _JA else Feature.JMP32)
        case op.JMP if operation == _JCOND:
            yield _need(Feature.MAY_GOTO)
        case op.LDX if code & op.MODE == op.MEMSX:
            yield _need(Feature.LOAD_SIGNED)
        case op.ALU64 if operation == _MOV and off == 1:
            yield _need(Feature.ADDRESS_SPACES)
        case op.ALU | op.ALU64 if operation == _MOV and off:
            yield _need(Feature.MOVE_SIGNED)
        case op.ALU | op.ALU64 if operation in (_DIV, _MOD) and off:
            yield _need(Feature.DIVIDE_SIGNED)
        case op.ALU64 if operation == _END:
            yield _need(Feature.BSWAP)
        case _:
            pass


def _loops(insns: Sequence[Insn]) -> bool:
    """Tell whether a jump leads back to where it came from: the verifier's depth-first search (check_cfg)."""
    state = bytearray(len(insns))  # 1: on the way, 2: done
    for start in range(len(insns)):
        if state[start]:
            continue
        way = [(start, iter(_following(insns, start)))]
        state[start] = 1
        while way:
            at, following = way[-1]
            to = next(following, None)
            if to is None:
                state[at] = 2
                way.pop()
            elif state[to] == 1:
                return True
            elif not state[to]:
                state[to] = 1
                way.append((to, iter(_following(insns, to))))
    return False


def _jumps(code: int) -> bool:
    return code & op.CLASS in (op.JMP, op.JMP32) and code & _OPERATION not in _EXIT_OR_CALL


def _following(insns: Sequence[Insn], at: int) -> list[int]:
    insn = insns[at]
    if insn.code == op.EXIT:
        return []
    following = [at + 1 + insn.wide]
    if _jumps(insn.code):
        long = insn.code & op.CLASS == op.JMP32 and insn.code & _OPERATION == _JA
        target = at + 1 + (insn.imm if long else insn.off)
        following = [target] if insn.code & _OPERATION == _JA else [*following, target]
    return [one for one in following if 0 <= one < len(insns)]
