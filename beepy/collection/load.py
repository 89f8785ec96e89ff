"""CollectionSpec -> Collection: decide what needs no file descriptor, then create maps and load programs."""

import errno
import logging
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import NamedTuple

from beepy import hooks, maps
from beepy.btf.btf import Btf
from beepy.collection import attachpoint, ksyms
from beepy.collection.attachpoint import AttachPoint
from beepy.collection.collection import Collection
from beepy.collection.externs import with_kconfig
from beepy.collection.ksyms import Symbols
from beepy.collection.relocate import relocate
from beepy.core.patch import patch
from beepy.core.resolve import Fixup, Resolver
from beepy.errors import ElfError, KernelError, UnsupportedSection, VerifierError
from beepy.hooks import Hook, Target
from beepy.kernel import btf as kernel_btf
from beepy.kernel import host, program
from beepy.kernel.fd import Fd
from beepy.obj.insn import encode
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec
from beepy.text import safe
from beepy.uapi import MapFlag

_log = logging.getLogger(__name__)

_NO_TARGETS: Mapping[str, Target] = MappingProxyType({})


class _Planned(NamedTuple):
    """A program whose types are resolved: only file descriptors are missing."""

    spec: ProgramSpec
    hook: Hook
    target: Target
    point: AttachPoint
    fixups: tuple[Fixup, ...]


def load(spec: CollectionSpec, *, targets: Mapping[str, Target] = _NO_TARGETS) -> Collection:
    """Create the maps and load the programs of ``spec``; the caller closes the Collection.

    ``targets`` are where programs attach, by name, for those whose section should be overruled.
    A program whose section begins with ``?`` is left out, as libbpf does. Raises UnsupportedSection, RelocationError,
    BtfError, NotSupported, VerifierError or KernelError; then nothing is left in the kernel.
    """
    planned = _plan(spec, targets)
    spec = with_kconfig(spec)
    kernel_symbols = ksyms.resolve(spec)
    with ExitStack() as stack:
        collection = Collection(spec, {plan.spec.name: plan.target for plan in planned})
        stack.callback(collection.close)
        with ExitStack() as loading:
            types = _load_types(spec)
            if types:
                loading.enter_context(types)
            symbols = Symbols(kernel_symbols, loading)
            for one in spec.maps:
                _create(collection, one, types)
            for plan in planned:
                _load(collection, plan, types, symbols)
        for one in spec.maps:
            _fill_slots(collection, one)
        stack.pop_all()
    return collection


def _targets() -> Iterator[Btf]:
    yield kernel_btf.vmlinux()
    yield from kernel_btf.modules()


def _plan(spec: CollectionSpec, targets: Mapping[str, Target]) -> list[_Planned]:
    resolver = Resolver(spec.btf, _targets) if spec.btf else None
    planned = []
    for one in spec.programs:
        if one.section.startswith("?"):
            _log.info("program '%s': left out, its section says so: %s", safe(one.name), safe(one.section))
            continue
        hook = hooks.find(one.section)
        if hook is None:
            where = f"{safe(spec.name)}: program '{safe(one.name)}': section '{safe(one.section)}'"
            raise UnsupportedSection(f"{where}: no program type is known by that name")
        target = targets.get(one.name) or Target(hooks.target(hook, one.section))
        fixups: tuple[Fixup, ...] = ()
        if resolver and one.core:
            fixups = resolver.fixups(one)
            for number, fixup in enumerate(fixups):
                _log.debug("program '%s': relocation %d: insn %d: %s", safe(one.name), number, fixup.insn, fixup)
            one = patch(one, fixups)  # noqa: PLW2901
        planned.append(_Planned(one, hook, target, attachpoint.find(one, hook, target), fixups))
    for architecture in sorted(resolver.architectures) if resolver else ():
        _log.info("%s: made for x86-64: its registers are read as those of %s", safe(spec.name), architecture)
    return planned


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


def _create(collection: Collection, spec: MapSpec, types: Fd | None) -> None:
    if spec.inner:
        with maps.create(spec.inner, None) as inner:
            created = maps.create(spec, types, inner)
    else:
        created = maps.create(spec, types)
    collection.maps[spec.name] = created
    _log.info("map '%s': created", safe(spec.name))
    if spec.contents is None:
        return
    if any(spec.contents):
        created.update(bytes(4), spec.contents.ljust(spec.value_size, b"\0"))
    if spec.flags & MapFlag.RDONLY_PROG:
        created.freeze()


def _load(collection: Collection, plan: _Planned, types: Fd | None, symbols: Symbols) -> None:
    spec, hook = plan.spec, plan.hook
    try:
        with plan.point.open() as owner:
            loaded = program.load(
                spec.name,
                spec.section,
                hook.prog_type,
                encode(relocate(spec, collection.maps, symbols)),
                collection.spec.license,
                attach_type=hook.attach_type,
                flags=hook.flags,
                kernel_version=host.version_code(host.release()),
                attach_btf_id=plan.point.type,
                attach_btf=owner,
                btf=types,
                func_info=_func_info(spec) if types else b"",
                line_info=_line_info(spec) if types else b"",
                fd_array=symbols.fd_array,
            )
    except VerifierError as error:
        from beepy.collection import verdict  # noqa: PLC0415 - only where the verifier refuses

        raise verdict.explain(error, spec, collection.spec.btf, plan.fixups) from error
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


def _fill_slots(collection: Collection, spec: MapSpec) -> None:
    """Set the initial entries of a map of maps or of programs."""
    owned = {name: one.fd for name, one in collection.maps.items()}
    owned.update({name: one.fd for name, one in collection.programs.items()})
    for index, name in spec.slots:
        fd = owned.get(name)
        if fd is None:
            raise ElfError(
                f"map '{safe(spec.name)}': entry {index}: '{safe(name)}' is no map or program that is loaded"
            )
        collection.maps[spec.name].update(struct.pack("<I", index), struct.pack("<I", fd.fileno()))
