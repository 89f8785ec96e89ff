"""CollectionSpec -> Collection: decide what needs no file descriptor, then create maps and load programs."""

import struct
from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Final

from beepy import maps
from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.collection import fallbacks, ksyms, structops
from beepy.collection.absent import Absent, Missing
from beepy.collection.collection import Collection, Registration
from beepy.collection.create import create, fill_slots
from beepy.collection.fallbacks import Types
from beepy.collection.ksyms import Symbols
from beepy.collection.pins import Pins, pin_programs
from beepy.collection.plan import Planned, plan
from beepy.collection.relocate import relocate
from beepy.collection.structops import StructOps
from beepy.errors import ElfError, KernelError, VerifierError
from beepy.hooks import Hook, Target
from beepy.kernel import host
from beepy.kernel import program as kernel_program
from beepy.kernel.fd import Fd
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.insn import Insn, encode
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, JumpTableRef, MapSpec, ProgramSpec, Value
from beepy.oci.image import Image
from beepy.text import safe
from beepy.uapi import AttachType, MapType, ProgType

_log = Log(__name__)

_NO_VALUES: Mapping[str, Value] = MappingProxyType({})
_NO_TARGETS: Mapping[str, Target | str] = MappingProxyType({})
_NO_PINS: Final = Pins()


def load(
    spec: CollectionSpec | Image | str | Path,
    *,
    variables: Mapping[str, Value] = _NO_VALUES,
    targets: Mapping[str, Target | str] = _NO_TARGETS,
    pins: Pins = _NO_PINS,
    btf: Btf | None = None,
    missing: Missing = "fail",
) -> Collection:
    """Create the maps and load the programs of ``spec``; the caller closes the Collection.

    An image, or the name of one, that holds one object is parsed first. ``variables`` sets global variables, by
    values or by text as ``--set`` has it (see ``obj.literals``). ``targets`` are where programs attach, by name, for
    those whose section should be overruled; a text is a Target's name. ``pins`` says what is pinned where. ``btf``
    are the kernel's types for CO-RE relocations and for enums, in the place of its own. ``missing``: what to do about
    a program whose attach point this kernel lacks (see ``collection.absent``). A program whose section begins with
    ``?`` is left out, as libbpf does. Raises UsageError for variables that are not there or do not fit,
    UnsupportedSection, RelocationError, BtfError, NotSupported, VerifierError or KernelError; then nothing is left in
    the kernel.
    """
    if not isinstance(spec, CollectionSpec):
        spec = _parsed(spec)
    chosen = _targets(spec, targets) if targets else {}
    if variables:
        from beepy.obj.variables import apply  # noqa: PLC0415 - few runs set any

        spec = apply(spec, variables)
    operations = structops.plan(spec)
    absent = Absent(missing)
    planned = plan(spec, chosen, operations, absent, btf)
    if any(extern.section == KCONFIG for extern in spec.externs):
        from beepy.collection.externs import with_kconfig  # noqa: PLC0415 - few objects have any

        spec = with_kconfig(spec)
    kernel_symbols = ksyms.resolve(spec)
    with ExitStack() as stack:
        collection = Collection(spec, {one.spec.name: one.target for one in planned}, absent, btf)
        stack.callback(collection.close)
        stack.callback(collection.pinned.close)
        with ExitStack() as loading:
            types = _load_types(spec, planned)
            if types:
                loading.enter_context(types.fd)
            fd = types.fd if types else None
            symbols = Symbols(kernel_symbols, loading)
            new: dict[str, bool] = {}
            for one in spec.maps:
                if one.type != MapType.STRUCT_OPS:
                    collection.maps[one.name], new[one.name] = _create(one, fd, pins, collection.pinned)
            for each in operations:
                _create_operations(collection, each, fd)
            for program in planned:
                try:
                    _load(collection, program, types, symbols)
                except KernelError as error:
                    absent.skip(program.spec.name, error)
        for one in spec.maps:
            if new.get(one.name) or one.type == MapType.PROG_ARRAY:
                fill_slots(_without(one, absent.skipped), collection.maps, collection.programs)
        collection.operations = [_registration(collection, each) for each in operations]
        if pins.programs:
            pin_programs(collection.programs.values(), pins.programs, collection.pinned)
        stack.pop_all()
    return collection


def _parsed(image: Image | str | Path) -> CollectionSpec:
    """Parse an image of one object. Raises UsageError for one of several."""
    from beepy.oci import lookup  # noqa: PLC0415 - the command line has parsed it
    from beepy.source import parse  # noqa: PLC0415

    found = lookup.find(image)
    if len(found.programs) > 1:
        from beepy.arguments import wrong_value  # noqa: PLC0415 - only on the way to an error

        raise wrong_value("spec", "one object, such as parse(image, 0)", found)
    return parse(found)


