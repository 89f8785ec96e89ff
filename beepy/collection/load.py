"""Load a CollectionSpec: plan what needs no descriptors, then create maps and load programs."""

import errno
import struct
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from beepy import maps
from beepy.btf.btf import Btf
from beepy.collection import code_info, fallbacks
from beepy.collection.collection import Collection, Registration
from beepy.collection.create import create, fill_slots
from beepy.collection.fallbacks import Types, Variant
from beepy.collection.missing import Missing, SkippedPrograms
from beepy.collection.plan import Plan, Planned, Refusal, plan
from beepy.collection.relocate import relocate
from beepy.errors import ElfError, KernelError, VerifierError
from beepy.hooks import Target
from beepy.host import machine
from beepy.kernel import program as kernel_program
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.insn import encode
from beepy.obj.pinning import Pins
from beepy.obj.sections import KCONFIG, KSYMS
from beepy.obj.spec import CollectionSpec, JumpTableRef, ProgramSpec, Value
from beepy.oci.image import Image
from beepy.sections import Hook
from beepy.sys import token
from beepy.text import safe
from beepy.uapi import MapType, ProgType

if TYPE_CHECKING:
    from beepy.collection.forms import Forms  # most uses of this module need none
    from beepy.collection.ksyms import Symbols  # few objects have any
    from beepy.collection.structops import StructOps  # as above

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
    missing: Missing | None = None,
    count_losses: bool = False,
) -> Collection:
    """Create the maps and load the programs of ``spec``; the caller closes the Collection.

    An image, or the name of one, that holds one object is parsed first. ``variables`` sets global
    variables, to values or to texts as ``--set`` takes them (see ``events.literals``). ``targets``
    overrides where programs attach, by program; a text is a Target's name. ``pins`` has the paths
    of pins. ``btf`` is used in place of the kernel's types for CO-RE relocations and enums.
    ``missing`` is the policy for programs whose attach point this kernel lacks (see
    ``collection.missing``); None is that of the image's format. ``count_losses``: programs get code
    that counts the events that they could not send (see ``rewrite.losses``), so that a stream knows
    their number. Programs whose section begins with ``?`` are not loaded, as in libbpf.

    Raises UsageError for variables that do not exist or values that do not fit,
    UnsupportedSection, RelocationError, BtfError, NotSupported, VerifierError or KernelError; then
    nothing remains in the kernel.
    """
    if not isinstance(spec, CollectionSpec):
        spec = _parsed(spec)
    chosen = _targets(spec, targets) if targets else {}
    spec = _with_variables(spec, variables)
    if spec.exporter and spec.exporter.kaddrs:
        from beepy.collection import kaddrs  # noqa: PLC0415 - few objects have any

        spec = kaddrs.apply(spec, spec.exporter.kaddrs)
    if spec.conditions:
        from beepy.collection import conditions  # noqa: PLC0415 - few objects have any

        spec = conditions.apply(spec, chosen)
    tolerant = spec.exporter is not None
    skipped = SkippedPrograms(missing, tolerant=tolerant, optional=spec.optional)
    refuse = _refusal_handler(skipped)
    operations = _operations(spec)

    def plan_(spec: CollectionSpec) -> Plan:
        return plan(spec, chosen, operations, refuse, btf=btf)

    forms = None
    if count_losses:
        from beepy.collection.forms import Forms  # noqa: PLC0415 - for runs
        from beepy.rewrite import losses  # noqa: PLC0415 - as above

        counted = losses.count(spec)
        forms, spec = Forms(counted, plan_), counted.spec
    return load_planned(plan_(spec), skipped, pins=pins, btf=btf, forms=forms)


def load_planned(
    planned: Plan,
    skipped: SkippedPrograms,
    *,
    pins: Pins = _NO_PINS,
    btf: Btf | None = None,
    forms: "Forms | None" = None,
) -> Collection:
    """Create the maps and load the programs of a plan, as ``load`` does.

    The caller closes the Collection.
    """
    token.of_process()  # without the one that the environment names nothing is tried
    spec = _with_kconfig(planned.spec)
    targets = {program.spec.name: program.target for program in planned.programs}
    collection = Collection(spec, targets, skipped, btf)
    collection.forms = forms
    with ExitStack() as undo, ExitStack() as while_loading:
        undo.callback(collection.close)
        undo.callback(collection.pinned.close)  # runs first: a pin keeps a closed map alive
        types = _load_types(spec, planned.programs, while_loading)
        symbols = _kernel_symbols(spec, while_loading)
        if any(map_spec.pinning for map_spec in spec.maps):
            from beepy.collection.pins import with_root  # noqa: PLC0415 - few maps are pinned

            pins = with_root(pins, [spec], while_loading)
        created = _create_maps(collection, types, pins)
        collection.created = created
        if forms:
            forms.freeze(collection.maps)
        _create_operations(collection, planned.operations, types)
        for program in planned.programs:
            _load_program(collection, program, types, symbols, forms)
        _fill_slots(collection, created)  # after loading: slots refer to programs too
        collection.operations = [
            _registration(collection, struct_ops) for struct_ops in planned.operations
        ]
        if pins.programs:
            from beepy.collection.pins import pin_programs  # noqa: PLC0415 - few runs pin any

            pin_programs(collection.programs.values(), pins.programs, collection.pinned)
        undo.pop_all()
    return collection


