"""CollectionSpec -> Collection: decide what needs no file descriptor, then create maps and load programs."""

import struct
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import Final

from beepy import maps
from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.collection import fallbacks, ksyms, structops
from beepy.collection.absent import Absent, Missing
from beepy.collection.collection import Collection, Registration
from beepy.collection.create import create, fill_slots
from beepy.collection.fallbacks import Types, Variant
from beepy.collection.ksyms import KernelSymbol, Symbols
from beepy.collection.pins import pin_programs
from beepy.collection.plan import Plan, Planned, Refusal, plan
from beepy.collection.relocate import relocate
from beepy.collection.structops import StructOps
from beepy.errors import ElfError, KernelError, VerifierError
from beepy.hooks import Target
from beepy.host import machine
from beepy.kernel import program as kernel_program
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.insn import encode
from beepy.obj.pinning import Pins
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, JumpTableRef, ProgramSpec, Value
from beepy.sections import Hook
from beepy.text import safe
from beepy.uapi import MapType, ProgType

_log = Log(__name__)

_NO_VALUES: Mapping[str, Value] = MappingProxyType({})
_NO_TARGETS: Mapping[str, Target] = MappingProxyType({})
_NO_PINS: Final = Pins()


def load(
    spec: CollectionSpec,
    *,
    variables: Mapping[str, Value] = _NO_VALUES,
    targets: Mapping[str, Target] = _NO_TARGETS,
    pins: Pins = _NO_PINS,
    btf: Btf | None = None,
    missing: Missing = "fail",
) -> Collection:
    """Create the maps and load the programs of ``spec``; the caller closes the Collection.

    ``variables`` sets global variables, by values or by text as ``--set`` has it (see ``events.literals``).
    ``targets`` are where programs attach, by name, for those whose section should be overruled. ``pins`` says what is
    pinned where. ``btf`` are the kernel's types for CO-RE relocations and for enums, in the place of its own.
    ``missing``: what to do about a program whose attach point this kernel lacks (see ``collection.absent``).
    A program whose section begins with ``?`` is left out, as libbpf does. Raises UsageError for variables that are not
    there or do not fit, UnsupportedSection, RelocationError, BtfError, NotSupported, VerifierError or KernelError; then
    nothing is left in the kernel.
    """
    spec = _with_variables(spec, variables)
    absent = Absent(missing)
    planned = plan(spec, targets, structops.plan(spec), _refuser(absent), btf=btf)
    return load_planned(planned, absent, pins=pins, btf=btf)


def load_planned(planned: Plan, absent: Absent, *, pins: Pins = _NO_PINS, btf: Btf | None = None) -> Collection:
    """Create the maps and load the programs that are planned, as ``load`` does; the caller closes the Collection."""
    spec, kernel_symbols = _resolve_externs(planned.spec)

    collection = Collection(spec, {program.spec.name: program.target for program in planned.programs}, absent, btf)
    with ExitStack() as undo, ExitStack() as while_loading:
        undo.callback(collection.close)
        undo.callback(collection.pinned.close)  # before that: a pin would keep what is closed
        types = _load_types(spec, planned.programs, while_loading)
        symbols = Symbols(kernel_symbols, while_loading)
        created = _create_maps(collection, types, pins)
        _create_operations(collection, planned.operations, types)
        _load_programs(collection, planned.programs, types, symbols)
        _fill_slots(collection, created)  # slots name programs too
        collection.operations = [_registration(collection, each) for each in planned.operations]
        if pins.programs:
            pin_programs(collection.programs.values(), pins.programs, collection.pinned)
        undo.pop_all()
    return collection


def _refuser(absent: Absent) -> Callable[[Refusal], None]:
    """Return what skips programs as ``absent`` says, and raises any refusal of others."""

    def refuse(refusal: Refusal) -> None:
        if refusal.attaching:
            absent.skip(refusal.program, refusal.error)
        elif refusal.program not in absent.skipped:
            raise refusal.error

    return refuse


def _with_variables(spec: CollectionSpec, variables: Mapping[str, Value]) -> CollectionSpec:
    if not variables:
        return spec
    from beepy.events.variables import apply  # noqa: PLC0415 - few runs set any

    return apply(spec, variables)


def _resolve_externs(spec: CollectionSpec) -> tuple[CollectionSpec, Mapping[str, KernelSymbol]]:
    """Return the object with the contents of its ``.kconfig``, and the kernel's symbols that it names."""
    if any(extern.section == KCONFIG for extern in spec.externs):
        from beepy.collection.externs import with_kconfig  # noqa: PLC0415 - few objects have any

        spec = with_kconfig(spec)
    return spec, ksyms.resolve(spec)


def _load_types(spec: CollectionSpec, planned: Sequence[Planned], while_loading: ExitStack) -> Types | None:
    """Give the kernel the object's types; ``while_loading`` closes them."""
    uses = [(program.hook.prog_type, info.type) for program in planned for info in program.spec.func_infos]
    try:
        types = fallbacks.load_types(spec, uses)
    except KernelError as error:
        from beepy.collection import diagnosis  # noqa: PLC0415 - only where the kernel refuses

        programs = [(program.hook.prog_type, program.spec.insns) for program in planned]
        raise diagnosis.of_types(error, programs) from error
    if types:
        while_loading.enter_context(types.fd)
    return types