def _targets(spec: CollectionSpec, targets: Mapping[str, Target | str]) -> Mapping[str, Target]:
    """Return the targets by program. Raises TypeError, and UsageError for a program that is not there."""
    known = {one.name for one in spec.programs}
    chosen: dict[str, Target] = {}
    for name, target in targets.items():
        if name not in known or not isinstance(target, Target | str):
            from beepy import arguments  # noqa: PLC0415 - only on the way to an error

            arguments.expect_known("targets", [name], known)
            raise arguments.wrong_type(f"targets['{safe(name)}']", "a Target, or its name", target)
        chosen[name] = Target(target) if isinstance(target, str) else target
    return chosen


def _load_types(spec: CollectionSpec, planned: Sequence[Planned]) -> Types | None:
    try:
        uses = [(one.hook.prog_type, info.type) for one in planned for info in one.spec.func_infos]
        return fallbacks.load_types(spec, uses)
    except KernelError as error:
        from beepy.collection import diagnosis  # noqa: PLC0415 - only where the kernel refuses

        raise diagnosis.of_types(error, [(one.hook.prog_type, one.spec.insns) for one in planned]) from error


def _create(spec: MapSpec, types: Fd | None, pins: Pins, undo: ExitStack) -> tuple[Map, bool]:
    try:
        return create(spec, types, pins, undo)
    except KernelError as error:
        from beepy.collection import diagnosis  # noqa: PLC0415 - only where the kernel refuses

        raise diagnosis.of_map(error, spec) from error


def _create_operations(collection: Collection, each: StructOps, types: Fd | None) -> None:
    spec = each.spec._replace(value_size=len(each.value))
    collection.maps[spec.name] = maps.create(spec, types, vmlinux_value_type_id=each.value_type)
    _log.info("map '%s': created", safe(spec.name))


def _registration(collection: Collection, each: StructOps) -> Registration:
    """Return what registers operations: their value, with the programs' descriptors in it."""
    value = bytearray(each.value)
    for name, place in each.programs.items():
        if name not in collection.programs:
            raise ElfError(f"map '{safe(each.spec.name)}': '{safe(name)}' is no program that is loaded")
        struct.pack_into("<Q", value, place.offset, collection.programs[name].fd.fileno())
    return Registration(collection.maps[each.spec.name], bytes(value), each.spec.flags)


def _without(spec: MapSpec, skipped: Container[str]) -> MapSpec:
    return spec._replace(slots=tuple([slot for slot in spec.slots if slot[1] not in skipped]))


def _kernel_version(hook: Hook) -> int:
    """Return what kprobes must name before v5.0 (6c4fc209fcf9, "bpf: remove useless version check for prog load")."""
    return host.version_code(host.release()) if hook.prog_type == ProgType.KPROBE else 0


def _load(collection: Collection, planned: Planned, types: Types | None, symbols: Symbols) -> None:
    spec, hook = planned.spec, planned.hook
    informed = types is not None and types.functions
    try:
        with planned.point.open() as owner, ExitStack() as loading:

            def attempt(insns: tuple[Insn, ...], attach_type: AttachType) -> Program:
                return kernel_program.load(
                    spec.name,
                    spec.section,
                    hook.prog_type,
                    encode(insns),
                    collection.spec.license,
                    attach_type=attach_type,
                    member=planned.point.member,
                    flags=hook.flags,
                    kernel_version=_kernel_version(hook),
                    attach_btf_id=planned.point.type,
                    attach_btf=owner,
                    btf=types.fd if types else None,
                    func_info=_func_info(spec, hook.prog_type, types.contexts) if types and informed else b"",
                    line_info=_line_info(spec) if informed else b"",
                    fd_array=symbols.fd_array,
                )

            tables = _jump_tables(spec, loading)
            insns = relocate(spec, collection.maps, tables, symbols)
            loaded = fallbacks.load_program(attempt, spec.name, insns, hook)
    except VerifierError as error:
        from beepy.collection import diagnosis, verdict  # noqa: PLC0415 - only where the verifier refuses

        unknown = diagnosis.of_attach_type(error, spec.name, hook)
        if unknown:
            raise unknown from error
        raise verdict.explain(error, spec, hook.prog_type, collection.spec.btf, planned.fixups) from error
    except KernelError as error:
        from beepy.collection import diagnosis  # noqa: PLC0415 - as above

        raise diagnosis.of_program(error, spec.name, spec.insns, hook) from error
    collection.programs[spec.name] = loaded
    _log.info("program '%s': loaded", safe(spec.name))


def _jump_tables(spec: ProgramSpec, made: ExitStack) -> Mapping[Sequence[int], Map]:
    if not any(isinstance(ref, JumpTableRef) for ref in spec.refs):
        return {}
    from beepy.collection import jumptables  # noqa: PLC0415 - few programs have any

    return jumptables.create(spec, made)


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