def _refusal_handler(skipped: SkippedPrograms) -> Callable[[Refusal], None]:
    """Return a function that skips a refused program or raises the reason of its refusal."""

    def refuse(refusal: Refusal) -> None:
        if refusal.attaching:
            skipped.skip(refusal.program, refusal.error)
        elif refusal.program not in skipped.reasons:
            raise refusal.error

    return refuse


def _with_variables(spec: CollectionSpec, variables: Mapping[str, Value]) -> CollectionSpec:
    if not variables:
        return spec
    from beepy.events.variables import apply  # noqa: PLC0415 - few runs set any

    return apply(spec, variables)


def _with_kconfig(spec: CollectionSpec) -> CollectionSpec:
    """Return ``spec`` with the contents of its ``.kconfig`` map."""
    if not any(extern.section == KCONFIG for extern in spec.externs):
        return spec
    from beepy.collection.externs import with_kconfig  # noqa: PLC0415 - few objects have any

    return with_kconfig(spec)


def _kernel_symbols(spec: CollectionSpec, while_loading: ExitStack) -> "Symbols | None":
    """Return the kernel's symbols in ``.ksyms``; ``while_loading`` closes their descriptors."""
    if not any(extern.section == KSYMS for extern in spec.externs):
        return None
    from beepy.collection import ksyms  # noqa: PLC0415 - few objects have any

    return ksyms.Symbols(ksyms.resolve(spec), while_loading)


def _parsed(image: Image | str | Path) -> CollectionSpec:
    """Parse an image of one object. Raises UsageError for one of several."""
    from beepy.oci import lookup  # noqa: PLC0415 - the command line has parsed it
    from beepy.source import parse  # noqa: PLC0415

    image = lookup.find(image)
    if len(image.programs) > 1:
        from beepy.arguments import wrong_value  # noqa: PLC0415 - only on the way to an error

        raise wrong_value("spec", "one object, such as parse(image, 0)", image)
    return parse(image)


def _targets(spec: CollectionSpec, targets: Mapping[str, Target | str]) -> Mapping[str, Target]:
    """Return the targets by program. Raises TypeError, and UsageError for an unknown program."""
    known = {program.name for program in spec.programs}
    chosen: dict[str, Target] = {}
    for name, target in targets.items():
        if name not in known or not isinstance(target, Target | str):
            from beepy import arguments  # noqa: PLC0415 - only on the way to an error

            arguments.expect_known("targets", [name], known)
            raise arguments.wrong_type(f"targets['{safe(name)}']", "a Target, or its name", target)
        chosen[name] = Target(target) if isinstance(target, str) else target
    return chosen


def _load_types(
    spec: CollectionSpec, planned: Sequence[Planned], while_loading: ExitStack
) -> Types | None:
    """Load the object's BTF; ``while_loading`` closes it."""
    uses = [
        (program.hook.prog_type, info.type)
        for program in planned
        for info in program.spec.func_infos
    ]
    try:
        types = fallbacks.load_types(spec, uses)
    except KernelError as error:
        from beepy.collection import refusals  # noqa: PLC0415 - only where the kernel refuses

        programs = [(program.hook.prog_type, program.spec.insns) for program in planned]
        raise refusals.explain_btf(error, programs) from error
    if types:
        while_loading.enter_context(types.fd)
    return types


def _create_maps(collection: Collection, types: Types | None, pins: Pins) -> set[str]:
    """Create the maps or reuse pinned ones; return the names of the new ones."""
    created = set()
    for spec in collection.spec.maps:
        if spec.type == MapType.STRUCT_OPS:
            continue
        try:
            map_, is_new = create(spec, types.fd if types else None, pins, collection.pinned)
        except KernelError as error:
            from beepy.collection import refusals  # noqa: PLC0415 - only where the kernel refuses

            raise refusals.explain_map(error, spec) from error
        collection.maps[spec.name] = map_
        if is_new:
            created.add(spec.name)
    return created