def _create_maps(collection: Collection, types: Types | None, pins: Pins) -> set[str]:
    """Create the maps, or find those that are pinned; return the names of those that are new."""
    created = set()
    for spec in collection.spec.maps:
        if spec.type == MapType.STRUCT_OPS:
            continue
        try:
            map_, is_new = create(spec, types.fd if types else None, pins, collection.pinned)
        except KernelError as error:
            from beepy.collection import diagnosis  # noqa: PLC0415 - only where the kernel refuses

            raise diagnosis.of_map(error, spec) from error
        collection.maps[spec.name] = map_
        if is_new:
            created.add(spec.name)
    return created


def _create_operations(collection: Collection, operations: Sequence[StructOps], types: Types | None) -> None:
    """Create the STRUCT_OPS maps, which are laid out as the kernel's struct."""
    fd = types.fd if types else None
    for each in operations:
        spec = each.spec._replace(value_size=len(each.value))
        collection.maps[spec.name] = maps.create(spec, fd, vmlinux_value_type_id=each.value_type)
        _log.info("map '%s': created", safe(spec.name))


def _fill_slots(collection: Collection, created: Container[str]) -> None:
    """Fill the maps of maps that are new, and all maps of programs: those that are pinned hold programs of before."""
    for spec in collection.spec.maps:
        if spec.name in created or spec.type == MapType.PROG_ARRAY:
            slots = tuple([slot for slot in spec.slots if slot[1] not in collection.absent.skipped])
            fill_slots(spec._replace(slots=slots), collection.maps, collection.programs)


def _registration(collection: Collection, each: StructOps) -> Registration:
    """Return what registers operations: their value, with the programs' descriptors in it."""
    value = bytearray(each.value)
    for name, place in each.programs.items():
        if name not in collection.programs:
            raise ElfError(f"map '{safe(each.spec.name)}': '{safe(name)}' is no program that is loaded")
        struct.pack_into("<Q", value, place.offset, collection.programs[name].fd.fileno())
    return Registration(collection.maps[each.spec.name], bytes(value), each.spec.flags)


def _load_programs(collection: Collection, planned: Sequence[Planned], types: Types | None, symbols: Symbols) -> None:
    """Load the programs, but for those that are left out because the kernel lacks something."""
    for program in planned:
        name = program.spec.name
        try:
            collection.programs[name] = _load_program(collection, program, types, symbols)
        except KernelError as error:
            collection.absent.skip(name, error)
        else:
            _log.info("program '%s': loaded", safe(name))


def _load_program(collection: Collection, planned: Planned, types: Types | None, symbols: Symbols) -> Program:
    try:
        return _submit_variants(collection, planned, types, symbols)
    except KernelError as error:
        raise _explained(error, collection.spec, planned) from error


def _submit_variants(collection: Collection, planned: Planned, types: Types | None, symbols: Symbols) -> Program:
    """Give the kernel the program as it is, then in older ways, until it takes one."""
    spec, hook, point = planned.spec, planned.hook, planned.point
    informed = types if types and types.functions else None
    with point.open() as owner, ExitStack() as while_loading:

        def submit(variant: Variant) -> Program:
            return kernel_program.load(
                spec.name,
                spec.section,
                hook.prog_type,
                encode(variant.insns),
                collection.spec.license,
                attach_type=variant.attach_type,
                member=point.member,
                flags=hook.flags,
                kernel_version=_kernel_version(hook),
                attach_btf_id=point.type,
                attach_btf=owner,
                btf=types.fd if types else None,
                func_info=_func_info(spec, hook.prog_type, informed.contexts) if informed else b"",
                line_info=_line_info(spec) if informed else b"",
                fd_array=symbols.fd_array,
            )

        insns = relocate(spec, collection.maps, _jump_tables(spec, while_loading), symbols)
        return fallbacks.first_accepted(spec.name, fallbacks.variants(insns, hook), submit)


def _explained(error: KernelError, collection: CollectionSpec, planned: Planned) -> KernelError:
    """Return why the kernel refused a program."""
    from beepy.collection import diagnosis, verdict  # noqa: PLC0415 - only where the kernel refuses

    spec, hook = planned.spec, planned.hook
    if not isinstance(error, VerifierError):
        return diagnosis.of_program(error, spec.name, spec.insns, hook)
    unknown = diagnosis.of_attach_type(error, spec.name, hook)
    return unknown or verdict.explain(error, spec, hook.prog_type, collection.btf, planned.fixups)


def _kernel_version(hook: Hook) -> int:
    """Return what kprobes must name before v5.0 (6c4fc209fcf9, "bpf: remove useless version check for prog load")."""
    return machine.version_code(machine.release()) if hook.prog_type == ProgType.KPROBE else 0


def _jump_tables(spec: ProgramSpec, while_loading: ExitStack) -> Mapping[Sequence[int], Map]:
    if not any(isinstance(ref, JumpTableRef) for ref in spec.refs):
        return {}
    from beepy.collection import jumptables  # noqa: PLC0415 - few programs have any

    return jumptables.create(spec, while_loading)


def _func_info(spec: ProgramSpec, prog_type: ProgType, contexts: Mapping[tuple[ProgType, TypeId], TypeId]) -> bytes:
    """Return ``struct bpf_func_info`` records: one for each function, or none, as the kernel demands."""
    if [info.insn for info in spec.func_infos] != [start for _, start in spec.functions]:
        return b""
    records = [(insn, contexts.get((prog_type, type_id), type_id)) for insn, type_id in spec.func_infos]
    return b"".join([struct.pack("<II", *record) for record in records])


def _line_info(spec: ProgramSpec) -> bytes:
    """Return ``struct bpf_line_info`` records, none unless every function's first instruction has one."""
    starts = {info.insn for info in spec.line_infos}
    if not all(start in starts for _, start in spec.functions):
        return b""
    return b"".join([struct.pack("<IIII", *info) for info in spec.line_infos])
