"""CollectionSpec -> Collection: decide what needs no file descriptor, then create maps and load programs."""

import errno
import logging
import struct
from collections.abc import Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Final

from beepy import maps
from beepy.collection import ksyms, structops
from beepy.collection.collection import Collection, Registration
from beepy.collection.create import create, fill_slots
from beepy.collection.externs import with_kconfig
from beepy.collection.ksyms import Symbols
from beepy.collection.pins import Pins, pin_program
from beepy.collection.plan import Planned, plan
from beepy.collection.relocate import relocate
from beepy.collection.structops import StructOps
from beepy.errors import ElfError, KernelError, VerifierError
from beepy.hooks import Target
from beepy.kernel import btf as kernel_btf
from beepy.kernel import host
from beepy.kernel import program as kernel_program
from beepy.kernel.fd import Fd
from beepy.obj.insn import encode
from beepy.obj.literals import Value
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.obj.variables import apply as set_variables
from beepy.text import safe
from beepy.uapi import MapType

_log = logging.getLogger(__name__)

_NO_VALUES: Mapping[str, Value] = MappingProxyType({})
_NO_TARGETS: Mapping[str, Target] = MappingProxyType({})
_NO_PINS: Final = Pins()


def load(
    spec: CollectionSpec,
    *,
    variables: Mapping[str, Value] = _NO_VALUES,
    targets: Mapping[str, Target] = _NO_TARGETS,
    pins: Pins = _NO_PINS,
) -> Collection:
    """Create the maps and load the programs of ``spec``; the caller closes the Collection.

    ``variables`` sets global variables, by values or by text as ``--set`` has it (see ``obj.literals``).
    ``targets`` are where programs attach, by name, for those whose section should be overruled. ``pins`` says what is
    pinned where.
    A program whose section begins with ``?`` is left out, as libbpf does. Raises UsageError for variables that are not
    there or do not fit, UnsupportedSection, RelocationError, BtfError, NotSupported, VerifierError or KernelError; then
    nothing is left in the kernel.
    """
    spec = set_variables(spec, variables)
    operations = structops.plan(spec)
    planned = plan(spec, targets, operations)
    spec = with_kconfig(spec)
    kernel_symbols = ksyms.resolve(spec)
    with ExitStack() as stack:
        collection = Collection(spec, {one.spec.name: one.target for one in planned})
        stack.callback(collection.close)
        with ExitStack() as loading:
            types = _load_types(spec)
            if types:
                loading.enter_context(types)
            symbols = Symbols(kernel_symbols, loading)
            new: dict[str, bool] = {}
            for one in spec.maps:
                if one.type != MapType.STRUCT_OPS:
                    collection.maps[one.name], new[one.name] = create(one, types, pins, stack)
            for each in operations:
                _create_operations(collection, each, types)
            for program in planned:
                _load(collection, program, types, symbols)
        for one in spec.maps:
            if new.get(one.name) or one.type == MapType.PROG_ARRAY:
                fill_slots(one, collection.maps, collection.programs)
        for loaded in collection.programs.values() if pins.programs else ():
            pin_program(loaded, pins.programs, stack)
        collection.operations = [_registration(collection, each) for each in operations]
        stack.pop_all()
    return collection


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


def _load_types(spec: CollectionSpec) -> Fd | None:
    if spec.btf is None:
        return None
    try:
        return kernel_btf.load(spec.btf.data)
    except KernelError as error:
        if error.errno == errno.EPERM:  # then nothing else is allowed either
            raise
        _log.warning("%s: types are not loaded, programs go without: %s", safe(spec.name), error)
        return None


def _load(collection: Collection, planned: Planned, types: Fd | None, symbols: Symbols) -> None:
    spec, hook = planned.spec, planned.hook
    try:
        with planned.point.open() as owner:
            loaded = kernel_program.load(
                spec.name,
                spec.section,
                hook.prog_type,
                encode(relocate(spec, collection.maps, symbols)),
                collection.spec.license,
                attach_type=hook.attach_type,
                member=planned.point.member,
                flags=hook.flags,
                kernel_version=host.version_code(host.release()),
                attach_btf_id=planned.point.type,
                attach_btf=owner,
                btf=types,
                func_info=_func_info(spec) if types else b"",
                line_info=_line_info(spec) if types else b"",
                fd_array=symbols.fd_array,
            )
    except VerifierError as error:
        from beepy.collection import verdict  # noqa: PLC0415 - only where the verifier refuses

        raise verdict.explain(error, spec, collection.spec.btf, planned.fixups) from error
    collection.programs[spec.name] = loaded
    _log.info("program '%s': loaded", safe(spec.name))


def _func_info(spec: ProgramSpec) -> bytes:
    """Return ``struct bpf_func_info`` records: one for each function, or none, as the kernel demands."""
    if [info.insn for info in spec.func_infos] != [start for _, start in spec.functions]:
        return b""
    return b"".join([struct.pack("<II", *info) for info in spec.func_infos])


def _line_info(spec: ProgramSpec) -> bytes:
    """Return ``struct bpf_line_info`` records, none unless every function's first instruction has one."""
    starts = {info.insn for info in spec.line_infos}
    if not all(start in starts for _, start in spec.functions):
        return b""
    return b"".join([struct.pack("<IIII", *info) for info in spec.line_infos])