def _operations(spec: CollectionSpec) -> "Sequence[StructOps]":
    """Lay out the STRUCT_OPS maps."""
    if not any(map_spec.type == MapType.STRUCT_OPS for map_spec in spec.maps):
        return ()
    from beepy.collection import structops  # noqa: PLC0415 - few objects have any

    return structops.plan(spec)


def _create_operations(
    collection: Collection, operations: "Sequence[StructOps]", types: Types | None
) -> None:
    """Create the STRUCT_OPS maps; their values have the size of the kernel's struct."""
    fd = types.fd if types else None
    for struct_ops in operations:
        spec = struct_ops.spec._replace(value_size=len(struct_ops.value))
        value_type = struct_ops.value_type
        collection.maps[spec.name] = maps.create(spec, fd, vmlinux_value_type_id=value_type)
        _log.info("map '%s': created", safe(spec.name))


def _fill_slots(collection: Collection, created: Container[str]) -> None:
    """Fill new maps of maps, and all maps of programs: reused ones have an earlier run's."""
    skipped = collection.skipped.reasons
    for spec in collection.spec.maps:
        if spec.name in created or spec.type == MapType.PROG_ARRAY:
            slots = tuple([slot for slot in spec.slots if slot[1] not in skipped])
            fill_slots(spec._replace(slots=slots), collection.maps, collection.programs)


def _registration(collection: Collection, struct_ops: "StructOps") -> Registration:
    """Return the value that registers operations: with the programs' descriptors in it."""
    spec = struct_ops.spec
    value = bytearray(struct_ops.value)
    for name, slot in struct_ops.programs.items():
        if name not in collection.programs:
            raise ElfError(f"map '{safe(spec.name)}': '{safe(name)}' is not a loaded program")
        struct.pack_into("<Q", value, slot.offset, collection.programs[name].fd.fileno())
    return Registration(collection.maps[spec.name], bytes(value), spec.flags)


def _load_program(
    collection: Collection,
    planned: Planned,
    types: Types | None,
    symbols: "Symbols | None",
    forms: "Forms | None",
) -> None:
    """Load a program in the first form that the kernel accepts.

    It is skipped if the kernel lacks something for it. Raises VerifierError or KernelError with the
    reason in its message.
    """
    name = planned.spec.name
    refused: KernelError | None = None
    for form in forms.of(planned) if forms else (planned,):
        try:
            program = _submit_variants(collection, form, types, symbols)
        except KernelError as error:
            refused, planned = error, form
            if error.errno == errno.EPERM:
                break  # no form would be allowed
        else:
            collection.programs[name] = program
            _log.info("program '%s': loaded", safe(name))
            if forms:
                forms.accept(form, refused)
            return
    assert refused
    explained = _explained(refused, collection.spec, planned)
    explained.__cause__ = refused
    collection.skipped.skip(name, explained)


def _submit_variants(
    collection: Collection, planned: Planned, types: Types | None, symbols: "Symbols | None"
) -> Program:
    """Submit the program as it is, then in older forms, until the kernel accepts one."""
    spec, hook, point = planned.spec, planned.hook, planned.point
    func_types = types if types and types.functions else None
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
                func_info=code_info.functions(spec, hook.prog_type, func_types.contexts)
                if func_types
                else b"",
                line_info=code_info.lines(spec) if func_types else b"",
                fd_array=symbols.fd_array if symbols else b"",
            )

        insns = relocate(spec, collection.maps, _jump_tables(spec, while_loading), symbols)
        return fallbacks.first_accepted(spec.name, fallbacks.variants(insns, hook), submit)


def _explained(error: KernelError, collection: CollectionSpec, planned: Planned) -> KernelError:
    """Return ``error`` with the reason why the kernel refused a program in its message."""
    from beepy.collection import (  # noqa: PLC0415 - only where the kernel refuses
        refusals,
        verifier_log,
    )

    spec, hook = planned.spec, planned.hook
    if not isinstance(error, VerifierError):
        return refusals.explain_program(error, spec.name, spec.insns, hook)
    unknown = refusals.explain_attach_type(error, spec.name, hook)
    return unknown or verifier_log.explain(
        error, spec, hook.prog_type, collection.btf, planned.fixups
    )


def _kernel_version(hook: Hook) -> int:
    """Return the kern_version of a program, which kprobes must give before v5.0.

    6c4fc209fcf9, "bpf: remove useless version check for prog load"
    """
    return machine.version_code(machine.release()) if hook.prog_type == ProgType.KPROBE else 0


def _jump_tables(spec: ProgramSpec, while_loading: ExitStack) -> Mapping[Sequence[int], Map]:
    if not any(isinstance(ref, JumpTableRef) for ref in spec.refs):
        return {}
    from beepy.collection import jumptables  # noqa: PLC0415 - few programs have any

    return jumptables.create(spec, while_loading)
